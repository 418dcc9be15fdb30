#include "checks/client/lists.h"

#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <string.h>

#include "base/limits.h"
#include "checks/client/client.h"
#include "checks/client/networks.h"
#include "dns/answers_file.h"
#include "verdict/check.h"

static PosternConfiguration *configuration_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_parse(text, strlen(text), "test", &error);
    g_assert_no_error(error);
    return configuration;
}

/* says: addresses apart by spaces, or "nxdomain", "nodata", "servfail", "timeout". */
static void add(PosternAnswers *answers, const char *name, const char *says)
{
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_A);
    static const PosternAnswerStatus none[] = {POSTERN_ANSWER_NXDOMAIN, POSTERN_ANSWER_NODATA,
                                               POSTERN_ANSWER_SERVFAIL, POSTERN_ANSWER_TIMEOUT};
    for (gsize i = 0; i < G_N_ELEMENTS(none); i++)
        if (strcmp(postern_answer_status_name(none[i]), says) == 0) {
            postern_answers_add(answers, question, postern_answer_new(none[i]));
            return;
        }
    PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_RECORDS);
    g_auto(GStrv) items = g_strsplit(says, " ", -1);
    for (char **item = items; *item != NULL; item++) {
        struct in_addr address;
        g_assert_cmpint(inet_pton(AF_INET, *item, &address), ==, 1);
        g_assert_true(postern_answer_add(answer, &address, sizeof address));
    }
    postern_answers_add(answers, question, answer);
}

static const struct {
    const char *codes;
    const char *says;
    PosternListed listed;
} rows[] = {
    {"127.0.0.0/8", "127.0.0.2", POSTERN_LISTED_YES},
    {"127.0.0.0/8", "nxdomain", POSTERN_LISTED_NO},
    {"127.0.0.0/8", "nodata", POSTERN_LISTED_NO},
    {"127.0.0.0/8", "servfail", POSTERN_LISTED_FAILED},
    {"127.0.0.0/8", "timeout", POSTERN_LISTED_FAILED},
    {"127.0.0.0/8", "127.255.255.254", POSTERN_LISTED_FAILED},
    {"127.0.0.0/8", "127.0.0.2 127.255.255.252", POSTERN_LISTED_FAILED},
    {"127.0.0.0/8", "192.0.2.7", POSTERN_LISTED_FAILED}, /* a parked domain */
    {"127.0.0.0/8", "127.0.0.2 192.0.2.7", POSTERN_LISTED_FAILED},
    {"127.0.0.4; 127.0.0.8/29", "127.0.0.2", POSTERN_LISTED_NO},
    {"127.0.0.4; 127.0.0.8/29", "127.0.0.4", POSTERN_LISTED_YES},
    {"127.0.0.4; 127.0.0.8/29", "127.0.0.2 127.0.0.11", POSTERN_LISTED_YES},
    {"127.0.0.4; 127.0.0.8/29", "127.0.0.16", POSTERN_LISTED_NO},
};

static void test_answers(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text =
            g_strdup_printf("[list]\nzone = bad.example.com\ncodes = %s\n", rows[i].codes);
        g_autoptr(PosternConfiguration) configuration = configuration_of(text);
        g_autoptr(PosternAnswers) answers = postern_answers_new();
        PosternAddress client;
        g_assert_true(postern_address_parse(&client, "192.0.2.99"));
        g_assert_cmpint(postern_list_look_up(&configuration->list, &client, answers), ==,
                        POSTERN_LISTED_WAITING);
        add(answers, "99.2.0.192.bad.example.com", rows[i].says); /* RFC 5782 2.1 */
        g_assert_cmpuint(postern_answers_questions(answers)->len, ==, 0);
        g_assert_cmpint(postern_list_look_up(&configuration->list, &client, answers), ==, rows[i].listed);
    }
}

/* RFC 5782 2.4. */
static void test_ipv6(void)
{
    g_autoptr(PosternConfiguration) configuration = configuration_of("[list]\nzone = ugly.example.com\n");
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    PosternAddress client, unknown = {.family = AF_UNSPEC};
    g_assert_true(postern_address_parse(&client, "2001:db8:1:2:3:4:567:89ab"));
    add(answers, "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2.ugly.example.com",
        "127.0.0.2");
    g_assert_cmpint(postern_list_look_up(&configuration->list, &client, answers), ==, POSTERN_LISTED_YES);
    g_assert_cmpint(postern_list_look_up(&configuration->list, &unknown, answers), ==, POSTERN_LISTED_NO);
}

