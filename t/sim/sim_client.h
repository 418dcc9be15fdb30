/*
 * One client: in step or pipelining, quick or slow, polite or not; it counts every reply.
 */
#pragma once

#include "sim_auth.h"

/* Nothing that the proxy is asked takes longer. */
#define PATIENCE_MS (40 * 60 * 1000)

struct Client {
    Sim *sim;
    guint64 number;
    Wire *wire;
    PosternAddress address;
    char *address_text;    /* or the one that it has given by XCLIENT */
    PosternTimer turn;     /* its next */
    PosternTimer patience; /* until then it is answered */
    GString *to_say;
    gboolean dot_in_to_say; /* the end of to_say is the dot */
    GQueue questions;       /* of Question *, in their order */
    GString *heard;         /* of a reply not complete yet */
    Message *message;
    guint messages_left, recipients;
    gboolean greeted, mail_said, envelope_said, may_send_body, pipelines, slow, quitting;
    gboolean overridden, starttls_said;
    gboolean auth_offered, auth_said, challenged;
    guint64 login; /* its number, once it has logged in; else 0 */
    SSL *tls;      /* or NULL */
    gboolean heard_in_tls;
    gboolean last_word;   /* it has heard 221, 421 or 521: nothing follows */
    gboolean input_ended; /* it says no more */
};

static inline void client_free(gpointer data)
{
    Client *client = data;
    world_timer_set(&client->turn, NEVER);
    world_timer_set(&client->patience, NEVER);
    client->sim->counts->unswitched += client->tls != NULL && !SSL_is_init_finished(client->tls);
    SSL_free(client->tls);
    g_string_free(client->to_say, TRUE);
    g_string_free(client->heard, TRUE);
    g_queue_clear_full(&client->questions, g_free);
    g_free(client->address_text);
    g_free(client);
}

static inline void client_leave(Client *client, gboolean reset)
{
    trace(client->sim, "client %d is gone", (int)client->number);
    client->sim->counts->sessions++;
    wire_leave(client->wire, reset);
    g_hash_table_remove(client->sim->clients, client);
}

static inline gint64 client_pause(Sim *sim, const Client *client)
{
    guint roll = any_of(sim, 1000);
    if (roll < 2)
        return any_of(sim, 800000); /* it sleeps, perhaps for too long */
    if (client->slow ? roll < 400 : roll < 30)
        return 300 + any_of(sim, 600); /* about as long as a silence */
    return any_of(sim, client->slow ? 200 : 5);
}

G_GNUC_PRINTF(4, 5)
static inline void client_ask(Client *client, Asked what, guint recipient, const char *format, ...)
{
    Question *question = g_new0(Question, 1);
    va_list arguments;
    va_start(arguments, format);
    g_string_append_vprintf(client->to_say, format, arguments);
    va_end(arguments);
    question->what = what;
    question->recipient = recipient;
    question->message = client->message;
    g_queue_push_tail(&client->questions, question);
}

static inline void client_new_message(Sim *sim, Client *client)
{
    static const PosternVirusResult results[] = {POSTERN_VIRUS_INFECTED, POSTERN_VIRUS_ERROR};
    static const char *const bare[] = {"a\nb\r\n",
                                       "\n.\r\nMAIL FROM:<m1@c.test>\r\n",
                                       "\r.\r\n",
                                       "\n.\nQUIT\r\n",
                                       "x\r\n.\nRSET\r\n",
                                       "\r\n.\rDATA\r\n",
                                       "\r\r\n"};
    Message *message = g_new0(Message, 1);
    message->number = ++sim->next_message;
    message->octets = g_string_new(NULL);
    message->accepted = g_string_new(NULL);
    message->told = g_string_new(NULL);
    message->client = g_strdup(client->address_text);
    message->login = client->login;
    message->virus = percent(sim, 15) ? results[any_of(sim, G_N_ELEMENTS(results))] : POSTERN_VIRUS_CLEAN;
    if (!percent(sim, 2)) {
        if (!percent(sim, 5))
            g_string_append_printf(message->octets, "Message-ID: <%d>\r\n\r\n", (int)message->number);
        for (guint lines = any_of(sim, percent(sim, sim->streams ? 50 : 5) ? 400 : 20); lines > 0; lines--)
            append_body_line(sim, message->octets);
    }
    if (percent(sim, 8)) {
        message->bare = TRUE;
        message->bare_at = message->octets->len;
        g_string_append(message->octets, bare[any_of(sim, G_N_ELEMENTS(bare))]);
    }
    message->chunks = percent(sim, 25);
    g_hash_table_insert(sim->messages, key_of(message->number), message);
    client->message = message;
    client->recipients = 0;
    client->mail_said = client->envelope_said = client->may_send_body = FALSE;
}

