/*
 * The official SPF suite, rfc7208-tests.yml: its cases, and its zones, which answer the questions of an
 * engine round by round.
 */
#pragma once

#include <arpa/inet.h>
#include <string.h>
#include <yaml.h>

#include "base/limits.h"
#include "checks/check.h"
#include "vectors/shared_data.h"

#define SPF_SUITE_CASES 203
#define SPF_SUITE_FILE "spf/rfc7208-tests.yml"
#define SPF_SUITE_CNAMES_MAX 8

typedef struct {
    yaml_document_t document; /* one section: tests and their zone */
    yaml_node_t *zone;
} SpfSuiteSection;

typedef struct {
    SpfSuiteSection *section;
    yaml_node_t *test;
    char *name; /* "section/case" */
} SpfSuiteCase;

typedef int (*SpfEngine)(const PosternEnvelope *envelope, const char *receiver, gint64 now,
                         PosternAnswers *answers, PosternFindings *findings);

static inline const char *spf_suite_text(const yaml_node_t *node)
{
    return node != NULL && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static inline gboolean spf_suite_text_is(const yaml_node_t *node, const char *expected)
{
    return g_strcmp0(spf_suite_text(node), expected) == 0;
}

/* The value of key (case ignored) in a mapping, or NULL. */
static inline yaml_node_t *spf_suite_value_of(SpfSuiteSection *section, const yaml_node_t *mapping,
                                              const char *key)
{
    if (mapping == NULL || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
         pair++)
        if (g_ascii_strcasecmp(spf_suite_text(yaml_document_get_node(&section->document, pair->key)), key) ==
            0)
            return yaml_document_get_node(&section->document, pair->value);
    return NULL;
}

static inline guint spf_suite_item_count(const yaml_node_t *sequence)
{
    return (guint)(sequence->data.sequence.items.top - sequence->data.sequence.items.start);
}

static inline yaml_node_t *spf_suite_item(SpfSuiteSection *section, const yaml_node_t *sequence, guint index)
{
    return yaml_document_get_node(&section->document, sequence->data.sequence.items.start[index]);
}

static inline void spf_suite_append_name(GString *out, const yaml_node_t *node)
{
    g_autofree char *name = g_ascii_strdown(spf_suite_text(node), -1);

    if (g_str_has_suffix(name, "."))
        name[strlen(name) - 1] = '\0';
    g_string_append(out, name);
}

/* A list of strings is one TXT record (RFC 7208 3.3). */
static inline void spf_suite_append_strings(SpfSuiteSection *section, GString *out, const yaml_node_t *node)
{
    if (node->type == YAML_SCALAR_NODE) {
        g_string_append_len(out, (const char *)node->data.scalar.value, (gssize)node->data.scalar.length);
        return;
    }
    for (guint i = 0; i < spf_suite_item_count(node); i++)
        spf_suite_append_strings(section, out, spf_suite_item(section, node, i));
}

static inline void spf_suite_add_record(SpfSuiteSection *section, PosternAnswer *answer, PosternDnsType type,
                                        const yaml_node_t *data)
{
    g_autoptr(GString) octets = g_string_new(NULL);
    guint8 address[16];
    guint16 preference;

    switch (type) {
    case POSTERN_DNS_A:
        g_assert_cmpint(inet_pton(AF_INET, spf_suite_text(data), address), ==, 1);
        g_string_append_len(octets, (const char *)address, 4);
        break;
    case POSTERN_DNS_AAAA:
        g_assert_cmpint(inet_pton(AF_INET6, spf_suite_text(data), address), ==, 1);
        g_string_append_len(octets, (const char *)address, 16);
        break;
    case POSTERN_DNS_MX:
        preference =
            htons((guint16)g_ascii_strtoull(spf_suite_text(spf_suite_item(section, data, 0)), NULL, 10));
        g_string_append_len(octets, (const char *)&preference, sizeof preference);
        spf_suite_append_name(octets, spf_suite_item(section, data, 1));
        break;
    case POSTERN_DNS_TXT:
        spf_suite_append_strings(section, octets, data);
        break;
    default:
        spf_suite_append_name(octets, data);
    }
    g_assert_true(postern_answer_add(answer, octets->str, octets->len));
}

/* TRUE where an entry of a name is TYPE, or stands in for it: SPF for TXT where the name has no TXT of its
 * own. */
static inline yaml_node_t *spf_suite_data_of(SpfSuiteSection *section, const yaml_node_t *entries,
                                             guint index, PosternDnsType type)
{
    yaml_node_t *entry = spf_suite_item(section, entries, index);

    if (type == POSTERN_DNS_TXT) {
        gboolean own = FALSE;

        for (guint i = 0; i < spf_suite_item_count(entries); i++)
            own = own || spf_suite_value_of(section, spf_suite_item(section, entries, i), "TXT") != NULL;
        return spf_suite_value_of(section, entry, own ? "TXT" : "SPF");
    }
    return spf_suite_value_of(section, entry, postern_dns_type_name(type));
}

static inline PosternAnswer *spf_suite_answer_from_zone(SpfSuiteSection *section, const char *name,
                                                        PosternDnsType type, guint depth)
{
    yaml_node_t *entries = spf_suite_value_of(section, section->zone, name);
    g_autoptr(PosternAnswer) answer = postern_answer_new(POSTERN_ANSWER_NODATA);
    g_autoptr(GString) alias = g_string_new(NULL);
    gboolean timeout = FALSE;

    if (entries == NULL)
        return postern_answer_new(POSTERN_ANSWER_NXDOMAIN);
    for (guint i = 0; i < spf_suite_item_count(entries); i++) {
        yaml_node_t *data = spf_suite_data_of(section, entries, i, type);
        yaml_node_t *target = spf_suite_value_of(section, spf_suite_item(section, entries, i), "CNAME");

        timeout = timeout || spf_suite_text_is(spf_suite_item(section, entries, i), "TIMEOUT");
        if (target != NULL)
            spf_suite_append_name(alias, target);
        if (data != NULL && !spf_suite_text_is(data, "NONE"))
            spf_suite_add_record(section, answer, type, data);
    }
    if (answer->records->len > 0)
        return g_steal_pointer(&answer);
    if (timeout)
        return postern_answer_new(POSTERN_ANSWER_TIMEOUT);
    if (alias->len == 0)
        return g_steal_pointer(&answer);
    return depth < SPF_SUITE_CNAMES_MAX ? spf_suite_answer_from_zone(section, alias->str, type, depth + 1)
                                        : postern_answer_new(POSTERN_ANSWER_SERVFAIL);
}

static inline void spf_suite_answer_questions(SpfSuiteSection *section, PosternAnswers *answers)
{
    GPtrArray *noted = postern_answers_questions(answers);

    while (noted->len > 0) {
        const PosternQuestion *question = g_ptr_array_index(noted, 0);

        postern_answers_add(answers, question,
                            spf_suite_answer_from_zone(section, question->name, question->type, 0));
    }
}

static inline gboolean spf_suite_result_is_allowed(SpfSuiteSection *section, const yaml_node_t *allowed,
                                                   PosternSpfResult result)
{
    const char *name = postern_spf_result_name(result);

    if (allowed->type == YAML_SCALAR_NODE)
        return spf_suite_text_is(allowed, name);
    for (guint i = 0; i < spf_suite_item_count(allowed); i++)
        if (spf_suite_text_is(spf_suite_item(section, allowed, i), name))
            return TRUE;
    return FALSE;
}

/* Runs a case by engine; the rounds that it took. */
static inline guint spf_suite_run(const SpfSuiteCase *test, SpfEngine engine, PosternFindings *findings)
{
    PosternEnvelope envelope = {0};
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autofree char *helo = g_strdup(spf_suite_text(spf_suite_value_of(test->section, test->test, "helo")));
    g_autofree char *sender =
        g_strdup(spf_suite_text(spf_suite_value_of(test->section, test->test, "mailfrom")));
    guint rounds = 1;

    g_assert_true(postern_address_parse(
        &envelope.client, spf_suite_text(spf_suite_value_of(test->section, test->test, "host"))));
    envelope.helo = helo;
    envelope.sender = sender;
    while (engine(&envelope, "mx.example.net", 1700000000, answers, findings) == 0) {
        g_assert_cmpuint(++rounds, <=, POSTERN_QUESTION_ROUNDS_MAX);
        spf_suite_answer_questions(test->section, answers);
    }
    return rounds;
}

static inline gboolean spf_suite_result_is_right(const SpfSuiteCase *test, const PosternSpfFinding *finding)
{
    return spf_suite_result_is_allowed(test->section, spf_suite_value_of(test->section, test->test, "result"),
                                       finding->result);
}

/* TRUE where the case names an explanation; *ret_explanation, NULL: the receiver's own. */
static inline gboolean spf_suite_has_explanation(const SpfSuiteCase *test, const char **ret_explanation)
{
    const char *explanation = spf_suite_text(spf_suite_value_of(test->section, test->test, "explanation"));

    *ret_explanation = g_strcmp0(explanation, "DEFAULT") == 0 ? NULL : explanation;
    return explanation != NULL;
}

static inline void spf_suite_section_free(gpointer data)
{
    SpfSuiteSection *section = data;

    yaml_document_delete(&section->document);
    g_free(section);
}

static inline void spf_suite_case_free(gpointer data)
{
    SpfSuiteCase *test = data;

    g_free(test->name);
    g_free(test);
}

static inline void spf_suite_add_section(SpfSuiteSection *section, GPtrArray *cases)
{
    yaml_node_t *root = yaml_document_get_root_node(&section->document);
    yaml_node_t *tests = spf_suite_value_of(section, root, "tests");
    const char *description = spf_suite_text(spf_suite_value_of(section, root, "description"));

    section->zone = spf_suite_value_of(section, root, "zonedata");
    for (yaml_node_pair_t *pair = tests->data.mapping.pairs.start; pair < tests->data.mapping.pairs.top;
         pair++) {
        SpfSuiteCase *test = g_new0(SpfSuiteCase, 1);

        test->section = section;
        test->test = yaml_document_get_node(&section->document, pair->value);
        test->name = g_strdup_printf("%s/%s", description,
                                     spf_suite_text(yaml_document_get_node(&section->document, pair->key)));
        g_ptr_array_add(cases, test);
    }
}

/* The cases, of SpfSuiteCase *, which borrow from *ret_sections; NULL: the suite is not there. */
static inline GPtrArray *spf_suite_load(GPtrArray **ret_sections)
{
    g_autofree char *path = shared_data_path(SPF_SUITE_FILE);
    g_autofree char *octets = NULL;
    g_autoptr(GPtrArray) cases = g_ptr_array_new_with_free_func(spf_suite_case_free);
    yaml_parser_t parser;
    gsize length = 0;

    *ret_sections = g_ptr_array_new_with_free_func(spf_suite_section_free);
    if (path == NULL || !g_file_get_contents(path, &octets, &length, NULL))
        return NULL;
    g_assert_true(yaml_parser_initialize(&parser));
    yaml_parser_set_input_string(&parser, (const unsigned char *)octets, length);
    for (;;) {
        SpfSuiteSection *section = g_new0(SpfSuiteSection, 1);

        if (!yaml_parser_load(&parser, &section->document))
            g_error("line %zu: %s", parser.problem_mark.line + 1, parser.problem);
        g_ptr_array_add(*ret_sections, section);
        if (yaml_document_get_root_node(&section->document) == NULL)
            break;
        spf_suite_add_section(section, cases);
    }
    yaml_parser_delete(&parser);
    g_assert_cmpuint(cases->len, ==, SPF_SUITE_CASES);
    return g_steal_pointer(&cases);
}
