#include "inspector_client/spf_prefetch.h"

#include <string.h>

#include "base/limits.h"

static const struct {
    const char *sender, *helo;
    gboolean helo_too;
    const char *names; /* asked for, separated by spaces */
} questions_cases[] = {
    {"a@Example.com", "mx.example.org", FALSE, "example.com"},
    {"a@example.com", "mx.example.org", TRUE, "example.com mx.example.org"},
    {"", "mx.example.org", FALSE, "mx.example.org"},
    {NULL, "mx.example.org", FALSE, "mx.example.org"},
    {"a@localhost", "[192.0.2.1]", TRUE, ""},
    {"a@[192.0.2.1]", NULL, TRUE, ""},
    {"a@known.example", "mx.example.org", FALSE, ""},
    {"a@bad..example", "a\nb.example", TRUE, ""},
};

static void add(PosternAnswers *answers, const char *name, const char *text)
{
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_TXT);
    PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_NXDOMAIN);
    if (text != NULL)
        g_assert_true(postern_answer_add(answer, text, strlen(text)));
    postern_answers_add(answers, question, answer);
}

static void test_questions(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(questions_cases); i++) {
        g_autoptr(PosternAnswers) answers = postern_answers_new();
        g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
        g_autoptr(GString) names = g_string_new(NULL);
        add(answers, "known.example", NULL);
        envelope->sender = g_strdup(questions_cases[i].sender);
        envelope->helo = g_strdup(questions_cases[i].helo);
        g_autoptr(GPtrArray) questions =
            postern_spf_prefetch_questions(envelope, questions_cases[i].helo_too, answers);
        for (guint j = 0; j < questions->len; j++) {
            const PosternQuestion *question = questions->pdata[j];
            g_assert_cmpint(question->type, ==, POSTERN_DNS_TXT);
            g_string_append_printf(names, "%s%s", j > 0 ? " " : "", question->name);
        }
        g_assert_cmpstr(names->str, ==, questions_cases[i].names);
        g_assert_cmpuint(postern_answers_questions(answers)->len, ==, 0);
    }
}

static const struct {
    const char *text;      /* of b.example; NULL: no record */
    const char *questions; /* each with its type */
    gboolean enough;
} records[] = {
    {NULL, "", TRUE},
    {"something else with a", "", TRUE},
    {"v=spf1 -all", "", TRUE},
    {"V=SPF1  IP4:192.0.2.0/24 ~ip6:2001:db8::/32 ?ALL ", "", TRUE},
    {"v=spf1 a -all", "b.example A", FALSE},
    {"v=spf1 +a/24//64 ?A:C.example/30 -all", "b.example A c.example A", FALSE},
    {"v=spf1 mx mx:c.example -all", "b.example MX c.example MX", FALSE},
    {"v=spf1 mx:servers.example -all", "one.example A two.example A", FALSE},
    {"v=spf1 mx:many.example -all", "", FALSE},
    {"v=spf1 a:known.example -all", "", TRUE},
    {"v=spf1 ip4:192.0.2.1 +mx/24", "b.example MX", FALSE},
    {"v=spf1 include:_spf.c.example ?include:a.example -all", "_spf.c.example TXT", FALSE},
    {"v=spf1 redirect=c.example", "c.example TXT", FALSE},
    {"v=spf1 a ip4:198.51.100.0/24 mx -all", "b.example A", FALSE},
    {"v=spf1 -ip4:198.51.100.7 a", "", TRUE},
    {"v=spf1 ip6:2001:db8::/32 ip4:198.51.100.7/33 ip4:198.51.100.8 a", "b.example A", FALSE},
    {"v=spf1 -all a redirect=c.example", "", TRUE},
    {"v=spf1 a:%{d}.c.example a -all", "", FALSE},
    {"v=spf1 a: -all", "", FALSE},
    {"v=spf1 include:bad..example", "", FALSE},
    {"v=spf1 a:1.c a:2.c a:3.c a:4.c a:5.c a:6.c a:7.c a:8.c a:9.c a:10.c a:11.c", "", FALSE},
    {"v=spf1 exists:%{i}.b.example", "", FALSE},
    {"v=spf1 ptr", "", FALSE},
    {"v=spf1 ip4:192.0.2.1 exp=b.example", "", FALSE},
    {"v=spf1 ip4", "", FALSE},
    {"v=spf10 a", "", TRUE},
    {"v=spf1 mx mx mx:c.example", "b.example MX c.example MX", FALSE},
    {"v=spf1 a:known.example mx:known.example a:b.example", "known.example MX b.example A", FALSE},
    {"v=spf1 a:known.example a:known.example a:known.example a:b.example", "", FALSE}, /* all void */
    {"v=spf1\tmx", "", TRUE}, /* malformed, which raises no question */
};

