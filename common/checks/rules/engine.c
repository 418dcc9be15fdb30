#include "checks/rules/engine.h"
#include "mail/fingerprint.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "checks/rules/contents.h"
#include "checks/rules/default_rules.h" /* made of default.rules by CMake */
#include "checks/rules/finding.h"
#include "checks/rules/html.h"

#define DEFAULT_NAME "the default rules"

static gboolean check_exempt(const GPtrArray *rules, GHashTable *policies, const char *name, GError **error)
{
    for (guint i = 0; policies != NULL && i < rules->len; i++) {
        const PosternContentRule *rule = g_ptr_array_index(rules, i);
        for (guint j = 0; j < rule->exempt->len; j++) {
            const char *policy = g_ptr_array_index(rule->exempt, j);
            if (g_str_equal(policy, POSTERN_RULE_POLICY_ITSELF) || g_hash_table_contains(policies, policy))
                continue;
            return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                     "%s:%u: rule %s exempts '%s', and there is no group [policy %s]", name,
                                     rule->line, rule->name, policy, policy);
        }
    }
    return TRUE;
}

static gboolean add_file(PosternRulesEngine *engine, const char *text, gsize length, const char *name,
                         GHashTable *policies, GError **error)
{
    GPtrArray *rules = postern_rules_parse(text, length, name, error);
    if (rules == NULL)
        return FALSE;
    g_ptr_array_add(engine->files, rules);
    return check_exempt(rules, policies, name, error);
}

static gboolean add_defaults(PosternRulesEngine *engine, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(default_rules); i++)
        g_string_append(text, default_rules[i]);
    return add_file(engine, text->str, text->len, DEFAULT_NAME, NULL, error);
}

static gboolean read_file(PosternRulesEngine *engine, const char *path, GHashTable *policies, GError **error)
{
    g_autofree char *text = NULL;
    gsize length = 0;
    g_autoptr(GError) problem = NULL;
    if (access(path, R_OK) != 0)
        return postern_error_set_system(error, errno, "[content] rules: reading %s", path);
    if (!g_file_get_contents(path, &text, &length, &problem))
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "[content] rules: %s", problem->message);
    return add_file(engine, text, length, path, policies, error);
}

/* Of the rules of one name the last counts, at the place of the first. */
static void join_files(PosternRulesEngine *engine)
{
    g_autoptr(GHashTable) places = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; i < engine->files->len; i++) {
        const GPtrArray *file = g_ptr_array_index(engine->files, i);
        for (guint j = 0; j < file->len; j++) {
            PosternContentRule *rule = g_ptr_array_index(file, j);
            gpointer place = NULL;
            if (g_hash_table_lookup_extended(places, rule->name, NULL, &place)) {
                engine->rules->pdata[GPOINTER_TO_UINT(place)] = rule;
            } else {
                g_hash_table_insert(places, rule->name, GUINT_TO_POINTER(engine->rules->len));
                g_ptr_array_add(engine->rules, rule);
            }
        }
    }
}

static void add_condition(PosternRulesEngine *engine, guint rule, const PosternRuleCondition *condition)
{
    guint number = engine->conditions->len;
    const PosternNumberedCondition numbered = {rule, condition};
    g_array_append_val(engine->conditions, numbered);
    engine->subjects[condition->subject]++;
    if (condition->subject == POSTERN_RULE_FILE_CONTENTS)
        engine->contents |= condition->mask;
    if (condition->field != NULL)
        g_hash_table_add(engine->fields, g_ascii_strdown(condition->field, -1));
    for (guint i = 0; condition->patterns != NULL && i < condition->patterns->len; i++)
        postern_pattern_set_add(engine->sets[condition->subject], g_ptr_array_index(condition->patterns, i),
                                number);
}

static int compare_subjects(gconstpointer a, gconstpointer b)
{
    const PosternRuleCondition *first = a, *second = b;
    return (int)first->subject - (int)second->subject;
}