/* No question leaves the house about them; their neighbours are asked for. */
static void test_private(void)
{
    static const struct {
        const char *client;
        PosternListed listed;
    } clients[] = {
        {"10.0.0.1", POSTERN_LISTED_NO},         {"10.255.255.255", POSTERN_LISTED_NO},
        {"11.0.0.0", POSTERN_LISTED_WAITING},    {"9.255.255.255", POSTERN_LISTED_WAITING},
        {"172.16.0.0", POSTERN_LISTED_NO},       {"172.31.255.255", POSTERN_LISTED_NO},
        {"172.32.0.0", POSTERN_LISTED_WAITING},  {"172.15.255.255", POSTERN_LISTED_WAITING},
        {"192.168.0.1", POSTERN_LISTED_NO},      {"192.169.0.1", POSTERN_LISTED_WAITING},
        {"169.254.1.1", POSTERN_LISTED_NO},      {"100.64.0.1", POSTERN_LISTED_NO},
        {"100.127.255.255", POSTERN_LISTED_NO},  {"100.128.0.0", POSTERN_LISTED_WAITING},
        {"::ffff:10.0.0.1", POSTERN_LISTED_NO},  {"fd00::1", POSTERN_LISTED_NO},
        {"fc00::1", POSTERN_LISTED_NO},          {"fe80::1", POSTERN_LISTED_NO},
        {"febf::1", POSTERN_LISTED_NO},          {"fec0::1", POSTERN_LISTED_WAITING},
        {"2001:db8::1", POSTERN_LISTED_WAITING},
    };
    g_autoptr(PosternConfiguration) configuration = configuration_of("[list]\nzone = bl.example\n");
    for (gsize i = 0; i < G_N_ELEMENTS(clients); i++) {
        g_autoptr(PosternAnswers) answers = postern_answers_new();
        PosternAddress client;
        g_assert_true(postern_address_parse(&client, clients[i].client));
        g_assert_cmpint(postern_list_look_up(&configuration->list, &client, answers), ==, clients[i].listed);
        g_assert_cmpuint(postern_answers_questions(answers)->len, ==,
                         clients[i].listed == POSTERN_LISTED_WAITING ? 1 : 0);
    }
}

static void test_self_test(void)
{
    static const struct {
        const char *always, *never;
        PosternListed sound;
    } tests[] = {
        {"127.0.0.2", "nxdomain", POSTERN_LISTED_YES},
        {"127.0.10.0", "nodata", POSTERN_LISTED_YES},  /* whatever its code */
        {"127.0.0.2", "127.0.0.2", POSTERN_LISTED_NO}, /* it lists everybody */
        {"nxdomain", "nxdomain", POSTERN_LISTED_NO},   /* and it is empty, or dead */
        {"192.0.2.7", "192.0.2.7", POSTERN_LISTED_FAILED},
        {"timeout", "nxdomain", POSTERN_LISTED_FAILED},
        {"127.255.255.254", "nxdomain", POSTERN_LISTED_FAILED},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autoptr(PosternConfiguration) configuration =
            configuration_of("[list]\nzone = bad.example.com\ncodes = 127.0.0.4\n");
        g_autoptr(PosternAnswers) answers = postern_answers_new();
        g_assert_cmpint(postern_list_test(&configuration->list, answers), ==, POSTERN_LISTED_WAITING);
        g_assert_cmpuint(postern_answers_questions(answers)->len, ==, 2);
        add(answers, "2.0.0.127.bad.example.com", tests[i].always);
        add(answers, "1.0.0.127.bad.example.com", tests[i].never);
        g_assert_cmpint(postern_list_test(&configuration->list, answers), ==, tests[i].sound);
    }
}

