#include "checks/check.h"

#include <string.h>

#include "base/limits.h"
#include "dns/answers_file.h"

#define NOW 1700000000
#define RECEIVER "mx.example.org"

typedef struct {
    const char *zone; /* in the form of an answers file */
    const char *client;
    const char *helo;
    const char *sender;
} Question;

typedef struct {
    PosternSpfFinding finding;
    guint rounds;     /* runs of the evaluation */
    guint questions;  /* asked in all */
    guint most_noted; /* after one run */
} Verdict;

static void verdict_clear(Verdict *verdict)
{
    g_free(verdict->finding.domain);
    g_free(verdict->finding.explanation);
    g_free(verdict->finding.problem);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Verdict, verdict_clear)

static void answer_all(const PosternAnswersFile *zone, PosternAnswers *answers)
{
    GPtrArray *noted = postern_answers_questions(answers);

    while (noted->len > 0) {
        const PosternQuestion *question = g_ptr_array_index(noted, 0);

        postern_answers_add(answers, question, postern_answers_file_answer(zone, question));
    }
}

static PosternEnvelope envelope_of(const Question *question)
{
    PosternEnvelope envelope = {0};

    g_assert_true(postern_address_parse(&envelope.client, question->client));
    envelope.helo = g_strdup(question->helo);
    envelope.sender = g_strdup(question->sender);
    return envelope;
}

static Verdict ask_with(const Question *question, PosternAnswers *answers)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternAnswersFile) zone =
        postern_answers_file_parse(question->zone, strlen(question->zone), &error);
    PosternEnvelope envelope = envelope_of(question);
    g_autoptr(PosternFindings) findings = postern_findings_new();
    Verdict verdict = {.rounds = 1};

    g_assert_no_error(error);
    while (postern_check_spf(&envelope, RECEIVER, NOW, answers, findings) == 0) {
        guint noted = postern_answers_questions(answers)->len;

        g_assert_cmpuint(noted, >, 0);
        g_assert_cmpuint(++verdict.rounds, <=, POSTERN_QUESTION_ROUNDS_MAX);
        verdict.most_noted = MAX(verdict.most_noted, noted);
        answer_all(zone, answers);
    }
    verdict.finding = findings->spf;
    findings->spf = (PosternSpfFinding){0};
    verdict.questions = postern_answers_count(answers);
    g_free(envelope.helo);
    g_free(envelope.sender);
    return verdict;
}

static Verdict ask(const Question *question)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();

    return ask_with(question, answers);
}

typedef struct {
    const char *name;
    Question question;
    PosternSpfResult result;
    gboolean helo;
    const char *domain;
    const char *explanation;
} Case;

#define IDENTITY_ZONE                                                                                        \
    "example.com TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 -all exp=why.example.com\"\n"                  \
    "why.example.com TXT \"%{s} %{o} %{h}\"\n"                                                               \
    "mail.example.com TXT \"v=spf1 a -all\"\n"                                                               \
    "mail.example.com A 192.0.2.1\n"                                                                         \
    "xn--mnchen-3ya.example TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"                                             \
    "xn--strae-oqa.example TXT \"v=spf1 +all\"\n"                                                            \
    "strasse.example TXT \"v=spf1 -all\"\n"                                                                  \
    "local.example TXT \"v=spf1 exists:%{l}.u.example include:%{s}.u.example -all exp=%{l}.u.example\"\n"    \
    "only.example TXT \"v=spf1 redirect=%{l}.u.example\"\n"

