#include "screen_fixture.h"

/* Each reason alone, as often as it needs to make a suspect, from the table of reasons. */
static void test_reasons(void)
{
    for (guint reason = 0; reason < POSTERN_REASONS; reason++) {
        const PosternSuspicion *suspicion = &postern_suspicions[reason];
        Fixture fixture;
        start(&fixture, "[screen]\nslow_from = 6\n");
        connect_as(&fixture, "192.0.2.1");
        guint times = (6 + suspicion->points - 1) / suspicion->points;
        for (guint i = 0; i < times; i++) {
            g_assert_false(postern_screen_is_suspect(&fixture.screen));
            g_assert_cmpuint(postern_screen_trickle(&fixture.screen, 10).interval_ms, ==, 0);
            postern_screen_note(&fixture.screen, reason, 1, NOW);
        }
        gboolean suspect = suspicion->lasts || suspicion->points >= 6;
        g_autofree char *reasons = postern_screen_reasons(&fixture.screen);
        g_assert_cmpstr(reasons, ==, suspicion->name);
        g_assert_cmpint(postern_screen_is_suspect(&fixture.screen), ==, suspect);
        g_assert_cmpint(postern_screen_is_news(&fixture.screen), ==, suspect);
        g_assert_false(postern_screen_is_news(&fixture.screen)); /* once */
        leave(&fixture);
        connect_as(&fixture, "192.0.2.1");
        g_assert_cmpint(postern_screen_is_suspect(&fixture.screen), ==, suspicion->lasts);
        leave(&fixture);
        connect_as(&fixture, "192.0.2.2"); /* somebody else */
        g_assert_false(postern_screen_is_suspect(&fixture.screen));
        leave(&fixture);
        finish(&fixture);
    }
}

/* Who is never a suspect, whatever it does. */
static void test_who_is_watched(void)
{
    static const struct {
        const char *text;
        const char *client;
        gboolean watched;
    } rows[] = {
        {"", "192.0.2.1", TRUE},
        {"", "127.0.0.1", FALSE},
        {"", "::1", FALSE},
        {"[class here]\nnetworks = 127.0.0.0/8\n", "127.0.0.1", TRUE},
        {"[clients]\nown_networks = 192.0.2.0/24\n", "192.0.2.1", FALSE},
        {"[clients]\nown_networks = 192.0.2.0/24\n", "192.0.3.1", TRUE},
        {"[class friends]\nnetworks = 192.0.2.0/24\nscreen = no\n", "192.0.2.1", FALSE},
        {"[class friends]\nnetworks = 192.0.2.0/24\nscreen = no\n[class foe]\nnetworks = 192.0.2.1\n",
         "192.0.2.1", TRUE},
        {"[class]\nscreen = no\n", "192.0.2.1", FALSE},
        {"[screen]\npoints = early_talker=0\n", "192.0.2.1", FALSE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Fixture fixture;
        start(&fixture, rows[i].text);
        connect_as(&fixture, rows[i].client);
        postern_screen_note(&fixture.screen, POSTERN_REASON_EARLY_TALKER, 1, NOW);
        g_assert_cmpint(postern_screen_is_suspect(&fixture.screen), ==, rows[i].watched);
        leave(&fixture);
        finish(&fixture);
    }
}

static void test_helo(void)
{
    static const struct {
        const char *helo;
        const char *reason; /* or NULL */
    } rows[] = {
        {"mail.example.net", NULL},
        {"MX.example.org", "helo_ours"},
        {"[198.51.100.9]", "helo_ours"},
        {"198.51.100.9", "helo_ours"},
        {"[192.0.2.1]", NULL},
        {"[192.0.2.2]", "helo_literal"},
        {"192.0.2.2", "helo_literal"},
        {"[IPv6:2001:db8::1]", NULL}, /* of another family: it may be its too */
        {"[", NULL},
        {"[]", NULL},
        {"", NULL},
    };
    const PosternAddress server = address("198.51.100.9");
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        Fixture fixture;
        start(&fixture, "[proxy]\nhostname = mx.example.org\n");
        connect_as(&fixture, "192.0.2.1");
        postern_screen_helo(&fixture.screen, rows[i].helo, &server, NOW);
        g_autofree char *reasons = postern_screen_reasons(&fixture.screen);
        g_assert_cmpstr(reasons, ==, rows[i].reason);
        leave(&fixture);
        finish(&fixture);
    }
}

