/*
 * What SPF tells of its way to a result.
 */
#include "unit/spf_fixture.h"

#define ZONE                                                                                                 \
    "example.com TXT \"v=spf1 a:gone.example.com include:_spf.%{d2} ~exists:%{ir}.x.example "                \
    "ip4:192.0.2.0/28 "                                                                                      \
    "-all exp=why.example.com\"\n"                                                                           \
    "_spf.example.com TXT \"v=spf1 ip4:198.51.100.1 redirect=other.example\"\n"                              \
    "other.example TXT \"v=spf1 mx -all\"\n"                                                                 \
    "other.example MX 10 mx.other.example\n"                                                                 \
    "mx.other.example A 198.51.100.2\n"                                                                      \
    "why.example.com TXT \"%{i} is not ours, %{s}\"\n"                                                       \
    "broken.example TXT \"v=spf1 ip4:nonsense\"\n"

typedef struct {
    const char *name;
    SpfQuestion question;
    const char *steps;
} Case;

static const Case cases[] = {
    {"fail",
     {"203.0.113.9", "h.example", "u@example.com"},
     "client 203.0.113.9, MAIL FROM u@example.com\n"
     "example.com: the record is \"v=spf1 a:gone.example.com include:_spf.%{d2} ~exists:%{ir}.x.example "
     "ip4:192.0.2.0/28 -all exp=why.example.com\"\n"
     "example.com: a:gone.example.com: no match\n"
     "example.com: \"_spf.%{d2}\" stands for \"_spf.example.com\"\n"
     "_spf.example.com: the record is \"v=spf1 ip4:198.51.100.1 redirect=other.example\"\n"
     "_spf.example.com: ip4:198.51.100.1: no match\n"
     "_spf.example.com: no directive matches, redirect leads to other.example\n"
     "other.example: the record is \"v=spf1 mx -all\"\n"
     "other.example: mx: no match\n"
     "other.example: -all: match, which decides fail\n"
     "example.com: include:_spf.%{d2}: no match\n"
     "example.com: \"%{ir}.x.example\" stands for \"9.113.0.203.x.example\"\n"
     "example.com: ~exists:%{ir}.x.example: no match\n"
     "example.com: ip4:192.0.2.0/28: no match\n"
     "example.com: -all: match, which decides fail\n"
     "example.com: \"%{i} is not ours, %{s}\" stands for \"203.0.113.9 is not ours, u@example.com\"\n"
     "fail, with 5 of 10 terms that ask the DNS and 2 of 2 void look-ups\n"
     "the owner's explanation is \"203.0.113.9 is not ours, u@example.com\"\n"},
    {"HELO passes",
     {"198.51.100.2", "other.example", ""},
     "client 198.51.100.2, HELO as postmaster@other.example\n"
     "other.example: the record is \"v=spf1 mx -all\"\n"
     "other.example: mx: match, which decides pass\n"
     "pass, with 1 of 10 terms that ask the DNS and 0 of 2 void look-ups\n"},
    {"syntax",
     {"198.51.100.2", "h.example", "u@broken.example"},
     "client 198.51.100.2, MAIL FROM u@broken.example\n"
     "broken.example: the record is \"v=spf1 ip4:nonsense\"\n"
     "permerror, with 0 of 10 terms that ask the DNS and 0 of 2 void look-ups: "
     "broken.example: not an address: \"ip4:nonsense\"\n"},
    {"no record",
     {"198.51.100.2", "h.example", "u@none.example"},
     "client 198.51.100.2, MAIL FROM u@none.example\n"
     "none.example: no SPF record: none\n"
     "none, with 0 of 10 terms that ask the DNS and 0 of 2 void look-ups\n"},
};

static void test_case(gconstpointer data)
{
    const Case *test = data;
    g_autoptr(PosternFindings) findings = spf_fixture_ask(NULL, ZONE, &test->question, NULL);
    g_autofree char *steps = spf_fixture_steps(findings);

    g_assert_cmpstr(steps, ==, test->steps);
}

/* Nothing is told that nobody asked for, and the result is the same. */
static void test_no_steps(void)
{
    g_autoptr(PosternAnswersFile) zone = spf_fixture_zone(ZONE);
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternFindings) findings =
        spf_fixture_run(NULL, zone, &cases[0].question, answers, FALSE, NULL);

    g_assert_cmpint(findings->spf.result, ==, POSTERN_SPF_FAIL);
    g_assert_cmpuint(findings->steps->len, ==, 0);
}

/* Hostile octets are shown, not sent. */
static void test_escaped(void)
{
    const SpfQuestion question = {"192.0.2.1", "h.example", "u\x1b[2J@example.com"};
    g_autoptr(PosternFindings) findings =
        spf_fixture_ask(NULL, "example.com TXT \"v=spf1 \\007\\255 -all\"\n", &question, NULL);
    g_autofree char *steps = spf_fixture_steps(findings);

    g_assert_cmpint(findings->spf.result, ==, POSTERN_SPF_PERMERROR);
    g_assert_nonnull(strstr(steps, "the record is \"v=spf1 "));
    for (const char *at = steps; *at != '\0'; at++)
        g_assert_true(*at == '\n' || g_ascii_isprint(*at));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/spf/steps/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/spf/steps/not wanted", test_no_steps);
    g_test_add_func("/spf/steps/escaped", test_escaped);
    return g_test_run();
}