/* What the world says of 192.0.2.7, each line a record; what is missing is NXDOMAIN. */
#define SOUND "2.0.0.127.bl.example A 127.0.0.2\n2.0.0.127.ok.example A 127.0.0.2\n"
#define NAMED "7.2.0.192.in-addr.arpa PTR a.test\na.test A 192.0.2.7\n"
#define ON_BL "7.2.0.192.bl.example A 127.0.0.4\n"
static const struct {
    const char *world;
    const char *helo;
    const char *networks;
    const char *words;
    const char *decided; /* the row; NULL: none */
} checks[] = {
    {SOUND NAMED, "a.test", "", "client_name=confirmed", NULL},
    {SOUND NAMED ON_BL, "a.test", "", "client_name=confirmed lists=bl", "client_listed"},
    {NAMED ON_BL, "a.test", "", "client_name=confirmed", NULL}, /* it fails its test */
    {SOUND NAMED ON_BL "7.2.0.192.ok.example A 127.0.0.2\n", "a.test", "",
     "client_name=confirmed lists=bl,ok", NULL},
    {SOUND NAMED "7.2.0.192.bl.example A 127.255.255.254\n", "a.test", "",
     "client_name=confirmed lists=failed:bl", NULL},
    {SOUND NAMED "7.2.0.192.bl.example A !SERVFAIL\n", "a.test", "", "client_name=confirmed lists=failed:bl",
     NULL},
    {SOUND NAMED "7.2.0.192.bl.example A !TIMEOUT\n", "a.test", "", "client_name=confirmed lists=failed:bl",
     NULL},
    {SOUND, "a.test", "", "client_name=none", "client_no_name"},
    {SOUND "7.2.0.192.in-addr.arpa PTR !SERVFAIL\n", "a.test", "", "client_name=temperror", NULL},
    {SOUND "7.2.0.192.in-addr.arpa PTR a.test\n", "a.test", "", "client_name=unconfirmed",
     "client_unconfirmed_name"},
    {SOUND "7.2.0.192.in-addr.arpa PTR a.test\na.test A !TIMEOUT\n", "a.test", "", "client_name=temperror",
     NULL},
    {SOUND NAMED, "mx.example.org", "", "client_name=confirmed helo_check=ours", "helo_ours"},
    {SOUND NAMED, "[192.0.2.8]", "", "client_name=confirmed helo_check=other_address", "helo_literal"},
    {SOUND NAMED, "[192.0.2.7]", "", "client_name=confirmed", NULL},
    {SOUND NAMED, "192.0.2.8", "", "client_name=confirmed helo_check=other_address", "helo_literal"},
    {SOUND NAMED, "[IPv6:2001:db8::1]", "", "client_name=confirmed", NULL},
    {SOUND NAMED, "[nowhere]", "", "client_name=confirmed helo_check=malformed", "helo_malformed"},
    {SOUND NAMED, "localhost", "", "client_name=confirmed helo_check=malformed", "helo_malformed"},
    {SOUND NAMED, "a.test.", "", "client_name=confirmed", NULL},
    {SOUND NAMED, "192.0.2.7", "", "client_name=confirmed helo_check=malformed", "helo_malformed"},
    {SOUND NAMED, "a.test", "192.0.2.0/24 reject No mail from you\n",
     "client_name=confirmed network=192.0.2.0/24", "client_network"},
    {SOUND NAMED, "a.test", "192.0.2.0/24 reject\n192.0.2.7 accept\n",
     "client_name=confirmed network=192.0.2.7", NULL},
    {SOUND ON_BL, "localhost", "192.0.2.0/25 accept\n0.0.0.0/0 reject\n",
     "client_name=none lists=bl network=192.0.2.0/25 helo_check=malformed", NULL},
    {SOUND NAMED, "a.test", "::/0 reject\n", "client_name=confirmed", NULL},
    {SOUND NAMED, "a.test", "::ffff:192.0.2.0/120 tempfail\n",
     "client_name=confirmed network=::ffff:192.0.2.0/120", "client_network"},
};

static char *words_of(const PosternFindings *findings)
{
    g_auto(GStrv) words = postern_findings_words(findings);
    g_autoptr(GString) text = g_string_new(NULL);
    for (char **word = words; *word != NULL; word += 2)
        if (g_str_has_prefix(*word, "client_") || g_str_equal(*word, "lists") ||
            g_str_equal(*word, "network") || g_str_equal(*word, "helo_check"))
            g_string_append_printf(text, "%s%s=%s", text->len > 0 ? " " : "", word[0], word[1]);
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* Answers what was asked, until it has no more questions; the rounds it took. */
static guint run_check(PosternClientRules *rules, const PosternEnvelope *envelope,
                       const PosternAnswersFile *world, gint64 now, PosternFindings *findings)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    const PosternClientHistory history = {.good = TRUE, .points = 7};
    guint rounds = 1;
    while (postern_client_check(rules, envelope, "mx.example.org", history, now, answers, findings) == 0) {
        GPtrArray *questions = postern_answers_questions(answers);
        g_assert_cmpuint(findings->client.name, ==, POSTERN_CLIENT_NAME_NOT_CHECKED);
        g_assert_cmpuint(findings->client.lists->len, ==, 0);
        g_assert_cmpuint(questions->len, >, 0);
        g_assert_cmpuint(rounds++, <, 4);
        while (questions->len > 0) {
            const PosternQuestion *question = g_ptr_array_index(questions, 0);
            g_autoptr(PosternQuestion) asked = postern_question_new(question->name, question->type);
            postern_answers_add(answers, asked, postern_answers_file_answer(world, asked));
        }
    }
    return rounds;
}