/* Users who submit mail come from anywhere, with any name; what they do counts. */
static void test_submission(void)
{
    const PosternAddress server = address("203.0.113.1");
    Fixture fixture;
    start(&fixture, "");
    connect_as(&fixture, "192.0.2.1");
    postern_screen_submits(&fixture.screen);
    postern_screen_names(&fixture.screen, NULL, NULL, NOW);
    postern_screen_helo(&fixture.screen, "[10.0.0.1]", &server, NOW);
    postern_screen_note(&fixture.screen, POSTERN_REASON_LISTED, 10, NOW);
    g_assert_cmpuint(postern_screen_points(&fixture.screen), ==, 0);
    for (guint i = 0; i < 3; i++)
        postern_screen_note(&fixture.screen, POSTERN_REASON_AUTH_FAILURE, 1, NOW);
    g_assert_true(postern_screen_is_suspect(&fixture.screen));
    postern_screen_allow(&fixture.screen); /* the fourth password was right */
    g_assert_false(postern_screen_is_suspect(&fixture.screen));
    leave(&fixture);
    finish(&fixture);
}

/* Each limit, by each way of enforcing it: who meets it hears its name, or is slowed. */
static void test_limits(void)
{
    static const struct {
        const char *option;
        PosternClientCount what;
        gboolean ends; /* it has to go; else it is refused its next message */
    } rows[] = {
        {"message_rate", POSTERN_COUNT_MESSAGES, FALSE},
        {"recipient_rate", POSTERN_COUNT_RECIPIENTS, FALSE},
        {"refused_recipient_rate", POSTERN_COUNT_REFUSED_RECIPIENTS, TRUE},
        {"error_rate", POSTERN_COUNT_ERRORS, TRUE},
        {"auth_failure_rate", POSTERN_COUNT_AUTH_FAILURES, TRUE},
        {"unscannable_rate", POSTERN_COUNT_UNSCANNABLE, FALSE},
        {"timeout_rate", POSTERN_COUNT_TIMEOUTS, FALSE},
        {"octet_rate", POSTERN_COUNT_KIBIBYTES, FALSE},
    };
    static const char *const over_limit[] = {"slow", "tempfail", "close"};
    for (guint i = 0; i < G_N_ELEMENTS(rows) * 3; i++) {
        const PosternClientCount what = rows[i / 3].what;
        const gboolean asked = what == POSTERN_COUNT_MESSAGES || what == POSTERN_COUNT_RECIPIENTS;
        PosternScreenRefusal refusal = {0};
        Fixture fixture;
        g_autofree char *text =
            g_strdup_printf("[class]\n%s = %s\nover_limit = %s\n", rows[i / 3].option,
                            what == POSTERN_COUNT_KIBIBYTES ? "2K" : "2", over_limit[i % 3]);
        start(&fixture, text);
        connect_as(&fixture, "192.0.2.1");
        for (guint j = 0; j < 2; j++) {
            if (asked)
                g_assert_false(postern_screen_refuses(&fixture.screen, what, NOW, &refusal));
            else
                postern_screen_count(&fixture.screen, what, 1, NOW);
            g_assert_null(postern_screen_must_go(&fixture.screen));
        }
        if (!asked)
            postern_screen_count(&fixture.screen, what, 1, NOW);
        const char *go = postern_screen_must_go(&fixture.screen);
        gboolean refused =
            postern_screen_refuses(&fixture.screen, asked ? what : POSTERN_COUNT_MESSAGES, NOW, &refusal);
        g_autofree char *reasons = postern_screen_reasons(&fixture.screen);
        if (i % 3 == 0) {
            g_assert_true(go == NULL && !refused);
            g_assert_cmpstr(reasons, ==, "over_limit");
        } else if (rows[i / 3].ends) {
            g_assert_nonnull(strstr(go, rows[i / 3].option));
        } else {
            g_assert_true(refused);
            g_assert_nonnull(strstr(refusal.text, rows[i / 3].option));
            g_assert_cmpuint(refusal.code, ==, i % 3 == 1 ? 450 : 421);
        }
        leave(&fixture);
        finish(&fixture);
    }
}