/* Things that bring no mail nearer. */
static inline void client_chatter(Sim *sim, Client *client)
{
    g_autofree char *word = NULL;
    switch (any_of(sim, 120)) {
    case 0 ... 9:
        client_ask(client, ASKED_NOOP, 0, "NOOP\r\n");
        break;
    case 10 ... 13:
        client_ask(client, ASKED_VRFY, 0, "VRFY <x@y.test>\r\n");
        break;
    case 14 ... 17:
        client_ask(client, ASKED_BOGUS, 0, "BOGUS\r\n");
        break;
    case 18 ... 19:
        word = g_strnfill(2048 + any_of(sim, 3000), 'X');
        client_ask(client, ASKED_LONG, 0, "NOOP %s\r\n", word);
        break;
    case 20:
        client_ask(client, ASKED_BARE, 0, "NOOP\n");
        break;
    case 21:
        client_ask(client, ASKED_BDAT, 0, "BDAT all\r\n");
        break;
    default:
        break;
    }
}

/* A server in front tells of its client: the proxy, and with it the MTA, is to hear of no other. */
static inline void client_forward(Sim *sim, Client *client)
{
    if (!sim->filters || percent(sim, 10))
        return;
    g_free(client->message->client);
    client->message->client = g_strdup_printf("172.16.%u.%u", 1 + any_of(sim, 200), 1 + any_of(sim, 200));
    if (percent(sim, 30))
        client_ask(client, ASKED_XFORWARD, 0, "XFORWARD NAME=[UNAVAILABLE] ADDR=172.31.0.1\r\n");
    client_ask(client, ASKED_XFORWARD, 0, "XFORWARD ADDR=%s HELO=f.test SOURCE=REMOTE\r\n",
               client->message->client);
}

/* What is said of the client holds until the session ends. */
static inline void client_override(Sim *sim, Client *client)
{
    if (!sim->trusts || client->overridden || percent(sim, 50))
        return;
    client->overridden = TRUE;
    g_free(client->address_text);
    client->address_text = g_strdup_printf("172.17.%u.%u", 1 + any_of(sim, 200), 1 + any_of(sim, 200));
    client_ask(client, ASKED_XCLIENT, 0, "XCLIENT ADDR=%s%s\r\n", client->address_text,
               percent(sim, 50) ? " NAME=o.test" : "");
    client_ask(client, ASKED_HELLO, 0, "EHLO o.test\r\n");
}

static inline void client_ask_recipients(Sim *sim, Client *client)
{
    guint count = 1 + any_of(sim, percent(sim, 10) ? 12 : 3);
    for (guint i = 0; i < count; i++) {
        client->recipients++;
        if (percent(sim, 3))
            client_ask(client, ASKED_RCPT, 0, "RCPT TO:<somebody@else.where>\r\n");
        client_ask(client, ASKED_RCPT, client->recipients, "RCPT TO:<r%um%d@%s.test>\r\n", client->recipients,
                   (int)client->message->number,
                   is_strict(client->recipients)                  ? "s"
                   : sim->routed && is_routed(client->recipients) ? "o"
                                                                  : "y");
        client_chatter(sim, client);
    }
}

/* All at once: what is refused of it is dropped, and never read as commands. */
static inline void client_say_chunks(Sim *sim, Client *client)
{
    const GString *octets = client->message->octets;
    gsize at = 0;
    gboolean last;
    do {
        gsize wanted = percent(sim, 10) ? any_of(sim, 3) : 1 + any_of(sim, 4000);
        gsize part = MIN(octets->len - at, wanted);
        last = at + part == octets->len && percent(sim, 70);
        client_ask(client, last ? ASKED_DOT : ASKED_CHUNK, 0, "BDAT %d%s\r\n", (int)part,
                   last ? " LAST" : "");
        g_string_append_len(client->to_say, octets->str + at, (gssize)part);
        at += part;
    } while (!last);
    client->dot_in_to_say = TRUE;
}

