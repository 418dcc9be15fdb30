/*
 * The MTA's side of one connection: what it answers, late, in pieces, wrongly or not at all, and what it
 * holds the proxy to.
 */
#pragma once

#include <errno.h>

#include "sim_auth.h"

/* What the MTA says next: text at a time; then, where ends is TRUE, it closes. */
typedef struct {
    gint64 at;
    char *text;
    gsize said;
    gboolean ends;
    gboolean whole; /* in one piece */
} Saying;

struct Mta {
    Sim *sim;
    guint64 number;
    guint server;
    Wire *wire;
    SmtpPeer peer;
    PosternTimer connect, voice;
    gboolean connect_fails;
    GQueue sayings; /* of Saying * */
    gboolean mute;
    gboolean one_too_many;   /* its next answer is followed by one that nobody asked for */
    gboolean awaits_message; /* has said 354, or will */
    gboolean answers_early;  /* in the middle of the message; nothing more */
    gboolean takes_early;    /* the same with 250 */
    gboolean overridden;     /* an XCLIENT was taken */
    gboolean probed;         /* the transaction is the relay probe's */
    gboolean said_bye;       /* has answered QUIT */
    gboolean misled;         /* MAIL came for another client than it had been told of */
    char *client;            /* the address that it was told */
    guint challenges;        /* answers that it awaits of who logs in */
    guint64 login;           /* who has; 0: nobody */
    char *sender;            /* NULL: no transaction */
    GString *recipients;     /* that it accepted: "1,3," */
};

static inline void saying_free(gpointer data)
{
    Saying *saying = data;
    g_free(saying->text);
    g_free(saying);
}

static inline void mta_free(gpointer data)
{
    Mta *mta = data;
    world_timer_set(&mta->connect, NEVER);
    world_timer_set(&mta->voice, NEVER);
    smtp_peer_clear(&mta->peer);
    g_queue_clear_full(&mta->sayings, saying_free);
    g_string_free(mta->recipients, TRUE);
    g_free(mta->client);
    g_free(mta->sender);
    g_free(mta);
}

static inline void mta_leave(Mta *mta, gboolean reset)
{
    trace(mta->sim, "mta %d is gone", (int)mta->number);
    wire_leave(mta->wire, reset);
    g_hash_table_remove(mta->sim->mtas, mta);
}

/* It holds a connection: one of those that the limit is for. */
static inline gboolean mta_counts(const Mta *mta)
{
    return !mta->said_bye && wire_is_open(mta->wire);
}

static inline gint64 mta_delay(Sim *sim)
{
    guint roll = any_of(sim, 100);
    if (roll < 70)
        return any_of(sim, 5);
    if (roll < 97)
        return any_of(sim, 800);
    return any_of(sim, 20000);
}

static inline void mta_say(Sim *sim, Mta *mta, const char *text, gboolean ends)
{
    if (mta->mute)
        return;
    Saying *saying = g_new0(Saying, 1);
    const Saying *before = g_queue_peek_tail(&mta->sayings);
    saying->at = MAX(sim->world.now + mta_delay(sim), before != NULL ? before->at : 0);
    saying->text = g_strconcat(text, mta->one_too_many ? "250 unasked\r\n" : NULL, NULL);
    saying->whole = mta->one_too_many;
    mta->one_too_many = FALSE;
    saying->ends = ends;
    mta->mute = ends;
    g_queue_push_tail(&mta->sayings, saying);
    if (before == NULL)
        world_timer_set(&mta->voice, saying->at);
}