/* All clients of a class together, each below its own limit; those of another class are none of them. */
static void test_limits_of_all(void)
{
    static const char *const over_limits[] = {"slow", "tempfail", "close"};
    static const struct {
        PosternClientCount what;
        const char *option;
    } rows[] = {{POSTERN_COUNT_MESSAGES, "message_rate"},
                {POSTERN_COUNT_RECIPIENTS, "recipient_rate"},
                {POSTERN_COUNT_KIBIBYTES, "octet_rate"},
                {POSTERN_COUNT_CONNECTIONS, "connection_rate"}};
    for (gsize i = 0; i < G_N_ELEMENTS(rows) * 3; i++) {
        Fixture fixture;
        PosternScreenRefusal refusal;
        const PosternClientCount what = rows[i / 3].what;
        const gboolean slow = i % 3 == 0, connections = what == POSTERN_COUNT_CONNECTIONS;
        g_autofree char *text = g_strdup_printf(
            "[class]\n%s = %s\ntotal_factor = 2\nover_limit = %s\n[class other]\nnetworks = 203.0.113.0/24\n",
            rows[i / 3].option, what == POSTERN_COUNT_KIBIBYTES ? "1K" : "1", over_limits[i % 3]);
        start(&fixture, text);
        for (guint client = 0; client < 4; client++) {
            static const char *const clients[] = {"192.0.2.1", "198.51.100.1", "198.18.0.1", "203.0.113.1"};
            const gboolean over = client == 2;
            const gboolean came = come(&fixture, clients[client], FALSE, &refusal);
            gboolean refused = !came;
            if (came && what == POSTERN_COUNT_KIBIBYTES) {
                refused = postern_screen_refuses(&fixture.screen, POSTERN_COUNT_MESSAGES, NOW, &refusal);
                postern_screen_count(&fixture.screen, what, refused ? 0 : 1, NOW);
            } else if (came && !connections) {
                refused = postern_screen_refuses(&fixture.screen, what, NOW, &refusal);
            }
            g_assert_cmpint(refused, ==, over && !slow);
            if (refused)
                g_assert_cmpstr(refusal.limit, ==, "total_factor");
            if (refused)
                g_assert_cmpuint(refusal.code, ==, connections || i % 3 == 2 ? 421 : 450);
            g_autofree char *reasons = came ? postern_screen_reasons(&fixture.screen) : NULL;
            g_assert_cmpstr(reasons, ==, over && slow ? "over_limit" : NULL);
            if (came)
                leave(&fixture);
        }
        finish(&fixture);
    }
}

static void test_connections(void)
{
    Fixture fixture;
    PosternScreenRefusal refusal;
    start(&fixture, "[class]\nconnection_rate = 3\n[class few]\nnetworks = 192.0.2.1\nmax_connections = 1\n");
    for (guint i = 0; i < 3; i++) {
        connect_as(&fixture, "192.0.2.9");
        leave(&fixture);
    }
    g_assert_false(come(&fixture, "192.0.2.9", FALSE, &refusal));
    g_assert_cmpstr(refusal.limit, ==, "connection_rate");
    connect_as(&fixture, "192.0.2.1");
    PosternScreen first = fixture.screen;
    g_assert_false(come(&fixture, "192.0.2.1", FALSE, &refusal));
    g_assert_cmpuint(refusal.code, ==, 421);
    postern_screen_ends(&first, &first.client, NOW);
    g_assert_true(
        postern_client_table_order(fixture.table, &first.client, POSTERN_ORDER_BLOCK, NOW + 1, NOW));
    g_assert_false(come(&fixture, "192.0.2.1", FALSE, &refusal));
    g_assert_cmpstr(refusal.limit, ==, "blocked");
    finish(&fixture);
}

