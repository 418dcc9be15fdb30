/*
 * Signed messages that others have published, with the result that RFC 8301 asks for.
 */
#include "checks/check.h"

#include <string.h>

#include "dns/answers_file.h"
#include "vectors/shared_data.h"

#define CORPUS_NOW G_GINT64_CONSTANT(1700000000)
#define SAMPLE_NOW G_GINT64_CONSTANT(1528637909)

static PosternAnswersFile *load_zone(const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = shared_data_path(part);
    g_auto(GStrv) lines = shared_data_convert("shared_json.py", "zone", path);
    g_autofree char *text = g_strjoinv("\n", lines);
    PosternAnswersFile *zone = postern_answers_file_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    return zone;
}

static void resolve(PosternAnswers *answers, const PosternAnswersFile *zone)
{
    GPtrArray *questions = postern_answers_questions(answers);
    while (questions->len > 0) {
        g_autoptr(PosternQuestion) question = postern_question_copy(g_ptr_array_index(questions, 0));
        postern_answers_add(answers, question, postern_answers_file_answer(zone, question));
    }
}

static PosternFindings *verify(const char *path, const PosternAnswersFile *zone, gint64 now)
{
    g_autoptr(PosternDkimEngine) engine = postern_dkim_engine_new(FALSE);
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    GString *message = shared_data_message(path);
    g_autoptr(PosternHeader) header = postern_header_parse(message->str, message->len);
    g_autoptr(PosternFindings) findings = postern_findings_new();
    if (postern_check_dkim_questions(header, answers) == 0)
        resolve(answers, zone);
    g_assert_cmpint(postern_check_dkim_questions(header, answers), ==, 1);
    g_assert_cmpint(postern_check_dkim(engine, message->str, message->len, header, now, answers, findings),
                    ==, 1);
    g_string_free(message, TRUE);
    return g_steal_pointer(&findings);
}

static guint count(const PosternFindings *findings, PosternDkimResult result)
{
    guint matches = 0;
    for (guint i = 0; i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(findings->dkim.signatures, i);
        g_test_message("  %s d=%s s=%s a=%s: %s", postern_dkim_result_name(finding->result), finding->domain,
                       finding->selector, finding->algorithm, finding->reason);
        matches += finding->result == result ? 1 : 0;
    }
    return matches;
}

static gboolean as_expected(const PosternFindings *findings, const char *expected)
{
    guint passed = count(findings, POSTERN_DKIM_PASS);
    if (g_str_has_prefix(expected, "none"))
        return findings->dkim.signatures->len == 0;
    if (strcmp(expected, "pass") == 0)
        return passed > 0;
    g_assert_true(g_str_has_prefix(expected, "not-pass") || strcmp(expected, "invalid") == 0);
    return findings->dkim.signatures->len > 0 && passed == 0;
}

static void test_corpus(void)
{
    g_autoptr(PosternAnswersFile) zone = load_zone("dkim/corpus-zone.json");
    g_autofree char *list = shared_data_path("dkim/corpus-cases.json");
    g_auto(GStrv) cases = shared_data_convert("shared_json.py", "cases", list);
    guint wrong = 0;
    g_assert_cmpuint(g_strv_length(cases), ==, 36);
    for (guint i = 0; cases[i] != NULL; i++) {
        g_auto(GStrv) words = g_strsplit(cases[i], "\t", 2);
        g_autofree char *part = g_build_filename("dkim", words[0], NULL);
        g_autofree char *path = shared_data_path(part);
        g_assert_nonnull(path);
        g_test_message("%s: %s", words[0], words[1]);
        g_autoptr(PosternFindings) findings = verify(path, zone, CORPUS_NOW);
        if (!as_expected(findings, words[1])) {
            g_test_message("WRONG");
            wrong++;
        }
    }
    g_assert_cmpuint(wrong, ==, 0);
}

static void test_samples(void)
{
    static const struct {
        const char *part;
        guint signatures;
        guint passed;
    } cases[] = {
        {"dkim/rfc8463-example.msg", 2, 2},
        {"dkim/rfc6376.signed.msg", 2, 2},
        {"dkim/rfc6376.signed.rsa.msg", 1, 1},
        {"dkim/rfc6376.msg", 0, 0},
    };
    g_autoptr(PosternAnswersFile) zone = load_zone("dkim/zone.json");
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = shared_data_path(cases[i].part);
        if (path == NULL) {
            g_test_incomplete(cases[i].part);
            continue;
        }
        g_test_message("%s", cases[i].part);
        g_autoptr(PosternFindings) findings = verify(path, zone, SAMPLE_NOW);
        g_assert_cmpuint(findings->dkim.signatures->len, ==, cases[i].signatures);
        g_assert_cmpuint(count(findings, POSTERN_DKIM_PASS), ==, cases[i].passed);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_autofree char *path = shared_data_path("dkim/corpus-cases.json");
    if (path == NULL)
        return shared_data_skip("dkim");
    g_test_add_func("/dkim-corpus/cases", test_corpus);
    g_test_add_func("/dkim-corpus/samples", test_samples);
    return g_test_run();
}