/* MAIL, RCPT and DATA: all at once, or a few at a time. */
static inline void client_say_envelope(Sim *sim, Client *client)
{
    if (!client->mail_said) {
        client->mail_said = TRUE;
        client_forward(sim, client);
        client_ask(client, ASKED_MAIL, 0, "MAIL FROM:<m%d@c.test>%s\r\n", (int)client->message->number,
                   percent(sim, 20) ? " SIZE=2000 BODY=8BITMIME" : "");
        client_chatter(sim, client);
        if (!client->pipelines)
            return;
    }
    client_ask_recipients(sim, client);
    if (!client->pipelines && percent(sim, 30))
        return;
    if (percent(sim, 4)) {
        client_ask(client, ASKED_RSET, 0, "RSET\r\n");
        client_new_message(sim, client);
        return;
    }
    client->envelope_said = TRUE;
    if (client->message->chunks)
        client_say_chunks(sim, client);
    else
        client_ask(client, ASKED_DATA, 0, "DATA\r\n");
}

static inline void client_say_body(Client *client)
{
    const GString *octets = client->message->octets;
    for (gsize i = 0; i < octets->len; i++) {
        gboolean line_start = i == 0 || (i >= 2 && octets->str[i - 1] == '\n' && octets->str[i - 2] == '\r');
        if (line_start && octets->str[i] == '.' && (!client->message->bare || i < client->message->bare_at))
            g_string_append_c(client->to_say, '.');
        g_string_append_c(client->to_say, octets->str[i]);
    }
    if (octets->len > 0 && !g_str_has_suffix(client->to_say->str, "\r\n"))
        g_string_append(client->to_say, "\r\n");
    client_ask(client, ASKED_DOT, 0, ".\r\n");
    client->dot_in_to_say = TRUE;
    client->may_send_body = FALSE;
}

/* Nothing is to be said and nothing is awaited: what next? */
static inline void client_plan(Sim *sim, Client *client)
{
    if (client->challenged) {
        g_autofree char *answer = auth_answer(sim, client->number);
        client->challenged = FALSE;
        client_ask(client, ASKED_AUTH, 0, "%s\r\n", answer);
    } else if (!client->greeted) {
        client_ask(client, ASKED_HELLO, 0, percent(sim, 90) ? "EHLO c.test\r\n" : "HELO c.test\r\n");
        client_override(sim, client);
        client->greeted = TRUE;
    } else if (sim->tls && !client->starttls_said) {
        client->starttls_said = TRUE;
        if (percent(sim, 70))
            client_ask(client, ASKED_STARTTLS, 0, "STARTTLS\r\n");
        else
            client_plan(sim, client);
    } else if (client->auth_offered && !client->auth_said && client->message == NULL) {
        g_autofree char *command = auth_command(sim, client->number);
        client->auth_said = percent(sim, 80); /* else once more */
        client_ask(client, ASKED_AUTH, 0, "%s\r\n", command);
    } else if (client->may_send_body) {
        client_say_body(client);
    } else if (client->message == NULL && client->messages_left > 0) {
        client->messages_left--;
        client_new_message(sim, client);
        client_say_envelope(sim, client);
    } else if (client->message != NULL && !client->envelope_said) {
        client_say_envelope(sim, client);
    } else if (client->message != NULL) { /* its DATA was refused */
        client_ask(client, ASKED_RSET, 0, "RSET\r\n");
        client->message = NULL;
    } else {
        client_ask(client, ASKED_QUIT, 0, "QUIT\r\n");
        client->quitting = TRUE;
    }
}

/* TRUE: it is gone. */
static inline gboolean client_breaks_off(Sim *sim, Client *client)
{
    sim->counts->left++;
    if (percent(sim, 50)) {
        client_leave(client, percent(sim, 50));
        return TRUE;
    }
    trace(sim, "client %d ends its side", (int)client->number);
    client->input_ended = TRUE;
    if (client->tls != NULL)
        tls_end(client->tls, client->wire);
    wire_end(client->wire);
    return FALSE;
}

