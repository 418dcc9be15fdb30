#include "proxy/servers/names.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/configuration/listeners.h"
#include "pool_harness.h"

typedef struct {
    const char *name;
    PosternDnsType type;
    PosternAnswerStatus status;
    const char *octets;
    gsize length;
} Record;

#define A(name, octets)                                                                                      \
    {                                                                                                        \
        name, POSTERN_DNS_A, POSTERN_ANSWER_RECORDS, octets, 4                                               \
    }
#define AAAA(name, octets)                                                                                   \
    {                                                                                                        \
        name, POSTERN_DNS_AAAA, POSTERN_ANSWER_RECORDS, octets, 16                                           \
    }
#define SRV(octets)                                                                                          \
    {                                                                                                        \
        "_smtp._tcp.x.test", POSTERN_DNS_SRV, POSTERN_ANSWER_RECORDS, octets, sizeof octets - 1              \
    }
#define ONE "\xc0\0\2\1"   /* 192.0.2.1 */
#define TWO "\xc0\0\2\2"   /* 192.0.2.2 */
#define THREE "\xc0\0\2\3" /* 192.0.2.3 */
#define SIX "\x20\1\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
#define MAPPED "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1"
#define LOCAL "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\1"

static const struct {
    const char *named;
    Record records[8]; /* what is asked and not here does not exist */
    const char *servers, *problem;
} rows[] = {
    {"m.test:25", {A("m.test", ONE)}, "m.test[192.0.2.1]:25 0 1", NULL},
    {"lmtp:m.test:24 weight=3",
     {A("m.test", TWO), A("m.test", ONE), AAAA("m.test", SIX)},
     "lmtp:m.test[192.0.2.2]:24 0 3, lmtp:m.test[192.0.2.1]:24 0 3, lmtp:m.test[2001:db8::1]:24 0 3",
     NULL},
    {"m.test:25", {AAAA("m.test", MAPPED), AAAA("m.test", LOCAL)}, "m.test[192.0.2.1]:25 0 1", NULL},
    {"m.test:25",
     {A("m.test", "\0\0\0\0"), A("m.test", "\xe0\0\0\1")},
     "",
     "the DNS has no address for m.test"},
    {"m.test:25", {{NULL}}, "", "the DNS has no address for m.test"},
    {"m.test:25",
     {{"m.test", POSTERN_DNS_A, POSTERN_ANSWER_TIMEOUT, NULL, 0}, AAAA("m.test", SIX)},
     "m.test[2001:db8::1]:25 0 1",
     "the DNS does not answer for A m.test (timeout)"},
    {"m.test:25",
     {{"m.test", POSTERN_DNS_AAAA, POSTERN_ANSWER_SERVFAIL, NULL, 0}},
     "",
     "the DNS does not answer for AAAA m.test (servfail)"},

    {"srv:_smtp._tcp.x.test backup",
     {SRV("\0\1\0\3\0\31a.test"), SRV("\0\1\0\1\0\32b.test"), SRV("\0\2\0\0\0\33c.test"), A("a.test", ONE),
      AAAA("a.test", SIX), A("b.test", TWO), A("c.test", THREE)},
     "a.test[192.0.2.1]:25 1 2048, a.test[2001:db8::1]:25 1 2048, b.test[192.0.2.2]:26 1 1365, "
     "c.test[192.0.2.3]:27 2 4096",
     NULL},
    {"srv:_smtp._tcp.x.test",
     {SRV("\0\1\0\0\0\31a.test"), SRV("\0\1\xff\xff\0\31b.test"), A("a.test", ONE), A("b.test", TWO)},
     "a.test[192.0.2.1]:25 1 1, b.test[192.0.2.2]:25 1 4096",
     NULL},
    {"srv:_smtp._tcp.x.test",
     {SRV("\0\1\0\0\0\0a.test"), SRV("\0\1\0\0\0\31b.test"), A("a.test", ONE), A("b.test", TWO)},
     "b.test[192.0.2.2]:25 1 4096",
     NULL},
    {"srv:_smtp._tcp.x.test", {SRV("\0\0\0\0\0\0")}, "", "the DNS has no address for _smtp._tcp.x.test"},
    {"srv:_smtp._tcp.x.test",
     {{"_smtp._tcp.x.test", POSTERN_DNS_SRV, POSTERN_ANSWER_SERVFAIL, NULL, 0}},
     "",
     "the DNS does not answer for SRV _smtp._tcp.x.test (servfail)"},
};

