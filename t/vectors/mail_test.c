/*
 * All checks over published mail: wanted messages are never a virus, never unscannable, and never have an
 * ambiguous header, and no default content rule holds; the EICAR messages are found, and nothing crashes.
 */
#include "checks/check.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "support/content.h"
#include "support/rules.h"
#include "unit/virus_fixture.h"
#include "vectors/shared_data.h"

#define NOW G_GINT64_CONSTANT(1750000000)

typedef struct {
    PosternVirusEngine *virus;
    PosternDkimEngine *dkim;
    PosternContentEngine *content;
    PosternRulesEngine *rules;
    char *temporary;
    char *signatures_file;
    guint results[POSTERN_VIRUS_NO_SIGNATURES + 1]; /* by PosternVirusResult */
    guint messages;
    guint signatures;
    guint attachments;
    guint rule_matches;
} Checks;

static Checks set_up(void)
{
    Checks checks = {NULL};
    g_autoptr(GError) error = NULL;
    g_autofree char *warning = NULL;
    guint count;
    checks.signatures_file = g_strdup_printf("%s/postern-mail-test-%d.ndb", g_get_tmp_dir(), (int)getpid());
    g_assert_true(g_file_set_contents(checks.signatures_file, VIRUS_SIGNATURE, -1, &error));
    checks.content = postern_content_engine_new();
    PosternVirusOptions options = {.database = checks.signatures_file,
                                   .content = checks.content,
                                   .scan_octets = 64 * 1024 * 1024,
                                   .scan_timeout_ms = 60000};
    checks.virus = postern_virus_engine_new(&options, &count, &warning, &error);
    g_assert_no_error(error);
    checks.dkim = postern_dkim_engine_new(FALSE);
    checks.rules = rules_engine_of(NULL, checks.content);
    checks.temporary = g_dir_make_tmp("postern-test-XXXXXX", &error);
    g_assert_no_error(error);
    return checks;
}

static void tear_down(Checks *checks)
{
    postern_virus_engine_free(checks->virus);
    postern_dkim_engine_free(checks->dkim);
    postern_rules_engine_free(checks->rules);
    postern_content_engine_free(checks->content);
    g_assert_cmpint(g_rmdir(checks->temporary), ==, 0);
    g_assert_cmpint(g_unlink(checks->signatures_file), ==, 0);
    g_free(checks->temporary);
    g_free(checks->signatures_file);
}

/* DKIM where the DNS knows nothing. */
static void check_signatures(Checks *checks, const GString *message, PosternFindings *findings)
{
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autoptr(PosternHeader) header = postern_header_parse(message->str, message->len);
    postern_check_dkim_questions(header, answers);
    GPtrArray *questions = postern_answers_questions(answers);
    while (questions->len > 0) {
        g_autoptr(PosternQuestion) question = postern_question_copy(g_ptr_array_index(questions, 0));
        postern_answers_add(answers, question, postern_answer_new(POSTERN_ANSWER_NXDOMAIN));
    }
    g_assert_cmpint(
        postern_check_dkim(checks->dkim, message->str, message->len, header, NOW, answers, findings), ==, 1);
    for (guint i = 0; i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(findings->dkim.signatures, i);
        g_assert_cmpint(finding->result, !=, POSTERN_DKIM_PASS);
    }
}

/* Below the "From " line that a mailbox has before each message. */
static void check_header(const char *path, const GString *message)
{
    const char *start = message->str;
    if (g_str_has_prefix(start, "From "))
        start = strchr(start, '\n') + 1;
    g_autoptr(PosternHeader) header =
        postern_header_parse(start, message->len - (gsize)(start - message->str));
    g_autofree char *problem = postern_header_problem(header);
    if (problem != NULL)
        g_error("%s: %s", path, problem);
}

static PosternVirusResult check_file(Checks *checks, const char *path)
{
    GString *message = shared_data_message(path);
    g_autoptr(PosternFindings) findings = postern_findings_new();
    postern_check_virus(checks->virus, message->str, message->len, checks->temporary, &findings->virus);
    content_check(checks->content, message->str, message->len, findings);
    check_signatures(checks, message, findings);
    check_header(path, message);
    g_autoptr(PosternFindings) ruled =
        rules_check(checks->rules, checks->content, message->str, message->len);
    checks->rule_matches += ruled->rules.matches->len + (ruled->rules.undecided != NULL);
    if (findings->virus.result > POSTERN_VIRUS_CLEAN)
        g_test_message("%s: %s %s %s", path, postern_virus_result_name(findings->virus.result),
                       findings->virus.name, findings->virus.reason);
    checks->results[findings->virus.result]++;
    checks->messages++;
    checks->signatures += findings->dkim.signatures->len;
    checks->attachments += findings->content.count;
    g_string_free(message, TRUE);
    return findings->virus.result;
}

static void check_folder(Checks *checks, const char *part)
{
    g_autofree char *folder = shared_data_path(part);
    g_autoptr(GDir) list = g_dir_open(folder, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(list)) != NULL) {
        g_autofree char *path = g_build_filename(folder, name, NULL);
        if (!g_str_has_suffix(name, ".json") && !g_str_has_suffix(name, ".ndb") &&
            strstr(name, "LICENSE") == NULL && !g_file_test(path, G_FILE_TEST_IS_DIR))
            check_file(checks, path);
    }
}

static void test_wanted(void)
{
    static const char *const parts[] = {"mail/ham", "mail/mime", "mail", "dkim", "dkim/corpus"};
    Checks checks = set_up();
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++)
        check_folder(&checks, parts[i]);
    g_test_message(
        "%u messages, %u signatures, %u attachments; clean %u, infected %u, unscannable %u, error %u",
        checks.messages, checks.signatures, checks.attachments, checks.results[POSTERN_VIRUS_CLEAN],
        checks.results[POSTERN_VIRUS_INFECTED], checks.results[POSTERN_VIRUS_UNSCANNABLE],
        checks.results[POSTERN_VIRUS_ERROR]);
    g_assert_cmpuint(checks.messages, >=, 350);
    g_assert_cmpuint(checks.results[POSTERN_VIRUS_CLEAN], ==, checks.messages);
    g_assert_cmpuint(checks.rule_matches, ==, 0);
    tear_down(&checks);
}

static void test_eicar(void)
{
    static const struct {
        const char *part;
        PosternVirusResult wanted;
    } cases[] = {
        {"virus/plain-body.eml", POSTERN_VIRUS_INFECTED},
        {"virus/base64-attachment.eml", POSTERN_VIRUS_INFECTED},
        {"virus/zip.eml", POSTERN_VIRUS_INFECTED},
        {"virus/clean-control.eml", POSTERN_VIRUS_CLEAN},
    };
    Checks checks = set_up();
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = shared_data_path(cases[i].part);
        g_assert_nonnull(path);
        g_assert_cmpint(check_file(&checks, path), ==, cases[i].wanted);
    }
    tear_down(&checks);
}

int main(int argc, char **argv)
{
    static const char *const needed[] = {"mail/ham", "mail/mime", "dkim/corpus", "virus"};
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(needed); i++) {
        g_autofree char *path = shared_data_path(needed[i]);
        if (path == NULL)
            return shared_data_skip(needed[i]);
    }
    g_test_add_func("/mail/wanted", test_wanted);
    g_test_add_func("/mail/eicar", test_eicar);
    return g_test_run();
}
