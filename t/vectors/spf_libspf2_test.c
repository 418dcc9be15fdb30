/*
 * The official SPF suite by the second engine, libspf2, which does not pass all of it. What it passes is
 * counted, and is a constant of the library: fewer would be a mistake of ours, more a newer library. The
 * figures stand in postern-inspector(8).
 */
#include "checks/check.h"

#include <stdio.h>

#if __has_include(<yaml.h>)
#include "vectors/spf_suite.h"

#define RESULTS_RIGHT 147
#define RESULTS_AND_EXPLANATIONS_RIGHT 133

typedef struct {
    GPtrArray *cases;
} Suite;

static int check(const PosternEnvelope *envelope, const char *receiver, gint64 now, PosternAnswers *answers,
                 PosternFindings *findings)
{
    g_autoptr(PosternLibspf2Engine) engine = postern_libspf2_engine_new();

    return postern_check_spf_libspf2(engine, envelope, receiver, now, answers, findings);
}

static void test_suite(gconstpointer data)
{
    const Suite *suite = data;
    guint right = 0, explained = 0;

    for (guint i = 0; i < suite->cases->len; i++) {
        const SpfSuiteCase *test = g_ptr_array_index(suite->cases, i);
        g_autoptr(PosternFindings) findings = postern_findings_new();
        const char *explanation = NULL;

        spf_suite_run(test, check, findings);
        g_assert_null(findings->spf.explanation);
        if (!spf_suite_result_is_right(test, &findings->spf)) {
            g_test_message("not right: %s: %s (%s)", test->name,
                           postern_spf_result_name(findings->spf.result),
                           findings->spf.problem != NULL ? findings->spf.problem : "no problem");
            continue;
        }
        right++;
        if (!spf_suite_has_explanation(test, &explanation) || explanation == NULL)
            explained++;
    }
    g_test_message("libspf2: %u of %u results are right, %u with the explanation", right, suite->cases->len,
                   explained);
    g_assert_cmpuint(right, >=, RESULTS_RIGHT);
    g_assert_cmpuint(explained, >=, RESULTS_AND_EXPLANATIONS_RIGHT);
}

int main(int argc, char **argv)
{
    g_autoptr(GPtrArray) sections = NULL;
    g_autoptr(GPtrArray) cases = NULL;
    Suite suite = {0};

    g_test_init(&argc, &argv, NULL);
    suite.cases = cases = spf_suite_load(&sections);
    if (cases == NULL)
        return shared_data_skip(SPF_SUITE_FILE);
    g_test_add_data_func("/spf/libspf2/rfc7208", &suite, test_suite);
    return g_test_run();
}
#else
int main(void)
{
    fprintf(stderr, "skipped: built without libyaml\n");
    return 77;
}
#endif