/* What is noted is answered. */
static void answer(PosternAnswers *answers, const Record *records)
{
    GPtrArray *questions = postern_answers_questions(answers);
    while (questions->len > 0) {
        g_autoptr(PosternQuestion) question = postern_question_copy(g_ptr_array_index(questions, 0));
        PosternAnswer *found = postern_answer_new(POSTERN_ANSWER_NXDOMAIN);
        for (guint i = 0; i < 8 && records[i].name != NULL; i++) {
            if (!g_str_equal(records[i].name, question->name) || records[i].type != question->type)
                continue;
            found->status = records[i].status;
            found->ttl = 60 + i;
            if (found->status == POSTERN_ANSWER_RECORDS)
                g_assert_true(postern_answer_add(found, records[i].octets, records[i].length));
        }
        postern_answers_add(answers, question, found);
    }
}

static char *describe(const GPtrArray *servers)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < servers->len; i++) {
        const PosternServerSettings *server = g_ptr_array_index(servers, i);
        g_string_append_printf(text, "%s%s %u %u", i > 0 ? ", " : "", server->name, server->priority,
                               server->weight);
        g_assert_null(server->host);
    }
    return g_string_free(text, FALSE);
}

static void test_rows(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(PosternAnswers) answers = postern_answers_new();
        PosternNamedServers found;
        PosternServerSettings *named = postern_server_settings_new(rows[i].named, 7, NULL);
        g_assert_nonnull(named->host);
        while (!postern_named_servers_find(named, answers, &found))
            answer(answers, rows[i].records);
        g_autofree char *text = describe(found.servers);
        g_assert_cmpstr(text, ==, rows[i].servers);
        g_assert_cmpstr(found.problem, ==, rows[i].problem);
        for (guint j = 0; j < found.servers->len; j++) {
            const PosternServerSettings *server = g_ptr_array_index(found.servers, j);
            g_assert_cmpuint(server->limit, ==, 7);
            g_assert_cmpint(server->backup, ==, named->backup);
        }
        if (rows[i].records[0].name != NULL && found.servers->len > 0)
            g_assert_cmpuint(found.ttl, <=, 67);
        postern_named_servers_clear(&found);
        postern_server_settings_free(named);
    }
}

/* A zone with more targets than there are questions for: those of the first priorities serve. */
static void test_many_targets(void)
{
    enum { TARGETS = 200, SERVING = 100 };
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    PosternAnswer *srv = postern_answer_new(POSTERN_ANSWER_RECORDS);
    for (guint i = 0; i < TARGETS; i++) {
        g_autofree char *target = g_strdup_printf("012345t%u.test", i);
        const guint8 numbers[6] = {0, (guint8)(TARGETS - i), 0, 1, 0, 25};
        memcpy(target, numbers, sizeof numbers);
        g_assert_true(postern_answer_add(srv, target, 6 + strlen(target + 6)));
    }
    PosternNamedServers found;
    PosternServerSettings *named = postern_server_settings_new("srv:_smtp._tcp.x.test", 1, NULL);
    char name[] = "_smtp._tcp.x.test";
    const PosternQuestion question = {.name = name, .type = POSTERN_DNS_SRV};
    g_assert_false(postern_named_servers_find(named, answers, &found));
    postern_answers_add(answers, &question, srv);
    g_assert_false(postern_named_servers_find(named, answers, &found));
    GPtrArray *questions = postern_answers_questions(answers);
    g_assert_cmpuint(questions->len, ==, 2 * SERVING);
    while (questions->len > 0) {
        g_autoptr(PosternQuestion) asked = postern_question_copy(g_ptr_array_index(questions, 0));
        PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_NODATA);
        if (asked->type == POSTERN_DNS_A)
            g_assert_true(postern_answer_add(answer, ONE, 4));
        postern_answers_add(answers, asked, answer);
    }
    g_assert_true(postern_named_servers_find(named, answers, &found));
    g_assert_null(found.problem);
    g_assert_cmpuint(found.servers->len, ==, SERVING);
    for (guint i = 0; i < found.servers->len; i++)
        g_assert_cmpuint(((PosternServerSettings *)g_ptr_array_index(found.servers, i))->priority, <=,
                         SERVING);
    postern_named_servers_clear(&found);
    postern_server_settings_free(named);
}

