/*
 * A file of content rules: any octets; a rule that comes out has what it must have, and the errors name a
 * line.
 */
#include <glib.h>
#include <stdint.h>
#include <string.h>

#include "base/limits.h"
#include "checks/rules/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_condition(const PosternRuleCondition *condition)
{
    g_assert_cmpuint(condition->subject, <, POSTERN_RULE_SUBJECTS);
    g_assert_true((condition->subject == POSTERN_RULE_HEADER) == (condition->field != NULL));
    g_assert_true(condition->patterns != NULL || condition->mask != 0 || condition->minimum > 0 ||
                  condition->maximum < G_MAXUINT64);
    for (guint i = 0; condition->patterns != NULL && i < condition->patterns->len; i++) {
        const char *literal = postern_pattern_literal(g_ptr_array_index(condition->patterns, i));
        g_assert_true(literal == NULL || (strlen(literal) >= 2 && g_str_is_ascii(literal)));
    }
}

static void check_rule(const PosternContentRule *rule)
{
    g_assert_cmpuint(strlen(rule->name), <=, POSTERN_RULE_NAME_MAX_OCTETS);
    g_assert_cmpint(rule->action, !=, POSTERN_ACTION_TEMPFAIL);
    g_assert_cmpuint(rule->conditions->len, >, 0);
    g_assert_cmpuint(rule->exempt->len, <=, POSTERN_RULE_EXEMPT_MAX);
    g_assert_true(rule->reply == NULL || strlen(rule->reply) <= POSTERN_RULE_REPLY_MAX_OCTETS);
    for (guint i = 0; i < rule->conditions->len; i++)
        check_condition(&g_array_index(rule->conditions, PosternRuleCondition, i));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_memdup2(data, MAX(size, 1));
    g_autoptr(GPtrArray) rules = postern_rules_parse(text, size, "table", &error);
    g_assert_true((rules == NULL) == (error != NULL));
    if (error != NULL)
        g_assert_true(g_str_has_prefix(error->message, "table:"));
    for (guint i = 0; rules != NULL && i < rules->len; i++)
        check_rule(g_ptr_array_index(rules, i));
    return 0;
}
