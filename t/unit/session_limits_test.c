/* Every limit of a class, for clients that a server in front names in each way that there is. */
#include "session_harness.h"

#define FRONT "192.0.2.7"
#define ONE "198.51.100.1"
#define OTHER "198.51.100.2" /* of its network */
#define ELSEWHERE "198.51.99.1"
#define EHLO_WITH_AUTH "250-mta\r\n250-AUTH PLAIN\r\n250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN\r\n"
#define ENVELOPE "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n"
#define MESSAGE ENVELOPE "DATA\r\nA: b\r\n\r\nx\r\n.\r\n"
#define SESSIONS 3

typedef struct {
    const char *name;
    const char *options; /* of [proxy] */
    const char *naming;  /* what is said in the name of the address %s, between two greetings or before one */
    gboolean first;      /* before any other word */
} Way;

static const Way ways[] = {
    {"PROXY", "proxy_protocol = " FRONT "\n", "PROXY TCP4 %s 203.0.113.9 4321 25\r\n", TRUE},
    {"XCLIENT", "trusted_clients = " FRONT "\n", "XCLIENT ADDR=%s\r\nEHLO client.test\r\n", FALSE},
    {"XFORWARD", "trusted_clients = " FRONT "\nrole = before_queue_filter\nclient_address = none\n",
     "XFORWARD ADDR=%s PROTO=ESMTP\r\n", FALSE},
};

static const struct {
    const char *limit;
    PosternClientCount what;
    const char *deed;
    gint64 silence_ms;
} limits[] = {
    {"connection_rate", POSTERN_COUNT_CONNECTIONS, "", 0},
    {"message_rate", POSTERN_COUNT_MESSAGES, "MAIL FROM:<a@x.test>\r\nRSET\r\n", 0},
    {"recipient_rate", POSTERN_COUNT_RECIPIENTS, ENVELOPE "RSET\r\n", 0},
    {"refused_recipient_rate", POSTERN_COUNT_REFUSED_RECIPIENTS,
     "MAIL FROM:<a@x.test>\r\nRCPT TO:<guess@y.test>\r\nRSET\r\n", 0},
    {"error_rate", POSTERN_COUNT_ERRORS, "DATA\r\n", 0},
    {"auth_failure_rate", POSTERN_COUNT_AUTH_FAILURES, "AUTH PLAIN AGFkYQBzZXNhbWU=\r\n", 0},
    {"unscannable_rate", POSTERN_COUNT_UNSCANNABLE, MESSAGE, 0},
    {"timeout_rate", POSTERN_COUNT_TIMEOUTS, ENVELOPE "DATA\r\nA: b\r\n", 600000},
    {"octet_rate", POSTERN_COUNT_KIBIBYTES, MESSAGE, 0},
};

/* One session of client, that does what is limited; TRUE: it heard word. */
static gboolean come(Harness *harness, const Way *way, gsize limit, const char *client, const char *word)
{
    g_autoptr(GString) naming = g_string_new(way->naming);
    g_string_replace(naming, "%s", client, 0);
    harness->connected = harness->accepted = FALSE;
    harness->identifier[0] = '\0';
    g_string_truncate(harness->replies, 0);
    harness_say(harness, way->first ? naming->str : "EHLO front.test\r\n");
    harness_say(harness, way->first ? "EHLO client.test\r\n" : naming->str);
    harness_say(harness, limits[limit].deed);
    if (limits[limit].silence_ms > 0)
        harness_wait(harness, limits[limit].silence_ms);
    harness_say(harness, "NOOP\r\nMAIL FROM:<a@x.test>\r\nQUIT\r\n");
    gboolean told = strstr(harness->replies->str, word) != NULL;
    if (harness->client != NULL)
        harness_leave(harness);
    harness_run(harness);
    return told;
}

/* How many sessions of client it takes. */
static guint sessions_until_told(Harness *harness, const Way *way, gsize limit, const char *client)
{
    for (guint session = 0; session < SESSIONS; session++)
        if (come(harness, way, limit, client, limits[limit].limit))
            return session;
    g_error("%s by %s: never told, the last time: %s", limits[limit].limit, way->name, harness->replies->str);
}