/* Mail does not go round, whatever the DNS says. */
static void test_own_addresses(void)
{
    static const struct {
        const char *listen;
        Record records[8];
        const char *servers, *left_out, *problem;
    } own[] = {
        {"0.0.0.0:25",
         {A("m.test", ONE), A("m.test", "\x7f\0\0\1")},
         "m.test[192.0.2.1]:25 0 1",
         "m.test[127.0.0.1]:25 is where the proxy itself listens ('0.0.0.0:25'): it is left out, mail would "
         "go "
         "round in a loop",
         NULL},
        {"127.0.0.1:26; [2001:db8::1]:25",
         {AAAA("m.test", SIX)},
         "",
         "m.test[2001:db8::1]:25 is where the proxy itself listens ('[2001:db8::1]:25'): it is left out, "
         "mail "
         "would go round in a loop",
         "the DNS has no address for m.test but where the proxy itself listens"},
        {"127.0.0.1:26", {A("m.test", "\x7f\0\0\1")}, "m.test[127.0.0.1]:25 0 1", NULL, NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(own); i++) {
        g_autofree char *text = g_strdup_printf("[proxy]\nbackend = m.test:25\nlisten = %s\n", own[i].listen);
        g_autoptr(GError) error = NULL;
        g_autoptr(PosternConfiguration) configuration =
            postern_configuration_parse(text, strlen(text), "test", &error);
        g_assert_no_error(error);
        g_autoptr(PosternAnswers) answers = postern_answers_new();
        PosternNamedServers found;
        PosternServerSettings *named = postern_server_settings_new("m.test:25", 1, NULL);
        while (!postern_named_servers_find(named, answers, &found))
            answer(answers, own[i].records);
        postern_named_servers_leave_out_own(&found, named, configuration);
        g_autofree char *servers = describe(found.servers);
        g_assert_cmpstr(servers, ==, own[i].servers);
        g_assert_cmpstr(found.left_out, ==, own[i].left_out);
        g_assert_cmpstr(found.problem, ==, own[i].problem);
        postern_named_servers_clear(&found);
        postern_server_settings_free(named);
    }
}

/* A machine of our own, whose loopback interface has an address more. FALSE: the system does not let us. */
static gboolean have_address(const char *address)
{
    struct ifreq request = {.ifr_name = "lo:1"};
    struct sockaddr_in *place = (struct sockaddr_in *)&request.ifr_addr;
    place->sin_family = AF_INET;
    g_assert_cmpint(inet_pton(AF_INET, address, &place->sin_addr), ==, 1);
    if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
        return FALSE;
    int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    gboolean done = ioctl(any, SIOCSIFADDR, &request) == 0;
    close(any);
    return done;
}

/* A listener for all addresses has those of the interfaces, too; the test's process keeps that machine. */
static void test_addresses_of_this_machine(void)
{
    if (!have_address("192.0.2.77")) {
        g_test_skip("no network of one's own may be made here");
        return;
    }
    static const struct {
        const char *listen, *address;
        gboolean own;
    } cases[] = {{"0.0.0.0:25", "192.0.2.77:25", TRUE},   {"0.0.0.0:25", "192.0.2.78:25", FALSE},
                 {"0.0.0.0:26", "192.0.2.77:25", FALSE},  {"127.0.0.1:25", "192.0.2.77:25", FALSE},
                 {"[::]:25", "192.0.2.77:25", FALSE},     {"[::]:25", "[2001:db8::77]:25", FALSE},
                 {"192.0.2.77:25", "192.0.2.77:25", TRUE}};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("[proxy]\nbackend = m.test:25\nlisten = %s\n"
                                                "recipient_domains = m.test\n",
                                                cases[i].listen);
        g_autoptr(GError) error = NULL;
        g_autoptr(PosternConfiguration) configuration =
            postern_configuration_parse(text, strlen(text), "test", &error);
        g_assert_no_error(error);
        g_autoptr(PosternServerSettings) server = postern_server_settings_new(cases[i].address, 1, NULL);
        const char *listener = postern_configuration_listener_at(configuration, &server->address);
        g_assert_cmpstr(listener, ==, cases[i].own ? cases[i].listen : NULL);
    }
}

