#include <errno.h>
#include <string.h>

#include "proxy/session/session.h"
#include "session_sayings.h"
#include "split.h"
#include "support/smtp_peer.h"
#include "support/world.h"

/*
 * A thread of the proxy, as it is, between two clients and an MTA. The input is a list of events: an octet
 * that chooses one, then what it takes: octets of a client or of the MTA, how the MTA answers and connects,
 * how much goes through a connection at a time, a verdict, time, an end of either side. Checked: replies are
 * lines of SMTP, commands are lines, nothing of a message goes out before its 354, what is logged as accepted
 * was accepted, and nothing is left at the end.
 */
#define CLIENTS 2
#define CONNECTIONS 2 /* to the MTA */

/* How the MTA answers what it is told. */
typedef enum {
    ANSWER_WELL,
    ANSWER_LATER,   /* 450 */
    ANSWER_NEVER,   /* 550 */
    ANSWER_CLOSING, /* 421, and the end */
    ANSWER_NOTHING,
    ANSWER_END,
    ANSWERS,
} Answer;

typedef enum {
    CONNECT_AT_ONCE,
    CONNECT_REFUSED,
    CONNECT_NEVER,
    CONNECT_NO_DESCRIPTOR,
    CONNECTS,
} Connect;

typedef struct Fuzz Fuzz;

typedef struct {
    Fuzz *fuzz;
    Wire *wire;
    SmtpPeer peer;
    gboolean logged_in; /* somebody has */
} Mta;

typedef struct {
    Fuzz *fuzz;
    Wire *wire; /* NULL: not there yet, or gone */
    gboolean came;
    gboolean last_word;
    GString *heard; /* of a line */
} Client;

struct Fuzz {
    World world;
    const uint8_t *data;
    size_t size;
    Client clients[CLIENTS + 1]; /* the last is not the input's */
    Client *client;              /* that acts now */
    GPtrArray *mtas;
    gboolean honest; /* the MTA has said nothing but answers */
    Answer answer;
    Connect connect;
    guint greeting; /* of the MTA */
    gsize piece;    /* octets at a time; 0: none, G_MAXSIZE: all */
    gboolean names_wait, verdicts_wait;
    WorldInspection *inspection; /* that waits, or NULL */
    guint dots, accepted, logged_accepted;
};

static guint take(Fuzz *fuzz)
{
    if (fuzz->size == 0)
        return 0;
    fuzz->size--;
    return *fuzz->data++;
}

/* ---- the MTA */

static void mta_free(gpointer data)
{
    Mta *mta = data;
    wire_leave(mta->wire, FALSE);
    smtp_peer_clear(&mta->peer);
    g_free(mta);
}

/* FALSE: it is gone. */
static gboolean mta_answers(Mta *mta, const char *well)
{
    static const char *const texts[ANSWERS] = {[ANSWER_LATER] = "450 4.2.0 later\r\n",
                                               [ANSWER_NEVER] = "550-5.1.1 never\r\n550 5.1.1 at all\r\n",
                                               [ANSWER_CLOSING] = "421 4.3.2 closing\r\n"};
    Fuzz *fuzz = mta->fuzz;
    const char *text = fuzz->answer == ANSWER_WELL ? well : texts[fuzz->answer];
    if (text != NULL)
        wire_say(mta->wire, text, strlen(text));
    if (fuzz->answer == ANSWER_WELL && g_str_has_prefix(well, "354"))
        smtp_peer_expect_message(&mta->peer);
    if (fuzz->answer != ANSWER_CLOSING && fuzz->answer != ANSWER_END)
        return TRUE;
    g_ptr_array_remove(fuzz->mtas, mta);
    return FALSE;
}