/* Of clients that stand: who is blocked has to go, and who is released is no suspect any more. */
static void test_orders(void)
{
    Fixture fixture;
    start(&fixture, "");
    connect_as(&fixture, "192.0.2.1");
    g_assert_false(postern_screen_heeds_order(&fixture.screen, NOW));
    postern_screen_note(&fixture.screen, POSTERN_REASON_EARLY_TALKER, 1, NOW);
    g_assert_true(postern_screen_is_slowed(&fixture.screen));
    g_assert_true(
        postern_client_table_order(fixture.table, &fixture.peer, POSTERN_ORDER_BLOCK, NOW + 1, NOW));
    g_assert_true(postern_screen_heeds_order(&fixture.screen, NOW));
    g_assert_nonnull(postern_screen_must_go(&fixture.screen));
    g_assert_true(
        postern_client_table_order(fixture.table, &fixture.peer, POSTERN_ORDER_RELEASE, NOW + 1, NOW));
    g_assert_false(postern_screen_heeds_order(&fixture.screen, NOW));
    g_assert_null(postern_screen_must_go(&fixture.screen));
    postern_screen_note(&fixture.screen, POSTERN_REASON_EARLY_TALKER, 1, NOW);
    g_assert_false(postern_screen_is_suspect(&fixture.screen));
    leave(&fixture);
    finish(&fixture);
}

/* Whom a trusted server names is counted as itself, and the server as nobody. */
static void test_named(void)
{
    Fixture fixture;
    PosternScreenRefusal refusal;
    PosternClientStanding standing;
    const PosternAddress one = address("198.51.100.1"), other = address("198.51.100.2");
    start(&fixture, "[class]\nmessage_rate = 1\nmax_connections = 1\n");
    g_assert_true(come(&fixture, "192.0.2.1", TRUE, &refusal));
    for (guint i = 0; i < 5; i++)
        g_assert_false(postern_screen_refuses(&fixture.screen, POSTERN_COUNT_MESSAGES, NOW, &refusal));
    postern_screen_name(&fixture.screen, &one, NOW);
    g_assert_false(postern_screen_refuses(&fixture.screen, POSTERN_COUNT_MESSAGES, NOW, &refusal));
    g_assert_true(postern_screen_refuses(&fixture.screen, POSTERN_COUNT_MESSAGES, NOW, &refusal));
    PosternScreen second;
    g_assert_true(postern_screen_begins(&second, fixture.rules, &fixture.peer, TRUE, NOW, &refusal));
    postern_screen_name(&second, &one, NOW);
    g_assert_true(postern_screen_refuses(&second, POSTERN_COUNT_MESSAGES, NOW, &refusal));
    g_assert_cmpstr(refusal.limit, ==, "max_connections_per_client");
    postern_screen_name(&fixture.screen, &other, NOW);
    g_assert_false(postern_screen_refuses(&fixture.screen, POSTERN_COUNT_MESSAGES, NOW, &refusal));
    g_assert_cmpuint(postern_client_table_connections(fixture.table, &one), ==, 0);
    g_assert_cmpuint(postern_client_table_connections(fixture.table, &other), ==, 1);
    postern_screen_note(&fixture.screen, POSTERN_REASON_EARLY_TALKER, 1, NOW);
    (void)postern_client_table_standing(fixture.table, &other, NOW, &standing);
    g_assert_cmpuint(standing.points, >, 0);
    postern_screen_ends(&second, &fixture.peer, NOW);
    leave(&fixture);
    finish(&fixture);
}

/* mode = observe: everything is noted, nothing is done. */
static void test_observe(void)
{
    Fixture fixture;
    PosternScreenRefusal refusal;
    start(&fixture, "[proxy]\nmode = observe\n[class]\nconnection_rate = 1\n[screen]\nrefuse_from = 1\n");
    connect_as(&fixture, "192.0.2.1");
    leave(&fixture);
    connect_as(&fixture, "192.0.2.1");
    g_assert_nonnull(postern_screen_must_go(&fixture.screen)); /* which the session only logs */
    postern_screen_note(&fixture.screen, POSTERN_REASON_EARLY_TALKER, 1, NOW);
    g_assert_true(postern_screen_is_suspect(&fixture.screen));
    g_assert_cmpuint(postern_screen_trickle(&fixture.screen, 100).interval_ms, ==, 0);
    g_assert_cmpuint(postern_screen_greeting_pause(&fixture.screen), ==, 0);
    leave(&fixture);
    g_assert_true(
        postern_client_table_order(fixture.table, &fixture.peer, POSTERN_ORDER_BLOCK, NOW + 1, NOW));
    g_assert_true(come(&fixture, "192.0.2.1", FALSE, &refusal));
    leave(&fixture);
    finish(&fixture);
}