static const Case identity_cases[] = {
    {"mail from",
     {IDENTITY_ZONE, "192.0.2.1", "h.example", "u@Example.COM."},
     POSTERN_SPF_PASS,
     FALSE,
     "example.com"},
    {"mapped",
     {IDENTITY_ZONE, "::ffff:192.0.2.1", "h", "u@example.com"},
     POSTERN_SPF_PASS,
     FALSE,
     "example.com"},
    {"IPv6", {IDENTITY_ZONE, "2001:db8::7", "h", "u@example.com"}, POSTERN_SPF_PASS, FALSE, "example.com"},
    {"null sender",
     {IDENTITY_ZONE, "192.0.2.1", "mail.example.com", ""},
     POSTERN_SPF_PASS,
     TRUE,
     "mail.example.com"},
    {"HELO fails",
     {IDENTITY_ZONE, "192.0.2.2", "Example.com", ""},
     POSTERN_SPF_FAIL,
     TRUE,
     "example.com",
     "postmaster@example.com example.com example.com"},
    {"no domain",
     {IDENTITY_ZONE, "192.0.2.1", "mail.example.com", "u"},
     POSTERN_SPF_PASS,
     TRUE,
     "mail.example.com"},
    {"no MAIL",
     {IDENTITY_ZONE, "192.0.2.1", "mail.example.com", NULL},
     POSTERN_SPF_PASS,
     TRUE,
     "mail.example.com"},
    {"no HELO", {IDENTITY_ZONE, "192.0.2.1", NULL, "u@example.com"}, POSTERN_SPF_PASS, FALSE, "example.com"},
    {"nothing", {IDENTITY_ZONE, "192.0.2.1", NULL, ""}, POSTERN_SPF_NONE, FALSE, NULL},
    {"literal", {IDENTITY_ZONE, "192.0.2.1", "h", "u@[192.0.2.1]"}, POSTERN_SPF_NONE, FALSE, "[192.0.2.1]"},
    {"one label", {IDENTITY_ZONE, "192.0.2.1", "h", "u@localhost"}, POSTERN_SPF_NONE, FALSE, "localhost"},
    {"empty label", {IDENTITY_ZONE, "192.0.2.1", "h", "u@a..b"}, POSTERN_SPF_NONE, FALSE, "a..b"},
    {"local part",
     {IDENTITY_ZONE, "192.0.2.9", "h.example", "\"a@b\"@example.com"},
     POSTERN_SPF_FAIL,
     FALSE,
     "example.com",
     "\"a@b\"@example.com example.com h.example"},
    /* RFC 8616 4 */
    {"A-label",
     {IDENTITY_ZONE, "192.0.2.1", "h", "u@M\xc3\xbcnchen.example"},
     POSTERN_SPF_PASS,
     FALSE,
     "xn--mnchen-3ya.example"},
    {"no transition",
     {IDENTITY_ZONE, "192.0.2.1", "h",
      "u@stra\xc3\x9f"
      "e.example"},
     POSTERN_SPF_PASS,
     FALSE,
     "xn--strae-oqa.example"},
    {"not UTF-8",
     {IDENTITY_ZONE, "192.0.2.1", "h", "u@\xff.example"},
     POSTERN_SPF_NONE,
     FALSE,
     "\xff.example"},
    {"local part not ASCII",
     {IDENTITY_ZONE, "192.0.2.1", "h", "\xc3\xa4@local.example"},
     POSTERN_SPF_FAIL,
     FALSE,
     "local.example"},
    {"redirect by such",
     {IDENTITY_ZONE, "192.0.2.1", "h", "\xc3\xa4@only.example"},
     POSTERN_SPF_NEUTRAL,
     FALSE,
     "only.example"},
};

static void test_case(gconstpointer data)
{
    const Case *test = data;
    g_auto(Verdict) verdict = ask(&test->question);

    if (verdict.finding.problem != NULL)
        g_test_message("%s", verdict.finding.problem);
    g_assert_cmpint(verdict.finding.result, ==, test->result);
    g_assert_cmpstr(verdict.finding.domain, ==, test->domain);
    g_assert_cmpint(verdict.finding.helo, ==, test->helo);
    g_assert_cmpstr(verdict.finding.explanation, ==, test->explanation);
    g_assert_cmpint(verdict.finding.problem != NULL, ==,
                    test->result == POSTERN_SPF_TEMPERROR || test->result == POSTERN_SPF_PERMERROR);
}