static inline void client_say(Sim *sim, Client *client)
{
    gsize length = client->to_say->len;
    if (length > 0 && percent(sim, sim->streams ? 90 : client->slow ? 60 : 20))
        length = 1 + any_of(sim, sim->streams ? MIN((guint)length, 9000) : (guint)length);
    if (client->tls != NULL)
        tls_say(client->tls, client->wire, client->to_say->str, length);
    else
        wire_say(client->wire, client->to_say->str, length);
    g_string_erase(client->to_say, 0, (gssize)length);
    if (client->dot_in_to_say && client->to_say->len == 0) {
        client->message->dot_said = TRUE;
        client->message->dot_at = sim->world.now;
        client->dot_in_to_say = FALSE;
    }
    world_timer_set(&client->patience, sim->world.now + PATIENCE_MS);
    if (client->to_say->len > 0)
        world_timer_set(&client->turn, sim->world.now + client_pause(sim, client));
}

/* Some octets go out, or it leaves. */
static inline void client_turn(gpointer user_data)
{
    Client *client = user_data;
    Sim *sim = client->sim;
    if (client->input_ended || client->last_word)
        return;
    gboolean shakes_hands = client->tls != NULL && !SSL_is_init_finished(client->tls);
    if (permille(sim, sim->leave_permille)) {
        client_breaks_off(sim, client);
        return;
    }
    if (network_strikes(sim, client->wire)) {
        client_leave(client, TRUE);
        return;
    }
    if (shakes_hands)
        return;
    if (client->to_say->len == 0 && g_queue_is_empty(&client->questions))
        client_plan(sim, client);
    client_say(sim, client);
}

/* It has waited for longer than anything takes. */
static inline void client_impatient(gpointer user_data)
{
    const Client *client = user_data;
    g_error("seed %u: client %d is forgotten: %u answers are due, %d octets not read, end said: %d",
            client->sim->seed, (int)client->number, client->questions.length, (int)wire_unread(client->wire),
            client->input_ended);
}

/* The codes that a question may be answered with, the last word aside. */
static inline void client_check_answer(const Sim *sim, Asked what, guint code)
{
    gboolean refused = code >= 400;
    static const guint codes[] = {
        [ASKED_XCLIENT] = 220,  [ASKED_XFORWARD] = 250, [ASKED_GREETING] = 220, [ASKED_HELLO] = 250,
        [ASKED_STARTTLS] = 220, [ASKED_MAIL] = 250,     [ASKED_RCPT] = 250,     [ASKED_DATA] = 354,
        [ASKED_DOT] = 250,      [ASKED_NOOP] = 250,     [ASKED_VRFY] = 252,     [ASKED_BOGUS] = 500,
        [ASKED_LONG] = 500,     [ASKED_BARE] = 250,     [ASKED_BDAT] = 521,     [ASKED_RSET] = 250,
        [ASKED_QUIT] = 221,     [ASKED_CHUNK] = 250,    [ASKED_AUTH] = 235,
    };
    gboolean may_be_refused = what == ASKED_RCPT || what == ASKED_DATA || what == ASKED_CHUNK ||
                              what == ASKED_DOT || what == ASKED_VRFY || what == ASKED_AUTH;
    gboolean challenges = what == ASKED_AUTH && code == 334;
    g_assert_true(challenges || code == codes[what] || (may_be_refused && refused));
    g_assert_true(what != ASKED_BARE || repairs(sim));
}

static inline void client_dot_answered(Sim *sim, Client *client, Message *message, guint code)
{
    message->reply = code;
    message->had_354 |= code / 100 == 2;
    trace(sim, "message %d: %u", (int)message->number, code);
    if (code / 100 == 2 && !message->early) { /* else the dot may still be on its way: see check_message() */
        g_assert_cmpuint(message->stored, ==, 1); /* the promise */
        g_assert_cmpstr(message->told->str, ==, message->accepted->str);
    }
    if (sim->filters && !message->chunks && client->wire->stalled_until == 0)
        g_assert_cmpint(sim->world.now - message->dot_at, <=, FILTER_TIMEOUT_MS + LATENCY_MAX_MS);
    client->message = NULL;
}

