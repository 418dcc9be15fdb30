/*
 * The official SPF suite: each case must give one of its results, and its explanation where it names one.
 */
#include "checks/check.h"

#include <stdio.h>

#if __has_include(<yaml.h>)
#include "vectors/spf_suite.h"

static void run_case(gconstpointer data)
{
    const SpfSuiteCase *test = data;
    g_autoptr(PosternFindings) findings = postern_findings_new();
    const PosternSpfFinding *finding = &findings->spf;
    const char *explanation = NULL;
    guint rounds = spf_suite_run(test, postern_check_spf, findings);

    g_test_message("%s after %u rounds, %s", postern_spf_result_name(finding->result), rounds,
                   finding->problem != NULL ? finding->problem : "no problem");
    g_assert_true(spf_suite_result_is_right(test, finding));
    if (spf_suite_has_explanation(test, &explanation))
        g_assert_cmpstr(finding->explanation, ==, explanation);
    if (finding->result == POSTERN_SPF_PERMERROR || finding->result == POSTERN_SPF_TEMPERROR)
        g_assert_nonnull(finding->problem);
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) sections = NULL;
    g_autoptr(GPtrArray) cases = NULL;

    g_test_init(&argc, &argv, NULL);
    cases = spf_suite_load(&sections);
    if (cases == NULL)
        return shared_data_skip(SPF_SUITE_FILE);
    for (guint i = 0; i < cases->len; i++) {
        SpfSuiteCase *test = g_ptr_array_index(cases, i);
        g_autofree char *path = g_strdup_printf("/spf/rfc7208/%s", test->name);

        g_test_add_data_func(path, test, run_case);
    }
    return g_test_run();
}
#else
int main(void)
{
    fprintf(stderr, "skipped: built without libyaml\n");
    return 77;
}
#endif