#define LIMITS_ZONE                                                                                          \
    "ten.example TXT \"v=spf1 a a a a a a a a a a ip4:192.0.2.1 -all\"\n"                                    \
    "ten.example A 192.0.2.200\n"                                                                            \
    "eleven.example TXT \"v=spf1 a a a a a a a a a a a ip4:192.0.2.1 -all\"\n"                               \
    "eleven.example A 192.0.2.200\n"                                                                         \
    "early.example TXT \"v=spf1 a a a a a a a a a a a -all\"\n"                                              \
    "early.example A 192.0.2.1\n"                                                                            \
    "loop.example TXT \"v=spf1 include:loop.example -all\"\n"                                                \
    "turn.example TXT \"v=spf1 redirect=turn.example\"\n"                                                    \
    "nine.example TXT \"v=spf1 a a a a a a a a a exists:%{p}.x.example ip4:192.0.2.1\"\n"                    \
    "nine.example A 192.0.2.200\n"                                                                           \
    "twice.example TXT \"v=spf1 a a a a a a a -exists:%{p}.x.example -exists:%{p}.y.example "                \
    "ip4:192.0.2.1\"\n"                                                                                      \
    "twice.example A 192.0.2.200\n"                                                                          \
    "void2.example TXT \"v=spf1 a:n1.example mx:n2.example ip4:192.0.2.1\"\n"                                \
    "void3.example TXT \"v=spf1 a:n1.example mx:n2.example exists:n3.example ip4:192.0.2.1\"\n"              \
    "hosts.example TXT \"v=spf1 mx a:n1.example a:n2.example ip4:192.0.2.1\"\n"                              \
    "hosts.example MX 1 n3.example\n"                                                                        \
    "hosts.example MX 2 n4.example\n"                                                                        \
    "null.example TXT \"v=spf1 mx:nomail.example a:n1.example a:n2.example ip4:192.0.2.1\"\n"                \
    "nomail.example MX 0 .\n"                                                                                \
    "fails.example TXT \"v=spf1 a:broken.example ip4:192.0.2.1\"\n"                                          \
    "broken.example A !SERVFAIL\n"                                                                           \
    "matches.example TXT \"v=spf1 ip4:192.0.2.1 a:broken.example -all\"\n"                                   \
    "reverse.example TXT \"v=spf1 ptr:good.example -all\"\n"                                                 \
    "7.2.0.192.in-addr.arpa PTR !TIMEOUT\n"                                                                  \
    "1.2.0.192.in-addr.arpa PTR broken.example\n"                                                            \
    "1.2.0.192.in-addr.arpa PTR liar.example\n"                                                              \
    "1.2.0.192.in-addr.arpa PTR good.example\n"                                                              \
    "liar.example A 192.0.2.99\n"                                                                            \
    "good.example A 192.0.2.1\n"                                                                             \
    "two.example TXT \"v=spf1 -all\"\n"                                                                      \
    "two.example TXT \"v=spf1 -all\"\n"                                                                      \
    "bad.example TXT \"v=spf1 include:two.example -all\"\n"

#define FROM(domain)                                                                                         \
    {                                                                                                        \
        LIMITS_ZONE, "192.0.2.1", "h.example", "u@" domain                                                   \
    }