static PosternNamedServers found_at(const char *address, guint ttl, const char *problem)
{
    PosternNamedServers found = {.ttl = ttl, .problem = g_strdup(problem)};
    found.servers = g_ptr_array_new_with_free_func(free_server_settings);
    g_auto(GStrv) texts = g_strsplit(address, " ", -1);
    for (char **text = texts; *text != NULL; text++)
        g_ptr_array_add(found.servers, postern_server_settings_new(*text, 1, NULL));
    return found;
}

static void looked_up(PosternPool *pool, const char *address, const char *problem, gint64 now)
{
    PosternServerSettings *named = postern_server_settings_new("m.test:25", 1, NULL);
    PosternNamedServers found = found_at(address, 60, problem);
    postern_pool_looked_up(pool, named, &found, now);
    postern_server_settings_free(named);
}

static PosternPool *named_pool(void)
{
    g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func(free_server_settings);
    g_ptr_array_add(settings, postern_server_settings_new("m.test:25", 1, NULL));
    g_autoptr(PosternServerGroup) group = new_group(settings);
    return postern_pool_new(group, WAIT_MS, IDLE_MS, NULL, NULL);
}

/* The server of the probe that the pool wants is up. */
static void prove(PosternPool *pool, const char *name, gint64 now)
{
    PosternPoolAction action;
    postern_pool_timer(pool, now);
    g_assert_true(postern_pool_next_action(pool, &action));
    g_assert_cmpint(action.kind, ==, POSTERN_POOL_PROBE);
    g_assert_cmpstr(postern_server_name(action.server), ==, name);
    postern_pool_mark_up(pool, action.server, PROBE_AGAIN_MS, now);
}

/* Who waits is served when the name is known; what changes ends nobody's session; and its limit holds. */
static void test_change(void)
{
    g_autoptr(PosternPool) pool = named_pool();
    postern_pool_timer(pool, 0);
    expect_actions(pool, "look up m.test");
    want(pool, 1, 1, 0);
    expect_actions(pool, "");
    looked_up(pool, "192.0.2.1:25", NULL, 10);
    prove(pool, "192.0.2.1:25", 10);
    expect_actions(pool, "open 1");
    opened(pool, 1, 10);
    expect_actions(pool, "assign 1 to 1");
    g_assert_cmpint(postern_pool_deadline(pool), ==, 60010);
    postern_pool_timer(pool, 60010);
    expect_actions(pool, "look up m.test");
    looked_up(pool, "192.0.2.1:25", NULL, 60020); /* the same */
    expect_actions(pool, "");
    postern_pool_timer(pool, 120020);
    expect_actions(pool, "look up m.test");
    looked_up(pool, "192.0.2.2:25", NULL, 120020);
    prove(pool, "192.0.2.2:25", 120020);
    want(pool, 2, 2, 120020);
    expect_actions(pool, "open 2");
    opened(pool, 2, 120020);
    expect_actions(pool, "assign 2 to 2");
    postern_pool_returned(pool, 1, TRUE, 120030); /* of the first, which is gone */
    expect_actions(pool, "quit 1");
    postern_pool_timer(pool, 180020);
    expect_actions(pool, "look up m.test");
    looked_up(pool, "192.0.2.1:25 192.0.2.2:25", NULL, 180020); /* it is back, and has its slot still */
    prove(pool, "192.0.2.1:25", 180020);
    want(pool, 3, 3, 180020);
    expect_actions(pool, "");
    postern_pool_closed(pool, 1, NULL, 180030);
    expect_actions(pool, "open 3");
}