/* A fault in place of an answer. FALSE: of a kind after which the answer is still due. */
static inline gboolean mta_fault(Sim *sim, Mta *mta, const char *command)
{
    static const char *const odd[] = {"hello?\r\n", "25\r\n",       "250-a\r\n550 b\r\n",
                                      "\r\n",       "334 what\r\n", "\xff\xff\xff\r\n"};
    const char *text;
    gboolean authenticates = mta->challenges > 0 || g_str_has_prefix(command, "AUTH ");
    guint kind = any_of(sim, 9);
    sim->counts->errors++;
    mta->challenges = kind < 7 ? 0 : mta->challenges;
    switch (kind) {
    case 0:
    case 1:
        mta_say(sim, mta, "450 4.3.0 not now\r\n", FALSE);
        return TRUE;
    case 2:
    case 3:
        mta_say(sim, mta, "550-5.7.1 never\r\n550 5.7.1 at all\r\n", FALSE);
        return TRUE;
    case 4:
        mta_say(sim, mta, "421 4.3.2 closing\r\n", TRUE);
        return TRUE;
    case 5:
        mta_say(sim, mta, "", TRUE);
        return TRUE;
    case 6:
        mta->mute = TRUE;
        return TRUE;
    case 7:
        text = odd[any_of(sim, G_N_ELEMENTS(odd))];
        mta->challenges = authenticates && g_str_has_prefix(text, "334");
        mta_say(sim, mta, text, FALSE);
        return TRUE;
    default: /* not in a pipeline, where nobody could tell */
        mta->one_too_many = !g_str_has_prefix(command, "MAIL") && !g_str_has_prefix(command, "RCPT") &&
                            !g_str_has_prefix(command, "XFORWARD");
        return FALSE;
    }
}

static inline void mta_end_transaction(Mta *mta)
{
    g_clear_pointer(&mta->sender, g_free);
    g_string_truncate(mta->recipients, 0);
    mta->awaits_message = mta->probed = FALSE;
}

static inline void mta_ehlo(Sim *sim, Mta *mta)
{
    guint way = sim->world.settings->configuration->proxy.client_address;
    g_autoptr(GString) reply = g_string_new("250-mta\r\n250-8BITMIME\r\n250-SIZE 100000000\r\n");
    if (sim->pipelining)
        g_string_append(reply, "250-PIPELINING\r\n");
    if (way == POSTERN_CLIENT_ADDRESS_XCLIENT && (sim->keeps_xclient || !mta->overridden))
        g_string_append(reply, "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n");
    if (way == POSTERN_CLIENT_ADDRESS_XFORWARD)
        g_string_append(reply, "250-XFORWARD NAME ADDR PORT PROTO HELO IDENT\r\n");
    if (sim->auth)
        g_string_append(reply, "250-AUTH PLAIN LOGIN\r\n");
    g_string_append(reply, "250 DSN\r\n");
    mta_end_transaction(mta);
    mta_say(sim, mta, reply->str, FALSE);
}

static inline void mta_told_client(Sim *sim, Mta *mta, const char *command, const char *reply)
{
    const char *address = strstr(command, " ADDR=");
    g_assert_null(mta->sender);
    if (address != NULL) {
        g_free(mta->client);
        mta->client = g_strndup(address + 6, strcspn(address + 6, " "));
    }
    mta_say(sim, mta, reply, FALSE);
}

static inline void mta_mail(Sim *sim, Mta *mta, const char *command)
{
    g_assert_null(mta->sender);
    g_autofree char *sender = g_strndup(command + 11, strcspn(command + 11, ">"));
    mta->probed = !g_str_has_suffix(sender, "@c.test");
    mta->misled = !mta->probed &&
                  sim->world.settings->configuration->proxy.client_address != POSTERN_CLIENT_ADDRESS_NONE &&
                  g_strcmp0(mta->client, message_of_sender(sim, sender)->client) != 0;
    g_assert_false(!mta->probed && is_drained(sim, mta->server, mta->number));
    /* Who has logged in has a connection of its own, and no other. */
    g_assert_cmpuint(mta->login, ==, mta->probed ? 0 : message_of_sender(sim, sender)->login);
    mta->sender = g_steal_pointer(&sender);
    mta_say(sim, mta, "250 2.1.0 ok\r\n", FALSE);
}