static void mta_received(Wire *wire, const char *octets, gsize length)
{
    Mta *mta = wire->user_data;
    Fuzz *fuzz = mta->fuzz;
    if (!fuzz->honest)
        return; /* it has made itself deaf: what it hears cannot be told apart any more */
    for (gsize at = 0; at < length;) {
        gsize taken = 0;
        SmtpPeerEvent event = smtp_peer_take(&mta->peer, octets + at, length - at, &taken);
        at += taken;
        if (event == SMTP_PEER_MORE)
            continue;
        fuzz->dots += event == SMTP_PEER_MESSAGE;
        fuzz->accepted += event == SMTP_PEER_MESSAGE && fuzz->answer == ANSWER_WELL;
        const char *well = event == SMTP_PEER_MESSAGE ? "250 queued\r\n" : well_answered(mta->peer.line->str);
        if (event == SMTP_PEER_COMMAND && mta->logged_in) /* it is one client's */
            g_assert_false(g_str_has_prefix(mta->peer.line->str, "AUTH ") ||
                           g_str_has_prefix(mta->peer.line->str, "XCLIENT "));
        mta->logged_in |= fuzz->answer == ANSWER_WELL && g_str_has_prefix(well, "235");
        if (!mta_answers(mta, well))
            return;
    }
}

static void mta_shut(Wire *wire)
{
    Mta *mta = wire->user_data;
    if (mta->fuzz->answer != ANSWER_NOTHING)
        g_ptr_array_remove(mta->fuzz->mtas, mta);
}

static void mta_closed(Wire *wire, gboolean reset)
{
    Mta *mta = wire->user_data;
    g_ptr_array_remove(mta->fuzz->mtas, mta);
}

/* An MTA that has said what nobody asked for may have made it an answer to QUIT. */
static void check_limit(const Fuzz *fuzz)
{
    guint open = 0;
    for (guint i = 0; i < fuzz->mtas->len; i++) {
        const Mta *mta = g_ptr_array_index(fuzz->mtas, i);
        open += wire_is_open(mta->wire) && !g_str_equal(mta->peer.line->str, "QUIT");
    }
    if (fuzz->honest)
        g_assert_cmpuint(open, <=, CONNECTIONS);
}

/* Of one server, or of others in its place (wire/manners.h). */
static const char *const greetings[] = {"220 mta\r\n", "220 mta ESMTP Postfix\r\n",
                                        "220 mta ESMTP Exim 4.96\r\n", "220 mta ESMTP Sendmail 8.17\r\n",
                                        "220 mta ESMTP OpenSMTPD\r\n"};

static gboolean mta_connect(World *world, Wire *wire, const PosternAddress *address)
{
    static const WirePeer peer = {.received = mta_received, .shut = mta_shut, .closed = mta_closed};
    Fuzz *fuzz = world->user_data;
    if (fuzz->connect == CONNECT_NO_DESCRIPTOR)
        return FALSE;
    Mta *mta = g_new0(Mta, 1);
    mta->fuzz = fuzz;
    mta->wire = wire;
    wire->peer = &peer;
    wire->user_data = mta;
    smtp_peer_init(&mta->peer);
    g_ptr_array_add(fuzz->mtas, mta);
    check_limit(fuzz);
    if (fuzz->connect == CONNECT_NEVER)
        return TRUE;
    wire_answer_connect(wire, fuzz->connect == CONNECT_REFUSED ? ECONNREFUSED : 0);
    if (fuzz->connect == CONNECT_REFUSED)
        g_ptr_array_remove(fuzz->mtas, mta);
    else
        mta_answers(mta, greetings[fuzz->greeting]);
    return TRUE;
}

/* ---- the clients */

static void hear_line(Client *client)
{
    const char *line = client->heard->str;
    g_assert_false(client->last_word);
    g_assert_true(line[0] >= '2' && line[0] <= '5' && strlen(line) >= 4);
    g_assert_true(line[3] == ' ' || line[3] == '-');
    for (const char *at = line; *at != '\0'; at++)
        g_assert_true(*at >= ' ' && *at <= '~');
    client->last_word =
        g_str_has_prefix(line, "221 ") || g_str_has_prefix(line, "421 ") || g_str_has_prefix(line, "521 ");
}

