#include <string.h>

#include "proxy/session/session.h"
#include "support/smtp_peer.h"
#include "support/world.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/*
 * The dialogue of AUTH between a client and a mail server, of which either may say anything at any time. The
 * input is a list of events: an octet that chooses one, then what it takes. After each: a client hears 235
 * only if the server has said so to its login; until then the server hears of AUTH nothing but a mechanism
 * that it offers and lines of base64; one that a client has logged in to serves nobody else; no response of a
 * client is in the log, but for one that was given as the user's name, and is logged as that.
 */
#define SECRET "c2VzYW1l" /* sesame: no log line may have it, in this form or the other */
#define OFFER                                                                                                \
    "250-mta\r\n250-PIPELINING\r\n250-AUTH PLAIN LOGIN CRAM-MD5\r\n250 XCLIENT ADDR NAME LOGIN HELO\r\n"
#define CLIENTS 2

typedef struct Fuzz Fuzz;

typedef struct {
    Fuzz *fuzz;
    Wire *wire;
    SmtpPeer peer;
    gboolean asked;     /* AUTH has come, and its end has not been said */
    gboolean welcomed;  /* 235 was the answer */
    gboolean speaks_up; /* it has said what nobody asked for: what answers what cannot be told any more */
} Mta;

typedef struct {
    Fuzz *fuzz;
    Wire *wire; /* NULL: not there yet, or gone */
    gboolean came;
    GString *heard; /* of a line */
} Client;

struct Fuzz {
    World world;
    const uint8_t *data;
    size_t size;
    gsize piece;
    Client clients[CLIENTS + 1]; /* the last is not the input's */
    Client *client;
    GPtrArray *mtas;
    const char *answer; /* to AUTH and its lines */
    guint welcomes;     /* 235 of the server, to a login */
    guint told;         /* and to clients */
    gboolean honest;
};

/* To what is of a login. */
static const char *const answers[] = {
    "334 \r\n",
    "334 VXNlcm5hbWU6\r\n",
    "235 2.7.0 welcome\r\n",
    "535 5.7.8 no\r\n",
    "454 4.7.0 later\r\n",
    "421 4.3.2 closing\r\n",
    "501 5.5.2 what\r\n",
    "235-2.7.0 well\r\n235 come\r\n",
    "334 not base64 at all\r\n",
    "250 ok\r\n",
    "354 go\r\n",
    NULL,
};

static const char *const sayings[] = {
    "EHLO c.test\r\n",
    "AUTH PLAIN AGFkYQBzZXNhbWU=\r\n",
    "AUTH PLAIN\r\n",
    "AUTH LOGIN\r\n",
    "AUTH LOGIN YWRh\r\n",
    "AUTH CRAM-MD5\r\n",
    "AUTH PLAIN =\r\n",
    "AUTH EXTERNAL =\r\n",
    "auth  login  YWRh \r\n",
    "YWRh\r\n",
    SECRET "\r\n",
    "AGFkYQBzZXNhbWU=\r\n",
    "*\r\n",
    "\r\n",
    "=\r\n",
    "no base64\r\n",
    "MAIL FROM:<a@x.test> AUTH=a+40x.test\r\n",
    "RCPT TO:<b@y.test>\r\n",
    "DATA\r\n",
    "A: b\r\n\r\nx\r\n.\r\n",
    "RSET\r\n",
    "QUIT\r\n",
    "AUTH LOGIN\r\nYWRh\r\n" SECRET "\r\n",
    "HELO c.test\r\n",
    "XCLIENT LOGIN=ada\r\n",
    "YWRh",
    "\n",
    "\r",
    "AUTH PLAIN\n",
};

static guint take(Fuzz *fuzz)
{
    if (fuzz->size == 0)
        return 0;
    fuzz->size--;
    return *fuzz->data++;
}

static gsize portion(World *world, gsize length)
{
    return ((const Fuzz *)world->user_data)->piece;
}

/* A value is a word, or in quotes, and has none. */
static char *without_users(const char *line)
{
    static const char user[] = " user=";
    GString *others = g_string_new(NULL);
    for (const char *name; (name = strstr(line, user)) != NULL;) {
        const char *value = name + strlen(user);
        g_string_append_len(others, line, name - line);
        line = value[0] == '"' ? value + 1 + strcspn(value + 1, "\"") : value + strcspn(value, " ");
    }
    g_string_append(others, line);
    return g_string_free(others, FALSE);
}

static void take_log(World *world, const char *line)
{
    const Fuzz *fuzz = world->user_data;
    g_autofree char *others = without_users(line);
    g_assert_null(strstr(others, SECRET));
    g_assert_null(strstr(others, "sesame"));
    if (fuzz->honest && fuzz->welcomes == 0)
        g_assert_null(strstr(line, "class=authenticated"));
}

/* ---- the server */

static void mta_free(gpointer data)
{
    Mta *mta = data;
    wire_leave(mta->wire, FALSE);
    smtp_peer_clear(&mta->peer);
    g_free(mta);
}