/* "RCPT TO:<r3m17@y.test>" */
static inline void mta_rcpt(Sim *sim, Mta *mta, const char *command)
{
    if (mta->sender == NULL) { /* pipelined behind a refused MAIL */
        mta_say(sim, mta, "503 5.5.1 MAIL first\r\n", FALSE);
        return;
    }
    if (mta->probed) { /* it relays for nobody */
        gboolean own = g_str_equal(command, "RCPT TO:<postmaster>");
        mta_say(sim, mta, own ? "250 2.1.5 ok\r\n" : "554 5.7.1 Relay access denied\r\n", FALSE);
        return;
    }
    if (mta->login != 0 && g_str_has_prefix(command, "RCPT TO:<somebody@")) {
        mta_say(sim, mta, "554 5.7.1 Not from here\r\n", FALSE);
        return;
    }
    /* Its own mail alone comes to a group; who has logged in is served by the first. */
    gboolean is_other = mta->login == 0 && g_str_has_suffix(command, "@o.test>");
    g_assert_true(is_other == is_of_other_group(sim, mta->server));
    sim->counts->routed += is_other;
    if (percent(sim, 8)) {
        mta_say(sim, mta, percent(sim, 50) ? "550 5.1.1 no\r\n" : "452 4.2.2 full\r\n", FALSE);
        return;
    }
    g_assert_true(g_str_has_prefix(command, "RCPT TO:<r"));
    g_string_append_printf(mta->recipients, "%d,", (int)g_ascii_strtoll(command + 10, NULL, 10));
    mta_say(sim, mta, "250 2.1.5 ok\r\n", FALSE);
}

static inline void mta_data(Sim *sim, Mta *mta)
{
    g_assert_false(mta->misled); /* XFORWARD in the same group as MAIL may have been refused: no DATA then */
    g_assert_nonnull(mta->sender);
    g_assert_false(mta->probed);
    g_assert_cmpuint(mta->recipients->len, >, 0);
    mta->awaits_message = TRUE;
    mta_say(sim, mta, "354 go on\r\n", FALSE);
}

static inline void mta_command(Sim *sim, Mta *mta, const char *command)
{
    gboolean quits = g_str_equal(command, "QUIT");
    trace(sim, "mta %d < %s", (int)mta->number, command);
    g_assert_false(mta->awaits_message); /* nothing may come before the 354 is out */
    gboolean faulty = percent(sim, sim->fault_percent);
    gboolean authenticates = mta->challenges > 0 || g_str_has_prefix(command, "AUTH ");
    if (faulty && !g_str_equal(command, "RSET") && mta_fault(sim, mta, command))
        return;
    if (sim->world.now < sim->down_until[mta->server] && !g_str_equal(command, "RSET")) {
        mta->challenges = 0;
        mta_say(sim, mta, "421 4.3.2 going down\r\n", TRUE);
        return;
    }
    if (authenticates) {
        g_assert_null(mta->sender);
        mta_say(sim, mta, auth_reply(sim, command, &mta->challenges, &mta->login), FALSE);
        return;
    }
    if (g_str_has_prefix(command, sim->lmtp ? "LHLO " : "EHLO ")) {
        mta_ehlo(sim, mta);
    } else if (g_str_has_prefix(command, "HELO ")) {
        mta_say(sim, mta, "250 mta\r\n", FALSE);
    } else if (g_str_has_prefix(command, "XCLIENT ")) {
        mta->overridden = TRUE;
        mta_told_client(sim, mta, command, "220 mta ESMTP\r\n");
    } else if (g_str_has_prefix(command, "XFORWARD ")) {
        mta_told_client(sim, mta, command, "250 ok\r\n");
    } else if (g_str_has_prefix(command, "MAIL FROM:<")) {
        mta_mail(sim, mta, command);
    } else if (g_str_has_prefix(command, "RCPT TO:<")) {
        mta_rcpt(sim, mta, command);
    } else if (g_str_has_prefix(command, "VRFY ")) {
        mta_say(sim, mta, "252 2.1.5 maybe\r\n", FALSE);
    } else if (g_str_equal(command, "DATA")) {
        mta_data(sim, mta);
    } else if (g_str_equal(command, "RSET")) {
        mta_end_transaction(mta);
        if (!faulty || !mta_fault(sim, mta, command))
            mta_say(sim, mta, "250 2.0.0 ok\r\n", FALSE);
    } else {
        g_assert_true(quits);
        mta_say(sim, mta, "221 2.0.0 bye\r\n", TRUE);
    }
}

#include "sim_lmtp.h"

