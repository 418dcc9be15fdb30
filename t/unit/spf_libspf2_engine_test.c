/*
 * libspf2 behind our table of answers, and what is kept from it.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "checks/spf/libspf2_dns.h"
#include "unit/spf_fixture.h"

#define FAILING "fail.example TXT \"v=spf1 -all exp=why.fail.example\"\n"

typedef struct {
    const char *name;
    const char *zone;
    SpfQuestion question;
    PosternSpfResult result;
    gboolean helo;
    const char *domain;
} Case;

#define ZONE                                                                                                 \
    "example.com TXT \"v=spf1 ip4:192.0.2.1 ip6:2001:db8::/32 -all exp=why.example.com\"\n"                  \
    "why.example.com TXT \"No.\"\n"                                                                          \
    "helo.example.com TXT \"v=spf1 a -all\"\n"                                                               \
    "helo.example.com A 192.0.2.7\n"                                                                         \
    "xn--mnchen-3ya.example TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"                                             \
    "two.example TXT \"v=spf1 -all\"\n"                                                                      \
    "two.example TXT \"v=spf1 +all\"\n"                                                                      \
    "syntax.example TXT \"v=spf1 ip4:nonsense\"\n"                                                           \
    "text.example TXT \"no record of SPF\"\n"                                                                \
    "servfail.example TXT !SERVFAIL\n"                                                                       \
    "timeout.example TXT \"v=spf1 a:slow.example -all\"\n"                                                   \
    "slow.example A !TIMEOUT\n"                                                                              \
    "name.example TXT \"v=spf1 exists:%{l}.%{l}.x.example ?all\"\n"                                          \
    "mail.example TXT \"v=spf1 mx ptr:ok.example -all\"\n"                                                   \
    "mail.example MX 10 mx.mail.example\n"                                                                   \
    "mx.mail.example AAAA 2001:db8::5\n"                                                                     \
    "3.2.0.192.in-addr.arpa PTR host.ok.example\n"                                                           \
    "host.ok.example A 192.0.2.3\n"

static const Case cases[] = {
    {"pass", ZONE, {"192.0.2.1", "h.example", "u@Example.com"}, POSTERN_SPF_PASS, FALSE, "example.com"},
    {"IPv6", ZONE, {"2001:db8::1", "h.example", "u@example.com"}, POSTERN_SPF_PASS, FALSE, "example.com"},
    {"mapped", ZONE, {"::ffff:192.0.2.1", "h", "u@example.com"}, POSTERN_SPF_PASS, FALSE, "example.com"},
    {"fail", ZONE, {"192.0.2.2", "h.example", "u@example.com"}, POSTERN_SPF_FAIL, FALSE, "example.com"},
    {"HELO", ZONE, {"192.0.2.7", "helo.example.com", ""}, POSTERN_SPF_PASS, TRUE, "helo.example.com"},
    {"IDN",
     ZONE,
     {"192.0.2.1", "h.example", "u@m\xc3\xbcnchen.example"},
     POSTERN_SPF_PASS,
     FALSE,
     "xn--mnchen-3ya.example"},
    {"none", ZONE, {"192.0.2.1", "h.example", "u@none.example"}, POSTERN_SPF_NONE, FALSE, "none.example"},
    {"text", ZONE, {"192.0.2.1", "h.example", "u@text.example"}, POSTERN_SPF_NONE, FALSE, "text.example"},
    {"two", ZONE, {"192.0.2.1", "h.example", "u@two.example"}, POSTERN_SPF_PERMERROR, FALSE, "two.example"},
    {"syntax",
     ZONE,
     {"192.0.2.1", "h.example", "u@syntax.example"},
     POSTERN_SPF_PERMERROR,
     FALSE,
     "syntax.example"},
    {"servfail",
     ZONE,
     {"192.0.2.1", "h.example", "u@servfail.example"},
     POSTERN_SPF_TEMPERROR,
     FALSE,
     "servfail.example"},
    {"time-out",
     ZONE,
     {"192.0.2.1", "h.example", "u@timeout.example"},
     POSTERN_SPF_TEMPERROR,
     FALSE,
     "timeout.example"},
    {"name that nobody can ask",
     ZONE,
     {"192.0.2.1", "h.example", "a..b@name.example"},
     POSTERN_SPF_NEUTRAL,
     FALSE,
     "name.example"},
    {"mx", ZONE, {"2001:db8::5", "h.example", "u@mail.example"}, POSTERN_SPF_PASS, FALSE, "mail.example"},
    {"ptr", ZONE, {"192.0.2.3", "h.example", "u@mail.example"}, POSTERN_SPF_PASS, FALSE, "mail.example"},
    {"loopback", ZONE, {"127.0.0.9", "h.example", "u@two.example"}, POSTERN_SPF_PASS, FALSE, "two.example"},
    {"loopback, IPv6", ZONE, {"::1", "h.example", "u@two.example"}, POSTERN_SPF_PASS, FALSE, "two.example"},
};

static void test_case(gconstpointer data)
{
    const Case *test = data;
    g_autoptr(PosternLibspf2Engine) engine = postern_libspf2_engine_new();
    g_autoptr(PosternFindings) findings = spf_fixture_ask(engine, test->zone, &test->question, NULL);
    gboolean error =
        findings->spf.result == POSTERN_SPF_TEMPERROR || findings->spf.result == POSTERN_SPF_PERMERROR;

    g_assert_cmpint(findings->spf.result, ==, test->result);
    g_assert_cmpint(findings->spf.helo, ==, test->helo);
    g_assert_cmpstr(findings->spf.domain, ==, test->domain);
    g_assert_null(findings->spf.explanation);
    g_assert_cmpint(findings->spf.problem != NULL, ==, error);
}

static void test_unknown_client(void)
{
    char sender[] = "u@example.com";
    PosternEnvelope envelope = {.sender = sender};
    g_autoptr(PosternLibspf2Engine) engine = postern_libspf2_engine_new();
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autoptr(PosternAnswers) answers = postern_answers_new();

    g_assert_cmpint(postern_check_spf_libspf2(engine, &envelope, SPF_FIXTURE_RECEIVER, SPF_FIXTURE_NOW,
                                              answers, findings),
                    ==, 1);
    g_assert_cmpint(findings->spf.result, ==, POSTERN_SPF_NOT_CHECKED);
}

/* The library asks one question at a time; it is made to go on while an answer is missing. */
static void test_rounds(void)
{
    static const char zone[] =
        "example.com TXT \"v=spf1 a:a.example mx include:one.example include:two.example "
        "redirect=three.example\"\n"
        "one.example TXT \"v=spf1 a:b.example -all\"\n"
        "two.example TXT \"v=spf1 a:c.example -all\"\n"
        "three.example TXT \"v=spf1 ip4:192.0.2.1 -all\"\n"
        "example.com MX 1 m.example\nm.example A 192.0.2.9\n"
        "a.example A 192.0.2.9\nb.example A 192.0.2.9\nc.example A 192.0.2.9\n";
    const SpfQuestion question = {"192.0.2.1", "h.example", "u@example.com"};
    g_autoptr(PosternLibspf2Engine) engine = postern_libspf2_engine_new();
    guint rounds = 0;
    g_autoptr(PosternFindings) findings = spf_fixture_ask(engine, zone, &question, &rounds);
    g_autofree char *steps = spf_fixture_steps(findings);

    g_assert_cmpint(findings->spf.result, ==, POSTERN_SPF_PASS);
    g_assert_cmpuint(rounds, ==, 4);
    g_assert_nonnull(strstr(steps, "libspf2 asks for one.example TXT: \"v=spf1 a:b.example -all\"\n"));
    g_assert_true(g_str_has_suffix(steps, "libspf2 says pass\n"));
}