static void add_servers(PosternAnswers *answers, const char *name, guint count)
{
    static const char *const servers[] = {"\0\012one.example", "\0\024two.example"};
    g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_MX);
    PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_NXDOMAIN);
    for (guint i = 0; i < count; i++)
        g_assert_true(postern_answer_add(answer, servers[i % 2], strlen("xxone.example")));
    postern_answers_add(answers, question, answer);
}

static void test_follow(void)
{
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    g_assert_true(postern_address_parse(&envelope->client, "198.51.100.7"));
    for (gsize i = 0; i < G_N_ELEMENTS(records); i++) {
        g_autoptr(PosternAnswers) answers = postern_answers_new();
        g_autoptr(PosternQuestion) known = postern_question_new("known.example", POSTERN_DNS_A);
        g_autoptr(GString) found = g_string_new(NULL);
        gboolean enough = FALSE;
        add(answers, "a.example", "v=spf1 -all");
        add(answers, "b.example", records[i].text);
        add_servers(answers, "servers.example", 2);
        add_servers(answers, "many.example", 11);
        postern_answers_add(answers, known, postern_answer_new(POSTERN_ANSWER_NXDOMAIN));
        g_autoptr(GPtrArray) questions = postern_spf_prefetch_follow(envelope, answers, &enough);
        for (guint j = 0; j < questions->len; j++) {
            const PosternQuestion *question = questions->pdata[j];
            g_string_append_printf(found, "%s%s %s", j > 0 ? " " : "", question->name,
                                   postern_dns_type_name(question->type));
        }
        g_test_message("%s", records[i].text);
        g_assert_cmpstr(found->str, ==, records[i].questions);
        g_assert_cmpint(enough, ==, records[i].enough);
    }
}

static guint follow(const PosternAnswers *answers, gboolean *ret_enough)
{
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    g_assert_true(postern_address_parse(&envelope->client, "198.51.100.7"));
    g_autoptr(GPtrArray) questions = postern_spf_prefetch_follow(envelope, answers, ret_enough);
    return questions->len;
}

/* Of two records none holds. */
static void test_two_records(void)
{
    static const char *const texts[] = {"v=spf1 a -all", "v=spf1 mx -all"};
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternQuestion) question = postern_question_new("b.example", POSTERN_DNS_TXT);
    PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_NXDOMAIN);
    gboolean enough = FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        g_assert_true(postern_answer_add(answer, texts[i], strlen(texts[i])));
    postern_answers_add(answers, question, answer);
    g_assert_cmpuint(follow(answers, &enough), ==, 0);
    g_assert_true(enough);
}

static void test_long_record(void)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autofree char *blanks = g_strnfill(POSTERN_SPF_RECORD_MAX_OCTETS, ' ');
    g_autofree char *text = g_strconcat("v=spf1", blanks, "a", NULL);
    gboolean enough = TRUE;
    add(answers, "b.example", text);
    g_assert_cmpuint(follow(answers, &enough), ==, 0);
    g_assert_false(enough);
}

/* A record of few octets that leads to a hundred names: no more are asked for at once than by an evaluation,
 * and no more at all once they turn out not to exist. */
static void test_many_servers(void)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(GString) text = g_string_new("v=spf1");
    gboolean enough = TRUE;
    for (guint i = 0; i < POSTERN_SPF_LOOKUPS_MAX; i++) {
        g_autofree char *name = g_strdup_printf("%u.example", i);
        g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_MX);
        PosternAnswer *answer = postern_answer_new(POSTERN_ANSWER_NXDOMAIN);
        for (guint j = 0; j < POSTERN_SPF_MX_NAMES_MAX; j++) {
            g_autofree char *server = g_strdup_printf("xx%u.%u.example", j, i);
            g_assert_true(postern_answer_add(answer, server, strlen(server)));
        }
        postern_answers_add(answers, question, answer);
        g_string_append_printf(text, " mx:%s", name);
    }
    add(answers, "b.example", text->str);
    g_assert_cmpuint(follow(answers, &enough), ==, POSTERN_SPF_PREFETCH_QUESTIONS_MAX);
    g_assert_false(enough);
    for (guint i = 0; i <= POSTERN_SPF_VOID_LOOKUPS_MAX; i++) {
        g_autofree char *name = g_strdup_printf("%u.0.example", i);
        g_autoptr(PosternQuestion) question = postern_question_new(name, POSTERN_DNS_A);
        postern_answers_add(answers, question, postern_answer_new(POSTERN_ANSWER_NXDOMAIN));
    }
    g_assert_cmpuint(follow(answers, &enough), ==, 0);
    g_assert_false(enough);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/spf-prefetch/questions", test_questions);
    g_test_add_func("/spf-prefetch/follow", test_follow);
    g_test_add_func("/spf-prefetch/two-records", test_two_records);
    g_test_add_func("/spf-prefetch/long-record", test_long_record);
    g_test_add_func("/spf-prefetch/many-servers", test_many_servers);
    return g_test_run();
}