static gboolean is_base64(const char *text)
{
    return text[strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")] == '\0';
}

static void check_auth(const Mta *mta, const char *line)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    g_assert_false(mta->welcomed); /* it is that client's alone */
    g_assert_true(g_str_equal(words[1], "PLAIN") || g_str_equal(words[1], "LOGIN") ||
                  g_str_equal(words[1], "CRAM-MD5"));
    g_assert_true(words[2] == NULL || (words[3] == NULL && is_base64(words[2])));
}

/* FALSE: it is gone. */
static gboolean answer_login(Mta *mta)
{
    Fuzz *fuzz = mta->fuzz;
    const char *answer = fuzz->answer;
    if (answer == NULL) {
        g_ptr_array_remove(fuzz->mtas, mta);
        return FALSE;
    }
    mta->asked = g_str_has_prefix(answer, "334");
    if (g_str_has_prefix(answer, "235")) {
        mta->welcomed = TRUE;
        fuzz->welcomes++;
    }
    wire_say(mta->wire, answer, strlen(answer));
    return TRUE;
}

static const char *answer_to(Mta *mta, const char *line)
{
    if (g_str_has_prefix(line, "EHLO"))
        return OFFER;
    if (g_str_has_prefix(line, "XCLIENT"))
        return "220 mta\r\n";
    if (g_str_has_prefix(line, "RCPT TO:<relay-probe"))
        return "554 5.7.1 Relay access denied\r\n";
    if (g_str_equal(line, "QUIT"))
        return "221 bye\r\n";
    if (!g_str_equal(line, "DATA"))
        return "250 ok\r\n";
    smtp_peer_expect_message(&mta->peer);
    return "354 go\r\n";
}

static void mta_received(Wire *wire, const char *octets, gsize length)
{
    Mta *mta = wire->user_data;
    if (mta->speaks_up)
        return;
    for (gsize at = 0; at < length;) {
        gsize taken = 0;
        SmtpPeerEvent event = smtp_peer_take(&mta->peer, octets + at, length - at, &taken);
        const char *line = mta->peer.line->str;
        at += taken;
        if (event == SMTP_PEER_MORE)
            continue;
        gboolean begins = event == SMTP_PEER_COMMAND && g_str_has_prefix(line, "AUTH ");
        if (begins)
            check_auth(mta, line);
        else if (mta->asked)
            g_assert_true(is_base64(line) || g_str_equal(line, "*") || g_str_equal(line, "QUIT"));
        if ((begins || mta->asked) && !g_str_equal(line, "QUIT")) {
            if (!answer_login(mta))
                return;
            continue;
        }
        const char *text = event == SMTP_PEER_MESSAGE ? "250 queued\r\n" : answer_to(mta, line);
        wire_say(mta->wire, text, strlen(text));
    }
}

static void mta_shut(Wire *wire)
{
    Mta *mta = wire->user_data;
    g_ptr_array_remove(mta->fuzz->mtas, mta);
}

static void mta_closed(Wire *wire, gboolean reset)
{
    mta_shut(wire);
}

static gboolean mta_connect(World *world, Wire *wire, const PosternAddress *address)
{
    static const WirePeer peer = {.received = mta_received, .shut = mta_shut, .closed = mta_closed};
    static const char greeting[] = "220 mta\r\n";
    Fuzz *fuzz = world->user_data;
    Mta *mta = g_new0(Mta, 1);
    mta->fuzz = fuzz;
    mta->wire = wire;
    wire->peer = &peer;
    wire->user_data = mta;
    smtp_peer_init(&mta->peer);
    g_ptr_array_add(fuzz->mtas, mta);
    wire_answer_connect(wire, 0);
    wire_say(wire, greeting, strlen(greeting));
    return TRUE;
}

/* ---- the clients */

static void hear_line(Client *client)
{
    Fuzz *fuzz = client->fuzz;
    const char *line = client->heard->str;
    g_assert_true(strlen(line) >= 4 && (line[3] == ' ' || line[3] == '-'));
    fuzz->told += g_str_has_prefix(line, "235 ");
    if (fuzz->honest)
        g_assert_cmpuint(fuzz->told, <=, fuzz->welcomes);
}

static void client_received(Wire *wire, const char *octets, gsize length)
{
    Client *client = wire->user_data;
    for (gsize i = 0; i < length; i++) {
        g_string_append_c(client->heard, octets[i]);
        if (!g_str_has_suffix(client->heard->str, "\r\n"))
            continue;
        hear_line(client);
        g_string_truncate(client->heard, 0);
    }
}

static void client_shut(Wire *wire)
{
}

static void client_closed(Wire *wire, gboolean reset)
{
    Client *client = wire->user_data;
    wire_leave(g_steal_pointer(&client->wire), FALSE);
}

static void client_says(Fuzz *fuzz, const char *octets, gsize length)
{
    static const WirePeer peer = {.received = client_received, .shut = client_shut, .closed = client_closed};
    Client *client = fuzz->client;
    if (!client->came) {
        PosternAddress address;
        gboolean submission = client != &fuzz->clients[CLIENTS] && take(fuzz) % 2 == 0;
        g_assert_true(postern_address_parse(&address, "192.0.2.1"));
        client->came = TRUE;
        client->wire = wire_new(&fuzz->world, &peer, client);
        world_accept(&fuzz->world, 0, client->wire, &address, submission);
        world_run(&fuzz->world, fuzz->world.now);
    }
    if (client->wire != NULL)
        wire_say(client->wire, octets, length);
}