static const Case limit_cases[] = {
    {"ten look-ups", FROM("ten.example"), POSTERN_SPF_PASS, FALSE, "ten.example"},
    {"eleven look-ups", FROM("eleven.example"), POSTERN_SPF_PERMERROR, FALSE, "eleven.example"},
    {"eleven not reached", FROM("early.example"), POSTERN_SPF_PASS, FALSE, "early.example"},
    {"include loop", FROM("loop.example"), POSTERN_SPF_PERMERROR, FALSE, "loop.example"},
    {"redirect loop", FROM("turn.example"), POSTERN_SPF_PERMERROR, FALSE, "turn.example"},
    {"the macro p counts", FROM("nine.example"), POSTERN_SPF_PERMERROR, FALSE, "nine.example"},
    {"the macro p counts once", FROM("twice.example"), POSTERN_SPF_PASS, FALSE, "twice.example"},
    {"two void terms", FROM("void2.example"), POSTERN_SPF_PASS, FALSE, "void2.example"},
    {"three void terms", FROM("void3.example"), POSTERN_SPF_PERMERROR, FALSE, "void3.example"},
    {"hosts of an mx are one term", FROM("hosts.example"), POSTERN_SPF_PERMERROR, FALSE, "hosts.example"},
    {"a null MX is not void", FROM("null.example"), POSTERN_SPF_PASS, FALSE, "null.example"},
    {"failure", FROM("fails.example"), POSTERN_SPF_TEMPERROR, FALSE, "fails.example"},
    {"failure not reached", FROM("matches.example"), POSTERN_SPF_PASS, FALSE, "matches.example"},
    {"ptr skips what fails", FROM("reverse.example"), POSTERN_SPF_PASS, FALSE, "reverse.example"},
    {"ptr that fails",
     {LIMITS_ZONE, "192.0.2.7", "h.example", "u@reverse.example"},
     POSTERN_SPF_FAIL,
     FALSE,
     "reverse.example"},
    {"two records", FROM("two.example"), POSTERN_SPF_PERMERROR, FALSE, "two.example"},
    {"an include without", FROM("bad.example"), POSTERN_SPF_PERMERROR, FALSE, "bad.example"},
    {"no record", FROM("good.example"), POSTERN_SPF_NONE, FALSE, "good.example"},
};

#define ROUNDS_ZONE                                                                                          \
    "example.com TXT \"v=spf1 include:one.example include:two.example mx a:a1.example a:a2.example -all\"\n" \
    "one.example TXT \"v=spf1 ip4:198.51.100.0/24 a:deep.one.example ~all\"\n"                               \
    "two.example TXT \"v=spf1 include:deep.two.example ?all\"\n"                                             \
    "deep.one.example A 198.51.100.1\n"                                                                      \
    "deep.two.example TXT \"v=spf1 ip6:2001:db8::/32 -all\"\n"                                               \
    "example.com MX 10 mx1.example.com\n"                                                                    \
    "example.com MX 20 mx2.example.com\n"                                                                    \
    "mx1.example.com A 192.0.2.10\n"                                                                         \
    "mx2.example.com A 192.0.2.11\n"                                                                         \
    "a1.example A 192.0.2.20\n"                                                                              \
    "a2.example A 192.0.2.21\n"

static void test_rounds(void)
{
    const Question question = {ROUNDS_ZONE, "192.0.2.21", "h.example", "u@example.com"};
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_auto(Verdict) verdict = ask_with(&question, answers);
    g_auto(Verdict) again = ask_with(&question, answers);

    g_assert_cmpint(verdict.finding.result, ==, POSTERN_SPF_PASS);
    g_assert_cmpuint(verdict.rounds, ==, 4);
    g_assert_cmpuint(verdict.questions, ==, 10);
    g_assert_cmpint(again.finding.result, ==, POSTERN_SPF_PASS);
    g_assert_cmpuint(again.rounds, ==, 1);
    g_assert_cmpuint(again.questions, ==, 10);
}

/* A record whose every term leads to ten hosts: each run asks a bounded number of questions. */
static void test_prefetch_is_bounded(void)
{
    g_autoptr(GString) zone = g_string_new("example.com TXT \"v=spf1 a");
    g_auto(Verdict) verdict = {0};

    for (guint i = 0; i < 9; i++)
        g_string_append_printf(zone, " mx:d%u.example", i);
    g_string_append(zone, " ip4:192.0.2.1\"\nexample.com A 192.0.2.200\n");
    for (guint i = 0; i < 90; i++)
        g_string_append_printf(zone, "d%u.example MX 1 h%u.example\nh%u.example A 192.0.2.201\n", i / 10, i,
                               i);
    verdict = ask(&(Question){zone->str, "192.0.2.1", "h.example", "u@example.com"});
    g_assert_cmpuint(verdict.most_noted, ==, POSTERN_SPF_PREFETCH_QUESTIONS_MAX);
    g_assert_cmpuint(verdict.questions, <=, POSTERN_QUESTIONS_PER_MESSAGE_MAX);
    g_assert_cmpuint(verdict.questions, ==, 1 + 1 + 9 + 90);
    g_assert_cmpint(verdict.finding.result, ==, POSTERN_SPF_PASS);
}