/* So slow that a reply takes its time, and no longer. */
static void test_interval(void)
{
    Fixture fixture;
    start(&fixture, "[screen]\ntrickle = 1s\nreply_time = 60s\n");
    connect_as(&fixture, "192.0.2.1");
    postern_screen_note(&fixture.screen, POSTERN_REASON_EARLY_TALKER, 1, NOW);
    g_assert_cmpuint(postern_screen_trickle(&fixture.screen, 10).interval_ms, ==, 1000);
    g_assert_cmpuint(postern_screen_trickle(&fixture.screen, 60).interval_ms, ==, 1000);
    g_assert_cmpuint(postern_screen_trickle(&fixture.screen, 120).octets, ==, 2);
    g_assert_cmpuint(postern_screen_trickle(&fixture.screen, 0).interval_ms, ==, 0);
    leave(&fixture);
    finish(&fixture);
}

/* Octets of messages: of one connection, of a client, of its class, and in all; what has waited is named. */
static void test_read(void)
{
    Fixture fixture;
    gboolean shared;
    start(&fixture, "[screen]\ntrickle = 1s\ndata_rate = 4K\ntotal_data_rate = 1M\nreceive_window = 3K\n"
                    "[class]\nclass_data_rate = 100K\nclient_data_rate = 10K\n"
                    "[class fast]\nnetworks = 192.0.2.9\nclient_data_rate = 0\nclass_data_rate = 0\n");
    connect_as(&fixture, "192.0.2.1");
    g_assert_cmpint(postern_screen_read(&fixture.screen, 10240, NOW, &shared), ==, 0);
    g_assert_false(shared);
    g_assert_null(postern_screen_throttled(&fixture.screen));
    g_assert_cmpint(postern_screen_read(&fixture.screen, 10240, NOW, &shared), ==, 1000);
    g_assert_true(shared);
    g_assert_cmpint(postern_screen_read(&fixture.screen, 0, NOW + 400, &shared), ==, 600);
    g_assert_true(postern_screen_reads_little(&fixture.screen));
    PosternScreen first = fixture.screen;
    connect_as(&fixture, "192.0.2.2"); /* another client has its own, and shares that of the class */
    g_assert_cmpint(postern_screen_read(&fixture.screen, 9000, NOW, &shared), ==, 0);
    g_assert_cmpint(postern_screen_read(&fixture.screen, 92160, NOW, &shared), >, 1000);
    g_autofree char *throttled = postern_screen_throttled(&fixture.screen);
    g_assert_cmpstr(throttled, ==, "client_data_rate,class_data_rate");
    g_assert_cmpint(postern_screen_read(&fixture.screen, 1024 * 1024, NOW, &shared), ==, 5000);
    leave(&fixture);
    connect_as(&fixture, "192.0.2.9"); /* only the total is left */
    g_assert_cmpint(postern_screen_read(&fixture.screen, 0, NOW, &shared), >, 100);
    g_assert_false(postern_screen_reads_little(&fixture.screen));
    leave(&fixture);
    postern_screen_ends(&first, &first.client, NOW);
    connect_as(&fixture, "192.0.2.9"); /* the worse it is, the slower */
    g_assert_cmpuint(postern_screen_window(&fixture.screen), ==, 0);
    postern_screen_note(&fixture.screen, POSTERN_REASON_EARLY_TALKER, 1, NOW + 9000);
    g_assert_cmpint(postern_screen_read(&fixture.screen, 4096, NOW + 9000, &shared), ==, 1000);
    g_assert_cmpuint(postern_screen_trickle(&fixture.screen, 1).interval_ms, ==, 1000);
    postern_screen_note(&fixture.screen, POSTERN_REASON_ERROR, 4, NOW + 9000);
    g_assert_cmpint(postern_screen_read(&fixture.screen, 4096, NOW + 9000, &shared), ==, 2000);
    g_assert_cmpuint(postern_screen_trickle(&fixture.screen, 1).interval_ms, ==, 2000);
    g_assert_cmpuint(postern_screen_window(&fixture.screen), ==, 3072);
    postern_screen_note(&fixture.screen, POSTERN_REASON_ERROR, 90, NOW + 9000); /* but not given up */
    g_assert_cmpint(postern_screen_read(&fixture.screen, 4096, NOW + 9000, &shared), ==, 4000);
    leave(&fixture);
    finish(&fixture);
}