/* Two records that include each other ten times each: twenty levels deep, and each level counts anew. */
static void test_includes_explode(void)
{
    g_autoptr(GString) zone = g_string_new(NULL);
    const SpfQuestion question = {"192.0.2.1", "h.example", "u@one.example"};
    g_autoptr(PosternLibspf2Engine) engine = postern_libspf2_engine_new();
    g_autoptr(PosternFindings) findings = NULL;

    for (guint i = 0; i < 2; i++) {
        g_string_append_printf(zone, "%s.example TXT \"v=spf1", i == 0 ? "one" : "two");
        for (guint j = 0; j < 10; j++)
            g_string_append_printf(zone, " include:%s.example", i == 0 ? "two" : "one");
        g_string_append(zone, " ?all\"\n");
    }
    findings = spf_fixture_ask(engine, zone->str, &question, NULL);
    g_assert_cmpint(findings->spf.result, ==, POSTERN_SPF_PERMERROR);
    g_assert_nonnull(findings->spf.problem);
}

/* An explanation that makes the library overrun its stack, where it compiles it. */
static char *deadly_zone(void)
{
    g_autoptr(GString) zone = g_string_new(FAILING "why.fail.example TXT \"");

    for (guint i = 0; i < 43; i++)
        g_string_append(zone, "%{s}%%");
    g_string_append(zone, "\"\n");
    return g_string_free(g_steal_pointer(&zone), FALSE);
}