static void test_mx_and_ptr_limits(void)
{
    g_autoptr(GString) zone = g_string_new("example.com TXT \"v=spf1 mx -all\"\n"
                                           "example.net TXT \"v=spf1 ptr:x.example -all\"\n");
    g_auto(Verdict) mx = {0}, tenth = {0}, eleventh = {0};

    for (guint i = 0; i < 11; i++) {
        g_string_append_printf(zone, "example.com MX 1 h%u.example\nh%u.example A 192.0.2.1\n", i, i);
        g_string_append_printf(zone, "1.2.0.192.in-addr.arpa PTR h%u.%s.example\n", i, i == 9 ? "x" : "y");
        g_string_append_printf(zone, "2.2.0.192.in-addr.arpa PTR h%u.%s.example\n", i, i == 10 ? "x" : "y");
    }
    g_string_append(zone, "h9.x.example A 192.0.2.1\nh10.x.example A 192.0.2.2\n");
    mx = ask(&(Question){zone->str, "192.0.2.1", "h.example", "u@example.com"});
    tenth = ask(&(Question){zone->str, "192.0.2.1", "h.example", "u@example.net"});
    eleventh = ask(&(Question){zone->str, "192.0.2.2", "h.example", "u@example.net"});
    g_assert_cmpint(mx.finding.result, ==, POSTERN_SPF_PERMERROR);
    g_assert_cmpint(tenth.finding.result, ==, POSTERN_SPF_PASS);
    g_assert_cmpint(eleventh.finding.result, ==, POSTERN_SPF_FAIL);
}

static void test_unknown_client(void)
{
    char sender[] = "u@example.com";
    PosternEnvelope envelope = {.sender = sender};
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autoptr(PosternAnswers) answers = postern_answers_new();

    g_assert_cmpint(postern_check_spf(&envelope, RECEIVER, NOW, answers, findings), ==, 1);
    g_assert_cmpint(findings->spf.result, ==, POSTERN_SPF_NOT_CHECKED);
    g_assert_cmpuint(postern_answers_questions(answers)->len, ==, 0);
}

static void test_speed(void)
{
    const Question question = {ROUNDS_ZONE, "192.0.2.21", "h.example", "u@example.com"};
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_auto(Verdict) verdict = ask_with(&question, answers);
    PosternEnvelope envelope = envelope_of(&question);
    const guint turns = g_test_perf() ? 100000 : 100;
    double microseconds;

    g_assert_cmpint(verdict.finding.result, ==, POSTERN_SPF_PASS);
    g_test_timer_start();
    for (guint i = 0; i < turns; i++) {
        g_autoptr(PosternFindings) findings = postern_findings_new();

        g_assert_cmpint(postern_check_spf(&envelope, RECEIVER, NOW, answers, findings), ==, 1);
    }
    microseconds = g_test_timer_elapsed() / turns * 1e6;
    g_test_minimized_result(microseconds, "microseconds an evaluation: %.2f", microseconds);
    g_free(envelope.helo);
    g_free(envelope.sender);
}

static void add_cases(const char *group, const Case *cases, guint count)
{
    for (guint i = 0; i < count; i++) {
        g_autofree char *path = g_strdup_printf("/spf/%s/%s", group, cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_cases("identity", identity_cases, G_N_ELEMENTS(identity_cases));
    add_cases("limits", limit_cases, G_N_ELEMENTS(limit_cases));
    g_test_add_func("/spf/limits/mx and ptr", test_mx_and_ptr_limits);
    g_test_add_func("/spf/rounds", test_rounds);
    g_test_add_func("/spf/prefetch", test_prefetch_is_bounded);
    g_test_add_func("/spf/unknown client", test_unknown_client);
    g_test_add_func("/spf/speed", test_speed);
    return g_test_run();
}