/* A first message, by which the proxy learns what the server announces. */
static void begin(Fuzz *fuzz)
{
    static const char text[] = "EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nQUIT\r\n";
    fuzz->client = &fuzz->clients[CLIENTS];
    client_says(fuzz, text, strlen(text));
    world_run(&fuzz->world, fuzz->world.now + 5000);
    fuzz->client = &fuzz->clients[0];
}

/* ---- events */

static const char *take_octets(Fuzz *fuzz, gsize *ret_length)
{
    gsize wanted = take(fuzz);
    const char *octets = (const char *)fuzz->data;
    *ret_length = MIN(wanted, fuzz->size);
    fuzz->data += *ret_length;
    fuzz->size -= *ret_length;
    return octets;
}

static void mta_says(Fuzz *fuzz, const char *text, gsize length)
{
    if (fuzz->mtas->len == 0 || length == 0)
        return;
    Mta *mta = g_ptr_array_index(fuzz->mtas, take(fuzz) % fuzz->mtas->len);
    mta->speaks_up = TRUE;
    fuzz->honest = FALSE;
    wire_say(mta->wire, text, length);
}

static void end_something(Fuzz *fuzz)
{
    guint what = take(fuzz);
    if (what % 2 == 0)
        wire_leave(g_steal_pointer(&fuzz->client->wire), what % 4 == 0);
    else if (fuzz->mtas->len > 0)
        g_ptr_array_remove_index(fuzz->mtas, what % fuzz->mtas->len);
}

static void step(Fuzz *fuzz)
{
    static const gsize pieces[] = {G_MAXSIZE, 1, 7};
    gsize length = 0;
    const char *octets;
    switch (take(fuzz) % 9) {
    case 0:
        octets = take_octets(fuzz, &length);
        client_says(fuzz, octets, length);
        break;
    case 1:
    case 2:
    case 3:
        octets = sayings[take(fuzz) % G_N_ELEMENTS(sayings)];
        client_says(fuzz, octets, strlen(octets));
        break;
    case 4:
    case 5:
        fuzz->answer = answers[take(fuzz) % G_N_ELEMENTS(answers)];
        break;
    case 6:
        octets = take_octets(fuzz, &length);
        mta_says(fuzz, octets, length);
        break;
    case 7:
        fuzz->client = &fuzz->clients[take(fuzz) % CLIENTS];
        fuzz->piece = pieces[take(fuzz) % G_N_ELEMENTS(pieces)];
        break;
    default:
        end_something(fuzz);
        break;
    }
    world_run(&fuzz->world, fuzz->world.now + take(fuzz) * 20);
}

/* Anew for each input: what is known of the servers is in them. */
static PosternProxySettings *make_settings(void)
{
    static const char text[] = "[proxy]\nhostname = mx.test\nbackend_connections = 2\nbackend_timeout = 10s\n"
                               "auth = always\ninspect = no\nrecipient_domains = y.test\n"
                               "max_failed_logins = 3\n";
    PosternConfiguration *configuration = postern_configuration_parse(text, strlen(text), "fuzz", NULL);
    g_assert_nonnull(configuration);
    PosternProxySettings *settings = postern_proxy_settings_new(configuration, NULL, NULL);
    g_assert_nonnull(settings);
    return settings;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    return postern_log_open("fuzz", "/dev/null", POSTERN_LOG_ERROR, NULL) ? 0 : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const WorldHooks hooks = {.portion = portion, .connect = mta_connect, .log = take_log};
    Fuzz fuzz = {.data = data, .size = size, .honest = TRUE, .piece = G_MAXSIZE, .answer = answers[0]};
    for (guint i = 0; i <= CLIENTS; i++)
        fuzz.clients[i] = (Client){.fuzz = &fuzz, .heard = g_string_new(NULL)};
    fuzz.client = &fuzz.clients[0];
    fuzz.mtas = g_ptr_array_new_with_free_func(mta_free);
    world_start(&fuzz.world, &hooks, &fuzz, make_settings(), 1);
    world_run(&fuzz.world, fuzz.world.now);
    begin(&fuzz);
    while (fuzz.size > 0)
        step(&fuzz);
    world_drain(&fuzz.world, 0);
    gint64 end = fuzz.world.now + 3600000;
    while (!world_is_drained(&fuzz.world))
        g_assert_true(world_step(&fuzz.world, end));
    for (guint i = 0; i <= CLIENTS; i++)
        wire_leave(fuzz.clients[i].wire, FALSE);
    g_ptr_array_unref(fuzz.mtas);
    world_stop(&fuzz.world);
    for (guint i = 0; i <= CLIENTS; i++)
        g_string_free(fuzz.clients[i].heard, TRUE);
    return 0;
}