#define NAMED "[class own]\nscreen = no\nnames = x.test\n"

/* What is said of a client is what happens to it. */
static void test_explain(void)
{
    static const struct {
        const char *options;
        PosternOrderKind order;
        const char *says, *says_not;
        const char *name; /* of the client */
    } cases[] = {
        {"", POSTERN_ORDER_NONE, "it has 16 points, and is slowed from 5 on\n", "421"},
        {"refuse_from = 17\n", POSTERN_ORDER_NONE, "is slowed from 5 on\n", "421"},
        {"refuse_from = 16\n", POSTERN_ORDER_NONE, "it has 16 points, and is let go with 421 from 16 on\n",
         "is slowed"},
        {"refuse_from = 16\n[proxy]\nmode = observe\n", POSTERN_ORDER_NONE, "from 16 on (observed only)\n",
         "greeting waits"},
        {"[proxy]\nmode = observe\n", POSTERN_ORDER_BLOCK, "turned away (observed only)\n", "greeting waits"},
        {"", POSTERN_ORDER_BLOCK, "it is blocked, and turned away\n", "observed"},
        {"", POSTERN_ORDER_RELEASE, "it was released", "greeting waits"},
        {"", POSTERN_ORDER_NONE, "it is of [class]\n", "name"},
        {NAMED, POSTERN_ORDER_NONE, "it is of [class]\n  its name was not looked up", "[class own]"},
        {NAMED, POSTERN_ORDER_NONE, "no verified name\n  it is of [class]\n", "not looked up", "-"},
        {NAMED, POSTERN_ORDER_NONE,
         "name is mx.x.test\n  it is of [class own], by its name, and never a suspect\n", "is slowed",
         "mx.x.test"},
        {NAMED, POSTERN_ORDER_NONE, "name is mx.y.test\n  it is of [class]\n", "by its", "mx.y.test"},
        {NAMED "networks = 192.0.2.1\n", POSTERN_ORDER_NONE, "it is of [class own], and never a suspect\n",
         "by its name", "mx.x.test"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Fixture fixture;
        PosternClientStanding standing;
        const PosternAddress client = address("192.0.2.1");
        g_autofree char *text = g_strconcat("[screen]\npause = unknown\n", cases[i].options, NULL);
        g_autoptr(GString) out = g_string_new(NULL);
        start(&fixture, text);
        connect_as(&fixture, "192.0.2.1");
        leave(&fixture);
        postern_client_table_blame(fixture.table, &client, POSTERN_REASON_TIMEOUT, 16, NOW);
        if (cases[i].order != POSTERN_ORDER_NONE)
            g_assert_true(
                postern_client_table_order(fixture.table, &client, cases[i].order, NOW + 1000, NOW));
        (void)postern_client_table_standing(fixture.table, &client, NOW, &standing);
        postern_screen_explain(fixture.rules, &client, cases[i].name, &standing, out);
        g_assert_nonnull(strstr(out->str, cases[i].says));
        g_assert_null(strstr(out->str, cases[i].says_not));
        finish(&fixture);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/screen/reasons", test_reasons);
    g_test_add_func("/screen/who-is-watched", test_who_is_watched);
    g_test_add_func("/screen/helo", test_helo);
    g_test_add_func("/screen/submission", test_submission);
    g_test_add_func("/screen/limits", test_limits);
    g_test_add_func("/screen/limits-of-all", test_limits_of_all);
    g_test_add_func("/screen/connections", test_connections);
    g_test_add_func("/screen/orders", test_orders);
    g_test_add_func("/screen/named", test_named);
    g_test_add_func("/screen/observe", test_observe);
    g_test_add_func("/screen/interval", test_interval);
    g_test_add_func("/screen/read", test_read);
    g_test_add_func("/screen/explain", test_explain);
    return g_test_run();
}
