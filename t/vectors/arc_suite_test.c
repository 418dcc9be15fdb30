/*
 * The published ARC suite (validation): each message has the result that the suite gives it. Cases that are
 * contested are told and not judged.
 */
#include <stdio.h>
#include <string.h>

#include <glib.h>

#include "checks/check.h"
#include "vectors/shared_data.h"

#define SUITE "arc/arc-draft-validation-tests.yml"
#define SUITE_CASES 170 /* 171 as published; Mail::DKIM's copy lacks one */

#if __has_include(<yaml.h>)
#include <yaml.h>

static const char *const contested[] = {"cv_fail_i1_as_cv_fail", "cv_fail_i2_as1_fail", "cv_fail_i2_as2_fail",
                                        "as_fields_b_512", NULL};

typedef struct {
    yaml_document_t document;
    yaml_node_t *records;
} Section;

typedef struct {
    Section *section;
    const char *name;
    yaml_node_t *test;
} Case;

static const char *text(const yaml_node_t *node)
{
    g_assert_nonnull(node);
    g_assert_cmpint(node->type, ==, YAML_SCALAR_NODE);
    return (const char *)node->data.scalar.value;
}

static yaml_node_t *value_of(Section *section, const yaml_node_t *mapping, const char *key)
{
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
         pair++)
        if (strcmp(text(yaml_document_get_node(&section->document, pair->key)), key) == 0)
            return yaml_document_get_node(&section->document, pair->value);
    return NULL;
}

static PosternAnswer *answer_of(Section *section, const char *name)
{
    yaml_node_t *record = section->records != NULL ? value_of(section, section->records, name) : NULL;
    PosternAnswer *answer =
        postern_answer_new(record != NULL ? POSTERN_ANSWER_NODATA : POSTERN_ANSWER_NXDOMAIN);

    if (record != NULL)
        g_assert_true(postern_answer_add(answer, text(record), record->data.scalar.length));
    return answer;
}

/* Answers what was asked. */
static void answer_questions(Section *section, PosternAnswers *answers)
{
    GPtrArray *questions = postern_answers_questions(answers);

    g_assert_cmpuint(questions->len, >, 0);
    while (questions->len > 0) {
        g_autoptr(PosternQuestion) question = postern_question_copy(g_ptr_array_index(questions, 0));

        postern_answers_add(answers, question, answer_of(section, question->name));
        questions = postern_answers_questions(answers);
    }
}

static PosternArcResult validate(const Case *test, PosternFindings *findings)
{
    g_autoptr(PosternDkimEngine) engine = postern_dkim_engine_new(FALSE);
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_auto(GStrv) lines = g_strsplit(text(value_of(test->section, test->test, "message")), "\n", -1);
    g_autofree char *message = g_strjoinv("\r\n", lines);
    gsize length = strlen(message);
    g_autoptr(PosternHeader) header = postern_header_parse(message, length);

    findings->explain = TRUE;
    if (postern_check_arc_questions(header, answers) == 0)
        answer_questions(test->section, answers);
    g_assert_cmpint(postern_check_arc_questions(header, answers), ==, 1);
    g_assert_cmpint(postern_check_arc(engine, message, length, header, answers, findings), ==, 1);
    return findings->arc.result;
}

static void run_case(gconstpointer data)
{
    const Case *test = data;
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autofree char *expected = g_ascii_strdown(text(value_of(test->section, test->test, "cv")), -1);
    const char *result = postern_arc_result_name(validate(test, findings));

    g_test_message("%s: %s", result, findings->arc.reason != NULL ? findings->arc.reason : "");
    for (guint i = 0; i < findings->steps->len; i++)
        g_test_message("%s", ((PosternStep *)g_ptr_array_index(findings->steps, i))->text);
    if (g_strv_contains(contested, test->name)) {
        g_test_message("contested: the suite says '%s'", g_strstrip(expected));
        return;
    }
    g_assert_cmpstr(result, ==, expected);
    g_assert_cmpuint(findings->arc.sets->len > 0, ==, findings->arc.result == POSTERN_ARC_PASS);
}

static guint add_section(Section *section, GPtrArray *cases)
{
    yaml_node_t *root = yaml_document_get_root_node(&section->document);
    yaml_node_t *tests = value_of(section, root, "tests");
    guint count = 0;

    section->records = value_of(section, root, "txt-records");
    for (yaml_node_pair_t *pair = tests->data.mapping.pairs.start; pair < tests->data.mapping.pairs.top;
         pair++) {
        Case *test = g_new0(Case, 1);
        g_autofree char *path = NULL;

        test->section = section;
        test->name = text(yaml_document_get_node(&section->document, pair->key));
        test->test = yaml_document_get_node(&section->document, pair->value);
        g_ptr_array_add(cases, test);
        path = g_strdup_printf("/arc/suite/%03u-%s", cases->len, test->name);
        g_test_add_data_func(path, test, run_case);
        count++;
    }
    return count;
}

static void section_free(gpointer data)
{
    Section *section = data;

    yaml_document_delete(&section->document);
    g_free(section);
}

static guint load_suite(const char *octets, gsize length, GPtrArray *sections, GPtrArray *cases)
{
    yaml_parser_t parser;
    guint count = 0;

    g_assert_true(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)octets, length);
    for (;;) {
        Section *section = g_new0(Section, 1);

        if (!yaml_parser_load(&parser, &section->document))
            g_error("line %zu: %s", parser.problem_mark.line + 1, parser.problem);
        g_ptr_array_add(sections, section);
        if (yaml_document_get_root_node(&section->document) == NULL)
            break;
        count += add_section(section, cases);
    }
    yaml_parser_delete(&parser);
    return count;
}

int main(int argc, char **argv)
{
    g_autofree char *path = shared_data_path(SUITE);
    g_autofree char *octets = NULL;
    g_autoptr(GPtrArray) sections = g_ptr_array_new_with_free_func(section_free);
    g_autoptr(GPtrArray) cases = g_ptr_array_new_with_free_func(g_free);
    gsize length = 0;

    g_test_init(&argc, &argv, NULL);
    if (path == NULL || !g_file_get_contents(path, &octets, &length, NULL))
        return shared_data_skip(SUITE);
    /* One name stands there twice. */
    g_assert_cmpuint(load_suite(octets, length, sections, cases), >=, SUITE_CASES);
    return g_test_run();
}
#else
int main(void)
{
    g_printerr("skipped: built without libyaml\n");
    return SHARED_DATA_SKIP;
}
#endif