/* A name that is lost keeps its servers; one that never was is refused, and found later. */
static void test_problem(void)
{
    g_autoptr(PosternPool) pool = named_pool();
    postern_pool_timer(pool, 0);
    expect_actions(pool, "look up m.test");
    want(pool, 1, 1, 0);
    looked_up(pool, "", "no such name", 0);
    expect_actions(pool, "refuse 1 (no such name)");
    want(pool, 2, 2, 0);
    expect_actions(pool, "refuse 2 (no such name)");
    g_assert_cmpint(postern_pool_deadline(pool), ==, 10000);
    postern_pool_timer(pool, 10000);
    expect_actions(pool, "look up m.test");
    looked_up(pool, "192.0.2.1:25", NULL, 10000);
    prove(pool, "192.0.2.1:25", 10000);
    postern_pool_timer(pool, 70000);
    expect_actions(pool, "look up m.test");
    looked_up(pool, "", "no answer", 70000);
    want(pool, 3, 3, 70000);
    expect_actions(pool, "open 1");
    g_autoptr(GString) text = g_string_new(NULL);
    postern_server_group_describe(postern_pool_group(pool), "default", text);
    g_assert_true(g_str_has_prefix(text->str, "server 192.0.2.1:25 group=default state=up "));
}

static void append_name(const PosternServerSettings *settings, PosternServerHealth health, const char *reason,
                        guint used, gpointer user_data)
{
    g_string_append_printf(user_data, "%s ", settings->name);
}

/* The DNS has records; the servers of the pool are those of names then. */
static void expect_found(PosternPool *pool, const char *name, const Record *records, gint64 now,
                         const char *names)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(GString) text = g_string_new(NULL);
    PosternNamedServers found;
    PosternServerSettings *named = postern_server_settings_new(name, 1, NULL);
    while (!postern_named_servers_find(named, answers, &found))
        answer(answers, records);
    postern_pool_looked_up(pool, named, &found, now);
    postern_server_settings_free(named);
    postern_server_group_each(postern_pool_group(pool), append_name, text);
    g_assert_cmpstr(text->str, ==, names);
}

/* Addresses of one kind come and go while the other is not answered for, which keeps what it had last. */
static void test_kinds_of_address(void)
{
    static const Record both[8] = {A("m.test", ONE), AAAA("m.test", SIX)};
    static const Record moved[8] = {A("m.test", TWO),
                                    {"m.test", POSTERN_DNS_AAAA, POSTERN_ANSWER_SERVFAIL, NULL, 0}};
    static const Record no_four[8] = {{"m.test", POSTERN_DNS_A, POSTERN_ANSWER_TIMEOUT, NULL, 0}};
    static const Record none[8] = {{"m.test", POSTERN_DNS_A, POSTERN_ANSWER_TIMEOUT, NULL, 0},
                                   {"m.test", POSTERN_DNS_AAAA, POSTERN_ANSWER_TIMEOUT, NULL, 0}};
    const gint64 day = 86400 * G_GINT64_CONSTANT(1000);
    g_autoptr(PosternPool) pool = named_pool();
    expect_found(pool, "m.test:25", both, 0, "m.test[192.0.2.1]:25 m.test[2001:db8::1]:25 ");
    expect_found(pool, "m.test:25", moved, 10, "m.test[192.0.2.2]:25 m.test[2001:db8::1]:25 ");
    expect_found(pool, "m.test:25", none, 20, "m.test[192.0.2.2]:25 m.test[2001:db8::1]:25 ");
    expect_found(pool, "m.test:25", moved, day, "m.test[192.0.2.2]:25 m.test[2001:db8::1]:25 ");
    expect_found(pool, "m.test:25", moved, day + 1, "m.test[192.0.2.2]:25 ");
    expect_found(pool, "m.test:25", no_four, day + 2, "m.test[192.0.2.2]:25 "); /* and there is no AAAA */
    expect_found(pool, "m.test:25", none, 9 * day, "m.test[192.0.2.2]:25 ");    /* there is no other */
    expect_found(pool, "m.test:25", both, 9 * day, "m.test[192.0.2.1]:25 m.test[2001:db8::1]:25 ");
}