static const char all_rules[] = "[policy]\nchecks = spf\nclient_listed = reject\nclient_no_name = reject\n"
                                "client_unconfirmed_name = reject\nhelo_ours = reject\n"
                                "helo_literal = reject\nhelo_malformed = reject\n"
                                "[list bl]\nzone = bl.example\n"
                                "[list ok]\nzone = ok.example\nallow = yes\n";

typedef struct {
    PosternConfiguration *configuration;
    PosternClientRules *rules;
    PosternEnvelope *envelope;
    char *path;
} Fixture;

static void set_up(Fixture *fixture, const char *text, const char *networks)
{
    g_autoptr(GError) error = NULL;
    int file = g_file_open_tmp("postern-test-XXXXXX", &fixture->path, &error);
    g_assert_no_error(error);
    g_close(file, NULL);
    g_assert_true(g_file_set_contents(fixture->path, networks, -1, NULL));
    g_autofree char *whole = g_strdup_printf("%s[clients]\nnetworks = %s\n", text, fixture->path);
    fixture->configuration = configuration_of(whole);
    fixture->rules = postern_client_rules_new(fixture->configuration, &error);
    g_assert_no_error(error);
    fixture->envelope = postern_envelope_new();
    g_assert_true(postern_address_parse(&fixture->envelope->client, "192.0.2.7"));
    fixture->envelope->helo = g_strdup("a.test");
}

static void tear_down(Fixture *fixture)
{
    g_unlink(fixture->path);
    g_free(fixture->path);
    postern_client_rules_free(fixture->rules);
    postern_configuration_free(fixture->configuration);
    postern_envelope_free(fixture->envelope);
}

static PosternAnswersFile *world_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    PosternAnswersFile *world = postern_answers_file_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    return world;
}

static void test_findings_and_rules(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(checks); i++) {
        Fixture fixture;
        set_up(&fixture, all_rules, checks[i].networks);
        g_autoptr(PosternAnswersFile) world = world_of(checks[i].world);
        g_autoptr(PosternFindings) findings = postern_findings_new();
        g_free(fixture.envelope->helo);
        fixture.envelope->helo = g_strdup(checks[i].helo);
        g_assert_cmpuint(run_check(fixture.rules, fixture.envelope, world, 1000, findings), <=, 3);
        g_autofree char *words = words_of(findings);
        g_assert_cmpstr(words, ==, checks[i].words);
        g_assert_true(findings->client.good && findings->client.points == 7);
        g_autoptr(PosternPolicy) policy = postern_policy_from_configuration(fixture.configuration, "mx");
        g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, fixture.envelope, NULL);
        g_assert_cmpstr(verdict->check, ==, checks[i].decided);
        g_autoptr(PosternFindings) copy = postern_findings_copy(findings);
        g_autofree char *copied = words_of(copy);
        g_assert_cmpstr(copied, ==, words);
        tear_down(&fixture);
    }
}

/* What is told of a list whose zone contains a key: nothing but its name. */
static void test_zone_untold(void)
{
    static const struct {
        const char *option;
        const char *reply;
    } lists[] = {
        {"", "550 5.7.1 192.0.2.7 is on DNS lists: key.bl.example"},
        {"tell_zone = no\n", "550 5.7.1 192.0.2.7 is on DNS lists: bl"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autofree char *text = g_strdup_printf(
            "[policy]\nchecks = spf\nclient_listed = reject\n[list bl]\nzone = key.bl.example\n%s",
            lists[i].option);
        Fixture fixture;
        set_up(&fixture, text, "");
        g_autoptr(PosternAnswersFile) world =
            world_of(NAMED "2.0.0.127.key.bl.example A 127.0.0.2\n7.2.0.192.key.bl.example A 127.0.0.4\n");
        g_autoptr(PosternFindings) findings = postern_findings_new();
        (void)run_check(fixture.rules, fixture.envelope, world, 1000, findings);
        g_autoptr(PosternPolicy) policy = postern_policy_from_configuration(fixture.configuration, "mx");
        g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, fixture.envelope, NULL);
        g_assert_cmpstr(verdict->reply, ==, lists[i].reply);
        const PosternClientListing *listing = g_ptr_array_index(findings->client.lists, 0);
        g_assert_cmpstr(listing->zone, ==, i == 0 ? "key.bl.example" : NULL);
        tear_down(&fixture);
    }
}