static inline void client_answered(Sim *sim, Client *client, const Question *question, guint code)
{
    client_check_answer(sim, question->what, code);
    if (question->what == ASKED_RCPT && code / 100 == 2) {
        g_assert_cmpuint(question->recipient, >, 0); /* never an open relay; who has logged in is the MTA's */
        g_string_append_printf(question->message->accepted, "%u,", question->recipient);
    } else if (question->what == ASKED_DATA && code == 354) {
        question->message->had_354 = TRUE;
        client->may_send_body = TRUE;
    } else if (question->what == ASKED_STARTTLS) {
        client->tls = tls_begin(sim->counts->tls, client->wire);
        client->greeted = client->auth_offered = client->auth_said = FALSE;
        client->login = 0;
    } else if (question->what == ASKED_AUTH) {
        client->challenged = code == 334;
        client->login = code == 235 ? client->number : client->login;
        sim->counts->logins += code == 235;
        sim->counts->failed_logins += code / 100 == 5;
    } else if (question->what == ASKED_CHUNK) {
        question->message->had_354 |= code == 250;
    } else if (question->what == ASKED_DOT) {
        client_dot_answered(sim, client, question->message, code);
    }
}

static inline void client_reply(Sim *sim, Client *client, guint code)
{
    g_autofree Question *question = g_queue_pop_head(&client->questions);
    g_assert_false(client->last_word);
    client->last_word = code == 421 || code == 521 || code == 221;
    sim->counts->let_go += code == 421;
    if (client->last_word) {
        gboolean polite = code != 221 || (question != NULL && question->what == ASKED_QUIT);
        g_assert_true(polite);
        return;
    }
    g_assert_nonnull(question);
    client_answered(sim, client, question, code);
    if (client->turn.place == 0 && g_queue_is_empty(&client->questions))
        world_timer_set(&client->turn, sim->world.now + client_pause(sim, client));
}

/* One line of a reply (RFC 5321 4.2). */
static inline void client_hears(Sim *sim, Client *client, const char *line)
{
    trace(sim, "client %d < %s", (int)client->number, line);
    g_assert_cmpuint(strlen(line), >=, 4);
    g_assert_true(line[0] >= '2' && line[0] <= '5' && g_ascii_isdigit(line[1]) && g_ascii_isdigit(line[2]));
    g_assert_true(line[3] == ' ' || line[3] == '-');
    for (const char *at = line; *at != '\0'; at++)
        g_assert_true(*at >= ' ' && *at <= '~');
    client->auth_offered |= g_str_has_prefix(line + 4, "AUTH ") && g_str_has_prefix(line, "250");
    if (line[3] == ' ')
        client_reply(sim, client, (guint)g_ascii_strtoull(line, NULL, 10));
}

/* It goes on once TLS has begun. */
static inline void client_decipher(Client *client, const char *octets, gsize length)
{
    Sim *sim = client->sim;
    gboolean begun = SSL_is_init_finished(client->tls);
    tls_received(client->tls, client->wire, octets, length, client->heard);
    client->heard_in_tls |= client->heard->len > 0;
    if (begun || !SSL_is_init_finished(client->tls))
        return;
    sim->counts->switched++;
    world_timer_set(&client->turn, sim->world.now + client_pause(sim, client));
}

static inline void client_received(Wire *wire, const char *octets, gsize length)
{
    Client *client = wire->user_data;
    char *end;
    if (client->tls != NULL)
        client_decipher(client, octets, length);
    else
        g_string_append_len(client->heard, octets, (gssize)length);
    g_assert_cmpuint(strlen(client->heard->str), ==, client->heard->len);
    while ((end = strstr(client->heard->str, "\r\n")) != NULL) {
        *end = '\0';
        client_hears(client->sim, client, client->heard->str);
        g_string_erase(client->heard, 0, end + 2 - client->heard->str);
    }
    world_timer_set(&client->patience, client->sim->world.now + PATIENCE_MS);
    if (network_strikes(client->sim, wire))
        client_leave(client, TRUE);
}

static inline void client_shut(Wire *wire)
{
}

/* It was told, unless it could not be. */
static inline void client_closed(Wire *wire, gboolean reset)
{
    Client *client = wire->user_data;
    /* In a handshake, which is over for the client before it is for us, nothing can be said. */
    gboolean shakes_hands = client->tls != NULL && !client->heard_in_tls;
    gboolean deaf = wire->vanished || wire->stalled_until > 0 || wire->refused || shakes_hands;
    g_assert_true(deaf || client->input_ended || client->last_word);
    /* What it said before it ended its side is answered all the same. */
    if (!deaf && !client->last_word && client->to_say->len == 0)
        g_assert_true(g_queue_is_empty(&client->questions));
    client_leave(client, FALSE);
}

static const WirePeer client_peer = {
    .received = client_received, .shut = client_shut, .closed = client_closed};