static void test_certificate_name(void)
{
    static const struct {
        const char *server, *name;
    } named[] = {{"M.test:25", "m.test"},
                 {"srv:_smtp._tcp.X.test", "x.test"},
                 {"lmtp:m.test:24", "m.test"},
                 {"192.0.2.1:25", NULL}};
    for (gsize i = 0; i < G_N_ELEMENTS(named); i++) {
        PosternServerSettings *settings = postern_server_settings_new(named[i].server, 1, NULL);
        g_assert_cmpstr(settings->certificate_name, ==, named[i].name);
        postern_server_settings_free(settings);
    }
}

/* A reload keeps what is known, and asks again. */
static void test_reload(void)
{
    g_autoptr(PosternPool) pool = named_pool();
    g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func(free_server_settings);
    g_ptr_array_add(settings, postern_server_settings_new("m.test:25 limit=2", 1, NULL));
    postern_pool_timer(pool, 0);
    expect_actions(pool, "look up m.test");
    looked_up(pool, "192.0.2.1:25", NULL, 0);
    prove(pool, "192.0.2.1:25", 0);
    reload_pool(pool, settings, 1, 0, 10);
    postern_pool_timer(pool, 10);
    expect_actions(pool, "look up m.test, probe");
    want(pool, 1, 1, 10);
    want(pool, 2, 2, 10);
    expect_actions(pool, "open 1, open 2");
    g_ptr_array_set_size(settings, 0);
    g_ptr_array_add(settings, postern_server_settings_new("192.0.2.7:25", 1, NULL));
    reload_pool(pool, settings, 2, 0, 20);
    looked_up(pool, "192.0.2.1:25", NULL, 30); /* of a name that nobody asks for any more */
    g_assert_cmpint(postern_pool_deadline(pool), ==, 20);
}

/* What two names have is one server, which either drains. */
static void test_drained_by_either(void)
{
    g_autoptr(GPtrArray) settings = g_ptr_array_new_with_free_func(free_server_settings);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_ptr_array_add(settings, postern_server_settings_new("m.test:25", 1, NULL));
    g_ptr_array_add(settings, postern_server_settings_new("192.0.2.1:25", 1, NULL));
    g_autoptr(PosternServerGroup) group = new_group(settings);
    g_autoptr(PosternPool) pool = postern_pool_new(group, WAIT_MS, IDLE_MS, NULL, NULL);
    g_hash_table_add(names, (gpointer)(guintptr) "m.test:25");
    postern_server_group_drain(group, names, 0);
    looked_up(pool, "192.0.2.1:25", NULL, 0);
    g_autoptr(GString) text = g_string_new(NULL);
    postern_server_group_describe(group, "default", text);
    g_assert_cmpstr(text->str, ==,
                    "server 192.0.2.1:25 group=default state=drained in_use=0 open=0 limit=1 weight=1\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/names/rows", test_rows);
    g_test_add_func("/names/many-targets", test_many_targets);
    g_test_add_func("/names/own-addresses", test_own_addresses);
    g_test_add_func("/names/change", test_change);
    g_test_add_func("/names/problem", test_problem);
    g_test_add_func("/names/kinds-of-address", test_kinds_of_address);
    g_test_add_func("/names/certificate-name", test_certificate_name);
    g_test_add_func("/names/reload", test_reload);
    g_test_add_func("/names/drained-by-either", test_drained_by_either);
    g_test_add_func("/names/addresses-of-this-machine", test_addresses_of_this_machine);
    return g_test_run();
}