static void number_conditions(PosternRulesEngine *engine)
{
    for (guint i = 0; i < engine->rules->len; i++) {
        const PosternContentRule *rule = g_ptr_array_index(engine->rules, i);
        g_array_append_val(engine->first_conditions, engine->conditions->len);
        g_array_sort(rule->conditions, compare_subjects);
        if (postern_rule_subject_is_file(g_array_index(rule->conditions, PosternRuleCondition, 0).subject))
            g_array_append_val(engine->file_rules, i);
        for (guint j = 0; j < rule->conditions->len; j++)
            add_condition(engine, i, &g_array_index(rule->conditions, PosternRuleCondition, j));
    }
}

/* Its tables are read now; what it would open other files for is off. */
static gboolean load_magic(PosternRulesEngine *engine, GError **error)
{
    engine->magic =
        magic_open(MAGIC_MIME_TYPE | MAGIC_NO_CHECK_COMPRESS | MAGIC_NO_CHECK_TAR | MAGIC_NO_CHECK_APPTYPE |
                   MAGIC_NO_CHECK_ELF | MAGIC_NO_CHECK_TOKENS | MAGIC_NO_CHECK_CSV | MAGIC_NO_CHECK_JSON);
    if (engine->magic != NULL && magic_load(engine->magic, NULL) == 0)
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_UNAVAILABLE,
                             "libmagic, which a rule with 'sniffed' needs, could not be loaded: %s",
                             engine->magic != NULL ? magic_error(engine->magic) : "no memory");
}

static gboolean make_ready(PosternRulesEngine *engine, GError **error)
{
    for (guint i = 0; i < POSTERN_RULE_SUBJECTS; i++)
        postern_pattern_set_make_ready(engine->sets[i]);
    postern_html_prepare();
    return engine->subjects[POSTERN_RULE_FILE_SNIFFED] == 0 || load_magic(engine, error);
}

PosternRulesEngine *postern_rules_engine_new(const PosternRulesOptions *options, GError **error)
{
    PosternRulesEngine *engine = g_new0(PosternRulesEngine, 1);
    engine->files = g_ptr_array_new_with_free_func((GDestroyNotify)g_ptr_array_unref);
    engine->rules = g_ptr_array_new();
    engine->file_rules = g_array_new(FALSE, FALSE, sizeof(guint));
    engine->first_conditions = g_array_new(FALSE, FALSE, sizeof(guint));
    engine->conditions = g_array_new(FALSE, FALSE, sizeof(PosternNumberedCondition));
    engine->fields = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    engine->content = options->content;
    for (guint i = 0; i < POSTERN_RULE_SUBJECTS; i++)
        engine->sets[i] = postern_pattern_set_new();
    gboolean has_file = options->file != NULL && options->file[0] != '\0';
    gboolean read = (!options->defaults || add_defaults(engine, error)) &&
                    (!has_file || read_file(engine, options->file, options->policies, error));
    if (read) {
        join_files(engine);
        number_conditions(engine);
    }
    if (!read || (options->content != NULL && !make_ready(engine, error)))
        g_clear_pointer(&engine, postern_rules_engine_free);
    return engine;
}

gboolean postern_rules_engine_reads_trace(const PosternRulesEngine *engine)
{
    GHashTableIter iterator;
    gpointer name = NULL;
    g_hash_table_iter_init(&iterator, engine->fields);
    while (g_hash_table_iter_next(&iterator, &name, NULL))
        if (g_str_equal(name, "*") || postern_fingerprint_is_trace(name, strlen(name)))
            return TRUE;
    return FALSE;
}

void postern_rules_engine_free(PosternRulesEngine *engine)
{
    if (engine == NULL)
        return;
    for (guint i = 0; i < POSTERN_RULE_SUBJECTS; i++)
        postern_pattern_set_free(engine->sets[i]);
    if (engine->magic != NULL)
        magic_close(engine->magic);
    g_hash_table_unref(engine->fields);
    g_array_unref(engine->conditions);
    g_array_unref(engine->first_conditions);
    g_array_unref(engine->file_rules);
    g_ptr_array_unref(engine->rules);
    g_ptr_array_unref(engine->files);
    g_free(engine);
}