/* Each: what a list says in turn; at the end whether it is asked. */
static void test_breaker(void)
{
    Fixture fixture;
    set_up(&fixture, "[list bl]\nzone = bl.example\n", "");
    g_autoptr(PosternAnswersFile) sick =
        world_of("2.0.0.127.bl.example A 127.0.0.2\n7.2.0.192.bl.example A !TIMEOUT\n");
    g_autoptr(PosternAnswersFile) well = world_of(SOUND ON_BL);
    gint64 now = 1000;
    for (guint i = 0; i < POSTERN_LIST_FAILURES_MAX; i++) {
        g_autoptr(PosternFindings) findings = postern_findings_new();
        (void)run_check(fixture.rules, fixture.envelope, sick, now++, findings);
        g_assert_cmpuint(findings->client.lists->len, ==, 1);
        g_assert_cmpuint(findings->client.weight, ==, 0);
    }
    g_autoptr(PosternFindings) none = postern_findings_new();
    g_assert_cmpuint(run_check(fixture.rules, fixture.envelope, well, now, none), ==, 2); /* PTR alone */
    g_assert_cmpuint(none->client.lists->len, ==, 0);
    now += POSTERN_LIST_RETRY_MS + 1000;
    g_autoptr(PosternFindings) again = postern_findings_new();
    (void)run_check(fixture.rules, fixture.envelope, well, now, again);
    g_assert_cmpuint(again->client.weight, ==, 3);
    tear_down(&fixture);
}

static void test_history(void)
{
    static const char *const decided[] = {"client_suspect", NULL};
    for (gsize i = 0; i < G_N_ELEMENTS(decided); i++) {
        g_autofree char *text = g_strdup_printf(
            "[policy]\nchecks = spf\nclient_suspect = tempfail\nclient_suspect_from = %u\n", 7 + (guint)i);
        Fixture fixture;
        set_up(&fixture, text, "");
        g_autoptr(PosternAnswersFile) world = world_of(NAMED);
        g_autoptr(PosternFindings) findings = postern_findings_new();
        (void)run_check(fixture.rules, fixture.envelope, world, 1000, findings);
        g_autoptr(PosternPolicy) policy = postern_policy_from_configuration(fixture.configuration, "mx");
        g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, fixture.envelope, NULL);
        g_assert_cmpstr(verdict->check, ==, decided[i]);
        tear_down(&fixture);
    }
}

static void test_bad_networks(void)
{
    static const char *const bad[] = {"192.0.2.1/24 reject\n", "192.0.2.0/24\n", "192.0.2.0/24 discard\n",
                                      "somewhere reject\n", "192.0.2.7 reject\n192.0.2.7/32 accept\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *path = NULL;
        g_autoptr(GError) error = NULL;
        int file = g_file_open_tmp("postern-test-XXXXXX", &path, NULL);
        g_close(file, NULL);
        g_assert_true(g_file_set_contents(path, bad[i], -1, NULL));
        g_assert_null(postern_network_table_new(path, &error));
        g_assert_nonnull(strstr(error->message, i == 4 ? ": line 2: " : ": line 1: "));
        g_unlink(path);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/client-check/answers", test_answers);
    g_test_add_func("/client-check/ipv6", test_ipv6);
    g_test_add_func("/client-check/private", test_private);
    g_test_add_func("/client-check/self-test", test_self_test);
    g_test_add_func("/client-check/findings-and-rules", test_findings_and_rules);
    g_test_add_func("/client-check/zone-untold", test_zone_untold);
    g_test_add_func("/client-check/breaker", test_breaker);
    g_test_add_func("/client-check/history", test_history);
    g_test_add_func("/client-check/bad-networks", test_bad_networks);
    return g_test_run();
}