/* The dot has come. */
static inline void mta_message(Sim *sim, Mta *mta)
{
    const PosternConfiguration *configuration = sim->world.settings->configuration;
    Message *message = message_of_sender(sim, mta->sender);
    g_autoptr(GString) got = smtp_peer_message(&mta->peer);
    trace(sim, "mta %d < message %d of %d octets", (int)mta->number, (int)message->number, (int)got->len);
    g_assert_true(message->dot_said);
    g_assert_cmpuint(message->dots++, ==, 0);
    /* Who sends chunks ahead hears of them later. */
    g_assert_true(message->chunks ? g_str_has_prefix(mta->recipients->str, message->accepted->str)
                                  : g_str_equal(mta->recipients->str, message->accepted->str));
    g_string_assign(message->told, mta->recipients->str);
    if (message->login == 0)
        check_policies(sim, mta->recipients->str);
    if (message->bare)
        g_assert_true(repairs(sim));
    else
        check_octets(sim, message, got);
    if (configuration->proxy.inspect && configuration->proxy.mode == POSTERN_MODE_ENFORCE)
        g_assert_cmpint(message->virus, ==, POSTERN_VIRUS_CLEAN);
    g_auto(GStrv) recipients = g_strsplit(mta->recipients->str, ",", -1);
    mta_end_transaction(mta);
    if (mta->answers_early) {
        message->stored += mta->takes_early;
        return;
    }
    if (sim->lmtp) {
        mta_answer_each(sim, mta, message, g_strv_length(recipients) - 1);
        return;
    }
    if (!percent(sim, sim->fault_percent)) {
        message->stored++;
        mta_say(sim, mta, "250 2.0.0 queued\r\n", FALSE);
        return;
    }
    guint roll = any_of(sim, 4);
    if (roll == 0) {
        message->stored++; /* taken, but nobody will hear of it */
        if (percent(sim, 50))
            mta_say(sim, mta, "250 2.0", TRUE);
        mta->mute = TRUE;
    } else if (roll == 1) {
        mta_say(sim, mta, percent(sim, 50) ? "554 5.6.0 no\r\n" : "451 4.3.0 no\r\n", FALSE);
    } else if (roll == 2) {
        mta_say(sim, mta, "", TRUE);
    } else {
        mta_say(sim, mta, "554 5.6.0 no\r\n", TRUE);
    }
}

/* Some of a message has come: the MTA may not wait for the rest. */
static inline void mta_gets_a_part(Sim *sim, Mta *mta)
{
    static const char *const sayings[] = {"552 5.3.4 too much\r\n", "421 4.3.2 bye\r\n", ""};
    Message *message = message_of_sender(sim, mta->sender);
    message->streamed |= !message->dot_said && mta->peer.raw->len > 0;
    if (mta->answers_early || message->dot_said || !permille(sim, 2 * sim->fault_percent))
        return;
    sim->counts->disturbed += message->streamed;
    mta->takes_early = percent(sim, 25);
    message->early |= mta->takes_early;
    if (mta->takes_early) /* it is no lie if the message comes after all */
        mta_say(sim, mta, "250 2.0.0 early\r\n", FALSE);
    else
        mta_say(sim, mta, sayings[any_of(sim, G_N_ELEMENTS(sayings))], percent(sim, 50));
    mta->answers_early = mta->mute = TRUE;
}

static inline void mta_received(Wire *wire, const char *octets, gsize length)
{
    Mta *mta = wire->user_data;
    Sim *sim = mta->sim;
    if (network_strikes(sim, wire)) {
        mta_leave(mta, TRUE);
        return;
    }
    if (mta->peer.in_data && !mta->probed)
        mta_gets_a_part(sim, mta);
    for (gsize at = 0; at < length;) {
        gsize taken = 0;
        SmtpPeerEvent event = smtp_peer_take(&mta->peer, octets + at, length - at, &taken);
        at += taken;
        if (event == SMTP_PEER_COMMAND)
            mta_command(sim, mta, mta->peer.line->str);
        else if (event == SMTP_PEER_MESSAGE)
            mta_message(sim, mta);
    }
}

/* The proxy says no more: most MTAs close, some hang. */
static inline void mta_shut(Wire *wire)
{
    Mta *mta = wire->user_data;
    mta->mute = FALSE;
    if (!percent(mta->sim, 15))
        mta_say(mta->sim, mta, "", TRUE);
    mta->mute = TRUE;
}