static void test_explanation_is_not_compiled(void)
{
    const SpfQuestion question = {"192.0.2.1", "h.example", "u@fail.example"};
    g_autofree char *zone = deadly_zone();
    g_autoptr(PosternLibspf2Engine) engine = postern_libspf2_engine_new();
    g_autoptr(PosternFindings) findings = spf_fixture_ask(engine, zone, &question, NULL);

    g_assert_cmpint(findings->spf.result, ==, POSTERN_SPF_FAIL);
    g_assert_null(findings->spf.explanation);
}

/* The same question without the hook that keeps explanations away. Never returns. */
static void ask_without_hook(void)
{
    g_autofree char *text = deadly_zone();
    g_autoptr(PosternAnswersFile) zone = spf_fixture_zone(text);
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternFindings) findings = postern_findings_new();
    PosternSpfLibspf2Dns dns;
    int nothing = open("/dev/null", O_WRONLY);

    dup2(nothing, STDERR_FILENO);
    dup2(nothing, STDOUT_FILENO);
    do {
        SPF_server_t *server;
        SPF_request_t *request;
        SPF_response_t *response = NULL;

        spf_fixture_answer(zone, answers);
        postern_spf_libspf2_dns_init(&dns, answers, findings);
        server = SPF_server_new_dns(&dns.server, 0);
        request = SPF_request_new(server);
        SPF_request_set_ipv4_str(request, "192.0.2.1");
        SPF_request_set_helo_dom(request, "h.example");
        SPF_request_set_env_from(request, "u@fail.example");
        SPF_request_query_mailfrom(request, &response);
    } while (dns.waiting);
    _exit(0);
}

/* What the hook is for: the library of Debian 12 dies of that record. */
static void test_hook_is_needed(void)
{
    pid_t child = fork();
    int status = 0;

    g_assert_cmpint(child, >=, 0);
    if (child == 0)
        ask_without_hook();
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        g_test_skip("this libspf2 compiles that explanation safely");
    else
        g_assert_true(WIFSIGNALED(status));
}

/* Whatever it thinks, it says nothing on standard output or standard error. */
static void test_silent(void)
{
    int output = memfd_create("output", MFD_CLOEXEC);
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
            g_autoptr(PosternLibspf2Engine) engine = postern_libspf2_engine_new();
            g_autoptr(PosternFindings) findings =
                spf_fixture_ask(engine, cases[i].zone, &cases[i].question, NULL);
        }
        _exit(0);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
    g_assert_cmpint(lseek(output, 0, SEEK_END), ==, 0);
    close(output);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/spf/libspf2/%s", cases[i].name);

        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/spf/libspf2/unknown client", test_unknown_client);
    g_test_add_func("/spf/libspf2/rounds", test_rounds);
    g_test_add_func("/spf/libspf2/includes explode", test_includes_explode);
    g_test_add_func("/spf/libspf2/explanation is not compiled", test_explanation_is_not_compiled);
    g_test_add_func("/spf/libspf2/hook is needed", test_hook_is_needed);
    g_test_add_func("/spf/libspf2/silent", test_silent);
    return g_test_run();
}
