/*
 * The check of hops: counted only where an action asks for it, and refused over hops_max.
 */
#include <string.h>

#include "checks/check.h"
#include "verdict/check.h"

static PosternPolicy *policy_of(const char *lines)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strconcat("[policy]\n", lines, NULL);
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(text, strlen(text), "hops.conf", &error);
    g_assert_no_error(error);
    return postern_policy_from_configuration(configuration, "mx.example.org");
}

/* The header of a message that has passed so many servers. */
static PosternFindings *findings_of(guint count)
{
    g_autoptr(GString) octets = g_string_new(NULL);
    PosternFindings *findings = postern_findings_new();
    for (guint i = 0; i < count; i++)
        g_string_append(octets, i % 2 == 0 ? "Received: from a by b\r\n" : "RECEIVED :\r\n from b by c\r\n");
    g_string_append(octets, "Received-SPF: pass\r\nX-Received: none\r\nFrom: a@example.com\r\n\r\n");
    g_autoptr(PosternHeader) header = postern_header_parse(octets->str, octets->len);
    const PosternCheckRun run = {
        .octets = octets->str, .length = octets->len, .header = header, .findings = findings};
    g_assert_cmpint(postern_evaluation_hops.run[POSTERN_STAGE_HEADER](&run), ==, 1);
    return findings;
}

static void test_counted_when_asked_for(void)
{
    g_autoptr(PosternPolicy) as_is = policy_of("");
    g_autoptr(PosternPolicy) marking = policy_of("hops = mark\n");
    g_assert_cmpuint(as_is->checks & POSTERN_CHECK_HOPS, ==, 0);
    g_assert_cmpuint(marking->checks & POSTERN_CHECK_HOPS, ==, POSTERN_CHECK_HOPS);
}

static void test_over_the_most(void)
{
    static const struct {
        const char *lines;
        guint count;
        const char *check, *reply;
    } cases[] = {
        {"hops = reject\n", 100, NULL, NULL},
        {"hops = reject\n", 101, "hops",
         "554 5.4.6 Message refused: it has passed too many servers, as in a mail loop"},
        {"hops = mark\nhops_max = 20\n", 21, "hops", NULL},
        {"hops_max = 20\n", 21, NULL, NULL},
    };
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternPolicy) policy = policy_of(cases[i].lines);
        g_autoptr(PosternFindings) findings = findings_of(cases[i].count);
        policy->checks &= POSTERN_CHECK_HOPS;
        g_autoptr(PosternVerdict) verdict = postern_verdict_decide(policy, findings, envelope, NULL);
        g_assert_cmpuint(findings->hops.count, ==, cases[i].count);
        g_assert_cmpstr(verdict->check, ==, cases[i].check);
        g_assert_cmpstr(verdict->reply, ==, cases[i].reply);
    }
}

static void test_it_travels_and_is_told(void)
{
    g_autoptr(PosternFindings) findings = findings_of(3);
    g_autoptr(PosternFindings) copy = postern_findings_copy(findings);
    g_autoptr(PosternFindings) unchecked = postern_findings_new();
    g_auto(GStrv) words = postern_findings_words(copy);
    g_auto(GStrv) no_words = postern_findings_words(unchecked);
    guint length = g_strv_length(words);
    g_assert_true(copy->hops.checked);
    g_assert_cmpstr(words[length - 2], ==, "hops");
    g_assert_cmpstr(words[length - 1], ==, "3");
    g_assert_false(g_strv_contains((const char *const *)no_words, "hops"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hops/counted-when-asked-for", test_counted_when_asked_for);
    g_test_add_func("/hops/over-the-most", test_over_the_most);
    g_test_add_func("/hops/it-travels-and-is-told", test_it_travels_and_is_told);
    return g_test_run();
}