static inline void mta_closed(Wire *wire, gboolean reset)
{
    mta_leave(wire->user_data, TRUE);
}

static const WirePeer mta_peer = {.received = mta_received, .shut = mta_shut, .closed = mta_closed};

/* The first of what it has to say is due: some of it goes out. */
static inline void mta_speak(gpointer user_data)
{
    Mta *mta = user_data;
    Sim *sim = mta->sim;
    Saying *saying = g_queue_peek_head(&mta->sayings);
    gsize left = strlen(saying->text) - saying->said;
    gsize length = left > 0 && !saying->whole && percent(sim, 15) ? 1 + any_of(sim, (guint)left) : left;
    gboolean done = length == left;
    if (done && mta->awaits_message && g_str_has_prefix(saying->text, "354")) {
        mta->awaits_message = FALSE;
        smtp_peer_expect_message(&mta->peer);
    }
    trace(sim, "mta %d > %.*s", (int)mta->number, (int)length, saying->text + saying->said);
    mta->wire->whole = saying->whole;
    wire_say(mta->wire, saying->text + saying->said, length);
    saying->said += length;
    mta->said_bye |= done && g_str_has_prefix(saying->text, "221 ");
    if (!done)
        saying->at = sim->world.now + any_of(sim, 300);
    gboolean ends = done && saying->ends;
    if (done)
        saying_free(g_queue_pop_head(&mta->sayings));
    saying = g_queue_peek_head(&mta->sayings);
    if (ends)
        mta_leave(mta, percent(sim, 10));
    else if (saying != NULL)
        world_timer_set(&mta->voice, saying->at);
}

static inline void mta_connected(gpointer user_data)
{
    Mta *mta = user_data;
    Sim *sim = mta->sim;
    wire_answer_connect(mta->wire, mta->connect_fails ? ECONNREFUSED : 0);
    if (mta->connect_fails)
        mta_leave(mta, FALSE);
    else if (!percent(sim, sim->fault_percent) || !mta_fault(sim, mta, ""))
        mta_say(sim, mta, "220 mta ESMTP\r\n", FALSE);
}

/* The proxy connects. */
static inline gboolean mta_connect(World *world, Wire *wire, const PosternAddress *address)
{
    Sim *sim = world->user_data;
    sim->counts->connects++;
    if (world->wires > sim->descriptors) {
        sim->counts->exhausted++;
        return FALSE;
    }
    Mta *mta = g_new0(Mta, 1);
    mta->sim = sim;
    mta->number = ++sim->next_mta;
    mta->server = address->port - SERVER_PORT;
    g_assert_cmpuint(mta->server, <, sim->servers);
    mta->wire = wire;
    /* Of one that is drained only the probe wants a connection, now and then. */
    if (is_drained(sim, mta->server, mta->number))
        g_assert_cmpint(++sim->drained_connects, <=, 10 + (world->now - sim->drained_at) / 500);
    wire->peer = &mta_peer;
    wire->user_data = mta;
    wire->capacity = wire_capacity(sim);
    mta->recipients = g_string_new(NULL);
    smtp_peer_init(&mta->peer);
    g_queue_init(&mta->sayings);
    world_timer_init(world, &mta->connect, mta_connected, mta);
    world_timer_init(world, &mta->voice, mta_speak, mta);
    mta->connect_fails = percent(sim, 2) || world->now < sim->down_until[mta->server];
    gboolean answers = !percent(sim, 2);
    sim->counts->unconnected += mta->connect_fails || !answers;
    world_timer_set(&mta->connect, answers ? world->now + any_of(sim, 100) : NEVER);
    g_hash_table_add(sim->mtas, mta);
    trace(sim, "mta %d is connected to", (int)mta->number);
    GHashTableIter iterator;
    gpointer each;
    guint count = 0;
    g_hash_table_iter_init(&iterator, sim->mtas);
    while (g_hash_table_iter_next(&iterator, &each, NULL))
        count += ((const Mta *)each)->server == mta->server && mta_counts(each);
    g_assert_cmpuint(count, <=, sim->limits[mta->server]); /* the promise */
    return TRUE;
}
