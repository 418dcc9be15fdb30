#include "inspector_client/spf_prefetch.h"

#include <string.h>

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
    const char *text; /* NULL: no record */
    gboolean enough;
} records[] = {
    {NULL, TRUE},
    {"something else with a", TRUE},
    {"v=spf1 -all", TRUE},
    {"V=SPF1  IP4:192.0.2.0/24 ~ip6:2001:db8::/32 ?ALL ", TRUE},
    {"v=spf1 a -all", FALSE},
    {"v=spf1 a:b.example", FALSE},
    {"v=spf1 ip4:192.0.2.1 +mx/24", FALSE},
    {"v=spf1 include:b.example -all", FALSE},
    {"v=spf1 exists:%{i}.b.example", FALSE},
    {"v=spf1 ptr", FALSE},
    {"v=spf1 redirect=b.example", FALSE},
    {"v=spf1 -all exp=b.example", FALSE},
    {"v=spf1 ip4", FALSE},
    {"v=spf1\tmx", TRUE}, /* malformed, which raises no question */
};

static void test_is_enough(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(records); i++) {
        g_autoptr(PosternAnswers) answers = postern_answers_new();
        add(answers, "a.example", "v=spf1 -all");
        add(answers, "b.example", records[i].text);
        g_test_message("%s", records[i].text);
        g_assert_cmpint(postern_spf_prefetch_is_enough(answers), ==, records[i].enough);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/spf-prefetch/questions", test_questions);
    g_test_add_func("/spf-prefetch/is-enough", test_is_enough);
    return g_test_run();
}
