/*
 * The official SPF suite, rfc7208-tests.yml: its zones answer the questions of postern_check_spf, round by
 * round. Each case must give one of its results, and its explanation where it names one.
 */
#include "checks/check.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/limits.h"

#if __has_include(<yaml.h>)
#include <yaml.h>

#define SUITE_CASES 203
#define CNAME_DEPTH_MAX 8

typedef struct {
    yaml_document_t document; /* one section: tests and their zone */
    yaml_node_t *zone;
} Section;

typedef struct {
    Section *section;
    yaml_node_t *test;
} Case;

static const char *text(const yaml_node_t *node)
{
    return node != NULL && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static gboolean text_is(const yaml_node_t *node, const char *expected)
{
    return g_strcmp0(text(node), expected) == 0;
}

/* The value of key (case ignored) in a mapping, or NULL. */
static yaml_node_t *value_of(Section *section, const yaml_node_t *mapping, const char *key)
{
    if (mapping == NULL || mapping->type != YAML_MAPPING_NODE)
        return NULL;
    for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top;
         pair++) {
        if (g_ascii_strcasecmp(text(yaml_document_get_node(&section->document, pair->key)), key) == 0)
            return yaml_document_get_node(&section->document, pair->value);
    }
    return NULL;
}

static guint item_count(const yaml_node_t *sequence)
{
    return (guint)(sequence->data.sequence.items.top - sequence->data.sequence.items.start);
}

static yaml_node_t *item(Section *section, const yaml_node_t *sequence, guint index)
{
    return yaml_document_get_node(&section->document, sequence->data.sequence.items.start[index]);
}

static void append_name(GString *out, const yaml_node_t *node)
{
    g_autofree char *name = g_ascii_strdown(text(node), -1);

    if (g_str_has_suffix(name, "."))
        name[strlen(name) - 1] = '\0';
    g_string_append(out, name);
}

/* A list of strings is one TXT record (RFC 7208 3.3). */
static void append_strings(Section *section, GString *out, const yaml_node_t *node)
{
    if (node->type == YAML_SCALAR_NODE) {
        g_string_append_len(out, (const char *)node->data.scalar.value, (gssize)node->data.scalar.length);
        return;
    }
    for (guint i = 0; i < item_count(node); i++)
        append_strings(section, out, item(section, node, i));
}

static void add_record(Section *section, PosternAnswer *answer, PosternDnsType type, const yaml_node_t *data)
{
    g_autoptr(GString) octets = g_string_new(NULL);
    guint8 address[16];
    guint16 preference;

    switch (type) {
    case POSTERN_DNS_A:
        g_assert_cmpint(inet_pton(AF_INET, text(data), address), ==, 1);
        g_string_append_len(octets, (const char *)address, 4);
        break;
    case POSTERN_DNS_AAAA:
        g_assert_cmpint(inet_pton(AF_INET6, text(data), address), ==, 1);
        g_string_append_len(octets, (const char *)address, 16);
        break;
    case POSTERN_DNS_MX:
        preference = htons((guint16)g_ascii_strtoull(text(item(section, data, 0)), NULL, 10));
        g_string_append_len(octets, (const char *)&preference, sizeof preference);
        append_name(octets, item(section, data, 1));
        break;
    case POSTERN_DNS_TXT:
        append_strings(section, octets, data);
        break;
    default:
        append_name(octets, data);
    }
    g_assert_true(postern_answer_add(answer, octets->str, octets->len));
}

/* TRUE where an entry of a name is TYPE, or stands in for it: SPF for TXT where the name has no TXT of its
 * own. */
static yaml_node_t *data_of(Section *section, const yaml_node_t *entries, guint index, PosternDnsType type)
{
    yaml_node_t *entry = item(section, entries, index);

    if (type == POSTERN_DNS_TXT) {
        gboolean own = FALSE;

        for (guint i = 0; i < item_count(entries); i++)
            own = own || value_of(section, item(section, entries, i), "TXT") != NULL;
        return value_of(section, entry, own ? "TXT" : "SPF");
    }
    return value_of(section, entry, postern_dns_type_name(type));
}

static PosternAnswer *answer_from_zone(Section *section, const char *name, PosternDnsType type, guint depth)
{
    yaml_node_t *entries = value_of(section, section->zone, name);
    g_autoptr(PosternAnswer) answer = postern_answer_new(POSTERN_ANSWER_NODATA);
    g_autoptr(GString) alias = g_string_new(NULL);
    gboolean timeout = FALSE;

    if (entries == NULL)
        return postern_answer_new(POSTERN_ANSWER_NXDOMAIN);
    for (guint i = 0; i < item_count(entries); i++) {
        yaml_node_t *data = data_of(section, entries, i, type);
        yaml_node_t *target = value_of(section, item(section, entries, i), "CNAME");

        timeout = timeout || text_is(item(section, entries, i), "TIMEOUT");
        if (target != NULL)
            append_name(alias, target);
        if (data != NULL && !text_is(data, "NONE"))
            add_record(section, answer, type, data);
    }
    if (answer->records->len > 0)
        return g_steal_pointer(&answer);
    if (timeout)
        return postern_answer_new(POSTERN_ANSWER_TIMEOUT);
    if (alias->len == 0)
        return g_steal_pointer(&answer);
    return depth < CNAME_DEPTH_MAX ? answer_from_zone(section, alias->str, type, depth + 1)
                                   : postern_answer_new(POSTERN_ANSWER_SERVFAIL);
}