static guint count_of(const Harness *harness, const char *client, PosternClientCount what)
{
    PosternAddress address;
    PosternClientStanding standing;
    g_assert_true(postern_address_parse(&address, client));
    (void)postern_client_table_standing(harness->world.clients, &address, harness->world.now, &standing);
    return standing.counts[what];
}

static void try_limit(const Way *way, gsize limit, gsize piece)
{
    const PosternClientCount what = limits[limit].what;
    const gboolean auth = what == POSTERN_COUNT_AUTH_FAILURES;
    Harness harness;
    g_autofree char *text =
        g_strdup_printf("%s%s[policy]\nencrypted = mark\n[screen]\nrate_window = 10h\n[class]\n%s = %s\n",
                        way->options, auth ? "auth = always\nrecipient_domains = y.test\n" : "",
                        limits[limit].limit, what == POSTERN_COUNT_KIBIBYTES ? "1K" : "1");
    harness_start_from(&harness, text, FRONT, FALSE, piece);
    harness_rule(&harness, "RCPT TO:<guess", "550 5.1.1 nobody\r\n", 0);
    harness_rule(&harness, "AUTH", "535 5.7.8 no\r\n", 0);
    if (auth)
        harness_rule(&harness, "EHLO", EHLO_WITH_AUTH, 0);
    if (what == POSTERN_COUNT_UNSCANNABLE)
        postern_virus_finding_note(&harness.findings->virus, POSTERN_VIRUS_ENCRYPTED, "a.zip");
    guint sessions = sessions_until_told(&harness, way, limit, ONE);
    guint counted = count_of(&harness, ONE, what);
    g_assert_cmpuint(counted, >=, 1);
    g_assert_cmpuint(sessions_until_told(&harness, way, limit, OTHER), ==, sessions);
    g_assert_cmpuint(count_of(&harness, ONE, what), ==, counted);
    if (what != POSTERN_COUNT_CONNECTIONS) /* those of a trusted server are its own, too */
        g_assert_cmpuint(count_of(&harness, FRONT, what), ==, 0);
    harness_finish(&harness);
}

static void test_named(gsize piece)
{
    for (gsize way = 0; way < G_N_ELEMENTS(ways); way++)
        for (gsize limit = 0; limit < G_N_ELEMENTS(limits); limit++) {
            gboolean filter = g_str_equal(ways[way].name, "XFORWARD");
            if (!filter || limits[limit].what != POSTERN_COUNT_AUTH_FAILURES) /* a filter offers none */
                try_limit(&ways[way], limit, piece);
        }
}

/* Two named clients of one network have together what one may have. */
static void test_networks(gsize piece)
{
    for (gsize way = 0; way < G_N_ELEMENTS(ways); way++)
        for (gsize limit = 0; limit < G_N_ELEMENTS(limits); limit++) {
            Harness harness;
            const PosternClientCount what = limits[limit].what;
            if (what != POSTERN_COUNT_CONNECTIONS && what != POSTERN_COUNT_MESSAGES &&
                what != POSTERN_COUNT_RECIPIENTS)
                continue;
            g_autofree char *text =
                g_strdup_printf("%s[screen]\nrate_window = 10h\n[class]\nnetwork_factor = 1\n%s = 2\n",
                                ways[way].options, limits[limit].limit);
            harness_start_from(&harness, text, FRONT, FALSE, piece);
            g_assert_false(come(&harness, &ways[way], limit, ONE, "your network"));
            g_assert_false(come(&harness, &ways[way], limit, ELSEWHERE, "your network"));
            gboolean told = come(&harness, &ways[way], limit, OTHER, "your network");
            g_assert_true(told || come(&harness, &ways[way], limit, OTHER, "your network"));
            harness_finish(&harness);
        }
}

static const HarnessCase cases[] = {
    {"/session-limits/named", test_named},
    {"/session-limits/networks", test_networks},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, G_N_ELEMENTS(cases));
}