static void client_received(Wire *wire, const char *octets, gsize length)
{
    Client *client = wire->user_data;
    for (gsize i = 0; i < length; i++) {
        g_assert_cmpint(octets[i], !=, '\0');
        g_string_append_c(client->heard, octets[i]);
        if (!g_str_has_suffix(client->heard->str, "\r\n"))
            continue;
        g_string_truncate(client->heard, client->heard->len - 2);
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
    g_assert_cmpuint(client->heard->len, ==, 0); /* no half line */
    wire_leave(g_steal_pointer(&client->wire), FALSE);
}

static void client_says(Fuzz *fuzz, const char *octets, gsize length)
{
    static const WirePeer peer = {.received = client_received, .shut = client_shut, .closed = client_closed};
    static const char *const addresses[CLIENTS + 1] = {"192.0.2.1", "2001:db8::1", "192.0.2.2"};
    Client *client = fuzz->client;
    if (client->came) {
        if (client->wire != NULL)
            wire_say(client->wire, octets, length);
        return;
    }
    PosternAddress address;
    guint flags = client != &fuzz->clients[CLIENTS] ? take(fuzz) : 0;
    g_assert_true(postern_address_parse(&address, addresses[client - fuzz->clients]));
    client->came = TRUE;
    client->wire = wire_new(&fuzz->world, &peer, client);
    if ((flags & 1) != 0)
        wire_say(client->wire, octets, length);
    world_accept(&fuzz->world, 0, client->wire, &address, (flags & 2) != 0);
}

/* A first message, by which the proxy learns what the MTA announces. */
static void begin(Fuzz *fuzz)
{
    static const char text[] = "EHLO c.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nQUIT\r\n";
    fuzz->client = &fuzz->clients[CLIENTS];
    client_says(fuzz, "", 0);
    world_run(&fuzz->world, fuzz->world.now);
    client_says(fuzz, text, strlen(text));
    world_run(&fuzz->world, fuzz->world.now + 5000);
    fuzz->client = &fuzz->clients[0];
}

static void say_usual(Fuzz *fuzz)
{
    const char *text = usual_sayings[take(fuzz) % G_N_ELEMENTS(usual_sayings)];
    client_says(fuzz, text, strlen(text));
}

/* ---- the DNS, the inspector, the log and the network */

static gsize portion(World *world, gsize length)
{
    return ((const Fuzz *)world->user_data)->piece;
}

static gint64 ask(World *world, WorldAsk *ask)
{
    const Fuzz *fuzz = world->user_data;
    return fuzz->names_wait ? world->now + 5000 : world->now;
}

static void find(Fuzz *fuzz, PosternVirusFinding *virus)
{
    guint kind = take(fuzz) % (POSTERN_VIRUS_KINDS + 3);
    postern_virus_finding_clear(virus);
    if (kind < POSTERN_VIRUS_KINDS)
        postern_virus_finding_note(virus, (PosternVirusKind)kind, "kind");
    else if (kind == POSTERN_VIRUS_KINDS)
        postern_virus_finding_infected(virus, "Eicar");
    else if (kind > POSTERN_VIRUS_KINDS + 1)
        postern_virus_finding_clean(virus);
}

static gint64 inspect(World *world, WorldInspection *inspection, const PosternSessionAction *action,
                      const PosternEnvelope *envelope)
{
    Fuzz *fuzz = world->user_data;
    if (action->kind == POSTERN_SESSION_INSPECT_ORIGIN)
        g_assert_nonnull(action->envelope);
    if (action->kind == POSTERN_SESSION_INSPECT_MESSAGE)
        find(fuzz, &inspection->findings->virus);
    return fuzz->verdicts_wait ? world->now + 3000 : world->now;
}

static void take_log(World *world, const char *line)
{
    Fuzz *fuzz = world->user_data;
    fuzz->logged_accepted += strstr(line, " delivery=accepted") != NULL;
    if (fuzz->honest)
        g_assert_cmpuint(fuzz->logged_accepted, <=, fuzz->accepted);
}

static const WorldHooks hooks = {
    .portion = portion, .connect = mta_connect, .ask = ask, .inspect = inspect, .log = take_log};

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

static Mta *some_mta(Fuzz *fuzz)
{
    guint which = take(fuzz);
    return fuzz->mtas->len > 0 ? g_ptr_array_index(fuzz->mtas, which % fuzz->mtas->len) : NULL;
}

static void mta_says(Fuzz *fuzz)
{
    gsize length = 0;
    const char *octets = take_octets(fuzz, &length);
    const Mta *mta = some_mta(fuzz);
    if (mta == NULL || length == 0)
        return;
    fuzz->honest = FALSE;
    wire_say(mta->wire, octets, length);
}

static void end_something(Fuzz *fuzz)
{
    Mta *mta = some_mta(fuzz);
    Wire *client = fuzz->client->wire;
    switch (take(fuzz) % 8) {
    case 0:
    case 1:
        wire_leave(g_steal_pointer(&fuzz->client->wire), take(fuzz) % 2 == 0);
        break;
    case 2:
        if (client != NULL)
            wire_end(client);
        break;
    case 3:
        if (client != NULL)
            wire_stall(client, fuzz->world.now + take(fuzz) * 100);
        break;
    case 4:
        world_drain(&fuzz->world, take(fuzz) * 100);
        break;
    case 5:
        if (mta != NULL)
            wire_stall(mta->wire, fuzz->world.now + take(fuzz) * 100);
        break;
    case 6:
        if (mta != NULL)
            wire_vanish(mta->wire);
        break;
    default:
        if (mta != NULL)
            g_ptr_array_remove(fuzz->mtas, mta);
        break;
    }
}

static void step(Fuzz *fuzz)
{
    static const gsize pieces[] = {G_MAXSIZE, G_MAXSIZE, 1, 7, 100};
    gsize length = 0;
    const char *octets;
    switch (take(fuzz) % 11) {
    case 0:
        octets = take_octets(fuzz, &length);
        client_says(fuzz, octets, length);
        break;
    case 1:
    case 2:
        say_usual(fuzz);
        break;
    case 3:
        mta_says(fuzz);
        break;
    case 4:
        fuzz->answer = (Answer)(take(fuzz) % ANSWERS);
        break;
    case 5:
        length = take(fuzz);
        fuzz->connect = (Connect)(length % CONNECTS);
        fuzz->greeting = length / CONNECTS % G_N_ELEMENTS(greetings);
        break;
    case 6:
        fuzz->piece = pieces[take(fuzz) % G_N_ELEMENTS(pieces)];
        break;
    case 7:
        length = take(fuzz);
        fuzz->names_wait = (length & 1) != 0;
        fuzz->verdicts_wait = (length & 2) != 0;
        break;
    case 8:
        world_run(&fuzz->world, fuzz->world.now + take(fuzz) * 40);
        break;
    case 9:
        fuzz->client = &fuzz->clients[take(fuzz) % CLIENTS];
        break;
    default:
        end_something(fuzz);
        break;
    }
    world_run(&fuzz->world, fuzz->world.now);
}

/* Anew for each input: what is known of the servers is in them. */
static PosternProxySettings *settings_for(guint flags)
{
    g_autofree char *text = g_strdup_printf(
        "[proxy]\nhostname = mx.test\nbackend_connections = 2\nbackend_timeout = 10s\nmessage_size = "
        "1K\nmessage_memory = 70K\nmax_recipients = "
        "4\nmax_refused_recipients = 2\n"
        "bare_newline = %s\ninspect = %s\n%s%s%s%s[clients]\ntrusted_relays = 198.51.100.0/24\n%s",
        flags & 1 ? "repair" : "reject", flags & 2 ? "no" : "yes",
        flags & 4 ? "recipient_domains = y.test\n" : "", flags & 8 ? "trusted_clients = 192.0.2.1\n" : "",
        (flags & 24) == 24 ? "role = before_queue_filter\nfilter_timeout = 2s\n" : "",
        flags & 32 ? "auth = always\nmax_failed_logins = 2\n" : "",
        flags & 64 ? "refuse_at = helo\n[policy]\nclient_no_name = reject\n" : "");
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
    Fuzz fuzz = {.data = data, .size = size, .honest = TRUE, .piece = G_MAXSIZE};
    for (guint i = 0; i <= CLIENTS; i++)
        fuzz.clients[i] = (Client){.fuzz = &fuzz, .heard = g_string_new(NULL)};
    fuzz.client = &fuzz.clients[0];
    fuzz.mtas = g_ptr_array_new_with_free_func(mta_free);
    guint flags = take(&fuzz);
    fuzz.greeting = flags / 32 % G_N_ELEMENTS(greetings);
    world_start(&fuzz.world, &hooks, &fuzz, settings_for(flags), 1);
    world_run(&fuzz.world, fuzz.world.now);
    if ((flags & 128) != 0)
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