static void answer_questions(Section *section, PosternAnswers *answers)
{
    GPtrArray *noted = postern_answers_questions(answers);

    while (noted->len > 0) {
        const PosternQuestion *question = g_ptr_array_index(noted, 0);

        postern_answers_add(answers, question, answer_from_zone(section, question->name, question->type, 0));
    }
}

static gboolean result_is_allowed(Section *section, const yaml_node_t *allowed, PosternSpfResult result)
{
    const char *name = postern_spf_result_name(result);

    if (allowed->type == YAML_SCALAR_NODE)
        return text_is(allowed, name);
    for (guint i = 0; i < item_count(allowed); i++) {
        if (text_is(item(section, allowed, i), name))
            return TRUE;
    }
    return FALSE;
}

static void run_case(gconstpointer data)
{
    const Case *test = data;
    Section *section = test->section;
    PosternEnvelope envelope = {0};
    PosternSpfFinding finding = {0};
    g_autoptr(PosternAnswers) answers = postern_answers_new();
    g_autofree char *helo = g_strdup(text(value_of(section, test->test, "helo")));
    g_autofree char *sender = g_strdup(text(value_of(section, test->test, "mailfrom")));
    const char *explanation = text(value_of(section, test->test, "explanation"));
    guint rounds = 1;

    g_assert_true(postern_address_parse(&envelope.client, text(value_of(section, test->test, "host"))));
    envelope.helo = helo;
    envelope.sender = sender;
    while (postern_check_spf(&envelope, "mx.example.net", 1700000000, answers, &finding) == 0) {
        g_assert_cmpuint(++rounds, <=, POSTERN_QUESTION_ROUNDS_MAX);
        answer_questions(section, answers);
    }
    g_test_message("%s after %u rounds, %s", postern_spf_result_name(finding.result), rounds,
                   finding.problem != NULL ? finding.problem : "no problem");
    g_assert_true(result_is_allowed(section, value_of(section, test->test, "result"), finding.result));
    if (explanation != NULL)
        g_assert_cmpstr(finding.explanation, ==, strcmp(explanation, "DEFAULT") == 0 ? NULL : explanation);
    if (finding.result == POSTERN_SPF_PERMERROR || finding.result == POSTERN_SPF_TEMPERROR)
        g_assert_nonnull(finding.problem);
    g_free(finding.domain);
    g_free(finding.explanation);
    g_free(finding.problem);
}

static guint add_section(Section *section, GPtrArray *cases)
{
    yaml_node_t *root = yaml_document_get_root_node(&section->document);
    yaml_node_t *tests = value_of(section, root, "tests");
    const char *description = text(value_of(section, root, "description"));
    guint count = 0;

    section->zone = value_of(section, root, "zonedata");
    for (yaml_node_pair_t *pair = tests->data.mapping.pairs.start; pair < tests->data.mapping.pairs.top;
         pair++) {
        g_autofree char *path = g_strdup_printf("/spf/rfc7208/%s/%s", description,
                                                text(yaml_document_get_node(&section->document, pair->key)));
        Case *test = g_new0(Case, 1);

        test->section = section;
        test->test = yaml_document_get_node(&section->document, pair->value);
        g_ptr_array_add(cases, test);
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

static char *suite_path(void)
{
    const char *shared = g_getenv("POSTERN_SHARED");
    const char *source = g_getenv("POSTERN_SOURCE");

    if (shared != NULL)
        return g_build_filename(shared, "data", "spf", "rfc7208-tests.yml", NULL);
    return g_build_filename(source != NULL ? source : ".", "..", "shared", "data", "spf", "rfc7208-tests.yml",
                            NULL);
}

int main(int argc, char **argv)
{
    g_autofree char *path = suite_path();
    g_autofree char *octets = NULL;
    g_autoptr(GPtrArray) sections = g_ptr_array_new_with_free_func(section_free);
    g_autoptr(GPtrArray) cases = g_ptr_array_new_with_free_func(g_free);
    gsize length = 0;

    g_test_init(&argc, &argv, NULL);
    if (!g_file_get_contents(path, &octets, &length, NULL)) {
        g_printerr("skipped: there is no %s\n", path);
        return 77;
    }
    g_assert_cmpuint(load_suite(octets, length, sections, cases), ==, SUITE_CASES);
    return g_test_run();
}
#else
int main(void)
{
    g_printerr("skipped: built without libyaml\n");
    return 77;
}
#endif
