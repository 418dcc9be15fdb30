#include "checks/rules/parser.h"

#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/limits.h"
#include "base/span.h"
#include "base/suggestion.h"

#define SHOWN_OCTETS 80

static const char *const action_words[] = {"log", "mark", "quarantine", "discard", "reject", NULL};
static const PosternAction actions[] = {POSTERN_ACTION_ACCEPT, POSTERN_ACTION_MARK, POSTERN_ACTION_QUARANTINE,
                                        POSTERN_ACTION_DISCARD, POSTERN_ACTION_REJECT};

gboolean postern_rules_refuse(PosternRulesParser *parser, const char *place, const char *format, ...)
{
    va_list arguments;
    if (parser->problem_count++ >= POSTERN_RULE_DIAGNOSTICS_MAX)
        return FALSE;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_string_append_printf(parser->problems, "%s%s:%u:%u: %s", parser->problems->len > 0 ? "\n" : "",
                           parser->name, parser->line, (guint)(place - parser->line_start) + 1, text);
    return FALSE;
}

static char *shown(const char *text)
{
    return postern_escape(text, strlen(text), SHOWN_OCTETS);
}

/* What was written in the place of one of words. */
gboolean postern_rules_refuse_word(PosternRulesParser *parser, const char *place, const char *word,
                                   const char *what, const char *const *words)
{
    g_autofree char *escaped = shown(word);
    g_autofree char *list = g_strjoinv(", ", (char **)(guintptr)words);
    const char *suggestion = postern_suggestion_for_name(word, words);
    if (suggestion != NULL)
        return postern_rules_refuse(parser, place, "unknown %s '%s'; did you mean %s?", what, escaped,
                                    suggestion);
    return postern_rules_refuse(parser, place, "unknown %s '%s'; there are: %s", what, escaped, list);
}

void postern_rules_value_clear(PosternRuleValue *value)
{
    g_clear_pointer(&value->text, g_free);
}

static void condition_clear(gpointer data)
{
    PosternRuleCondition *condition = data;
    g_free(condition->field);
    g_clear_pointer(&condition->patterns, g_ptr_array_unref);
}

static void rule_free(gpointer data)
{
    PosternContentRule *rule = data;
    g_free(rule->name);
    g_free(rule->reply);
    g_ptr_array_unref(rule->exempt);
    g_array_unref(rule->conditions);
    g_free(rule);
}

static gboolean at_end(PosternRulesParser *parser)
{
    while (parser->place < parser->end && postern_is_blank(*parser->place))
        parser->place++;
    return parser->place == parser->end;
}

static gboolean take_flags(PosternRulesParser *parser, PosternPatternFlags *flags)
{
    for (; parser->place < parser->end && !postern_is_blank(*parser->place); parser->place++) {
        switch (*parser->place) {
        case 'i':
            flags->case_sensitive = TRUE;
            break;
        case 'm':
            flags->multi_line = TRUE;
            break;
        case 's':
            flags->dot_stops = TRUE;
            break;
        case 'x':
            flags->extended = TRUE;
            break;
        default:
            return postern_rules_refuse(
                parser, parser->place,
                "behind the second '/' there may be the letters i, m, s and x; write a '/' within the "
                "expression as \\/");
        }
    }
    return TRUE;
}

/* What is between two delimiters; a backslash keeps the next octet from ending it. */
static gboolean take_delimited(PosternRulesParser *parser, PosternRuleValue *value, char delimiter)
{
    GString *text = g_string_new(NULL);
    parser->place++;
    for (; parser->place < parser->end && *parser->place != delimiter; parser->place++) {
        gboolean escapes = *parser->place == '\\' && parser->place + 1 < parser->end;
        if (escapes && (delimiter == '/' ? parser->place[1] != '/' : FALSE))
            g_string_append_c(text, *parser->place);
        if (escapes)
            parser->place++;
        g_string_append_c(text, *parser->place);
    }
    value->text = g_string_free(text, FALSE);
    if (parser->place == parser->end)
        return postern_rules_refuse(parser, value->place, "there is no second '%c' in this line", delimiter);
    parser->place++;
    return TRUE;
}

/* The next value; there is one. FALSE: it is wrong. */
static gboolean take_value(PosternRulesParser *parser, PosternRuleValue *value)
{
    *value = (PosternRuleValue){.place = parser->place};
    if (*parser->place == '"') {
        value->quoted = TRUE;
        if (!take_delimited(parser, value, '"'))
            return FALSE;
        return parser->place == parser->end || postern_is_blank(*parser->place) ||
               postern_rules_refuse(parser, parser->place, "put a blank behind the second '\"'");
    }
    if (*parser->place == '/') {
        value->expression = TRUE;
        return take_delimited(parser, value, '/') && take_flags(parser, &value->flags);
    }
    while (parser->place < parser->end && !postern_is_blank(*parser->place))
        parser->place++;
    value->text = g_strndup(value->place, (gsize)(parser->place - value->place));
    return TRUE;
}

/* What would be part of a value by mistake. */
static gboolean check_word(PosternRulesParser *parser, const PosternRuleValue *value)
{
    if (value->quoted || value->expression)
        return TRUE;
    if (value->text[0] == '#')
        return postern_rules_refuse(
            parser, value->place,
            "a comment stands on a line of its own; a value that begins with '#' needs "
            "quotes");
    if (g_str_has_suffix(value->text, ","))
        return postern_rules_refuse(
            parser, value->place,
            "separate values by blanks, without commas; a value that ends with a comma "
            "needs quotes");
    return TRUE;
}

static const char *const keywords[] = {"name",       "type",   "sniffed", "contents", "disguise",  "place",
                                       "size",       "header", "text",    "link",     "link-host", "files",
                                       "files-size", "reply",  "exempt",  NULL};

/* All that follows in the line, in quotes or not. */
static gboolean take_reply(PosternRulesParser *parser, const char *keyword)
{
    const char *start = parser->place;
    gsize length = (gsize)(parser->end - start);
    while (length > 0 && postern_is_blank(start[length - 1]))
        length--;
    if (length >= 2 && *start == '"' && start[length - 1] == '"') {
        start++;
        length -= 2;
    }
    for (gsize i = 0; i < length; i++)
        if (start[i] < ' ' || start[i] > '~')
            return postern_rules_refuse(parser, start + i, "a reply is printable ASCII (RFC 5321 4.2)");
    if (length > POSTERN_RULE_REPLY_MAX_OCTETS)
        return postern_rules_refuse(parser, start, "a reply has at most %d octets",
                                    POSTERN_RULE_REPLY_MAX_OCTETS);
    if (parser->rule->reply != NULL)
        return postern_rules_refuse(parser, keyword, "there is a reply already");
    parser->rule->reply = g_strndup(start, length);
    parser->place = parser->end;
    return TRUE;
}

static gboolean take_exempt(PosternRulesParser *parser)
{
    while (!at_end(parser)) {
        g_auto(PosternRuleValue) value = {NULL};
        if (!take_value(parser, &value) || !check_word(parser, &value))
            return FALSE;
        if (strlen(value.text) > POSTERN_POLICY_NAME_MAX_OCTETS || value.expression)
            return postern_rules_refuse(parser, value.place,
                                        "this is not the name of a policy; '-' is [policy] itself");
        if (parser->rule->exempt->len >= POSTERN_RULE_EXEMPT_MAX)
            return postern_rules_refuse(parser, value.place, "a rule has at most %d such policies",
                                        POSTERN_RULE_EXEMPT_MAX);
        g_ptr_array_add(parser->rule->exempt, g_steal_pointer(&value.text));
    }
    return TRUE;
}

static gboolean take_condition(PosternRulesParser *parser, PosternRuleSubject subject, gboolean negated)
{
    PosternRuleCondition condition = {.subject = subject, .negated = negated, .maximum = G_MAXUINT64};
    g_array_append_val(parser->rule->conditions, condition);
    parser->condition =
        &g_array_index(parser->rule->conditions, PosternRuleCondition, parser->rule->conditions->len - 1);
    const char *start = parser->place;
    for (guint count = 0; !at_end(parser); count++) {
        g_auto(PosternRuleValue) value = {NULL};
        if (count == POSTERN_RULE_VALUES_MAX)
            return postern_rules_refuse(parser, parser->place, "there are more than %d values",
                                        POSTERN_RULE_VALUES_MAX);
        if (!take_value(parser, &value) || !check_word(parser, &value) ||
            !postern_rules_take_value(parser, &value))
            return FALSE;
    }
    if (parser->condition->field != NULL && parser->condition->patterns == NULL)
        return postern_rules_refuse(parser, start,
                                    "behind the name of the field there must be a word or /expression/");
    return TRUE;
}

/* "KEYWORD VALUE…", or "not KEYWORD VALUE…". */
static gboolean take_clause(PosternRulesParser *parser)
{
    g_auto(PosternRuleValue) word = {NULL};
    const char *place = parser->place;
    if (!take_value(parser, &word))
        return FALSE;
    gboolean negated = g_str_equal(word.text, "not") && !at_end(parser);
    if (negated) {
        place = parser->place;
        postern_rules_value_clear(&word);
        if (!take_value(parser, &word))
            return FALSE;
    }
    if (!g_strv_contains(keywords, word.text))
        return postern_rules_refuse_word(parser, place, word.text, "condition", keywords);
    if (at_end(parser))
        return postern_rules_refuse(parser, parser->place, "'%s' must be followed by something", word.text);
    if (!negated && g_str_equal(word.text, "reply"))
        return take_reply(parser, place);
    if (!negated && g_str_equal(word.text, "exempt"))
        return take_exempt(parser);
    for (PosternRuleSubject subject = 0; subject < POSTERN_RULE_SUBJECTS; subject++)
        if (g_str_equal(postern_rule_subject_name(subject), word.text))
            return take_condition(parser, subject, negated);
    return postern_rules_refuse(parser, place, "'not' stands before a condition only");
}

static gboolean is_name(const char *text)
{
    gsize length = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
    return length > 0 && text[length] == '\0' && length <= POSTERN_RULE_NAME_MAX_OCTETS;
}

static gboolean take_name(PosternRulesParser *parser, const PosternRuleValue *name)
{
    if (!is_name(name->text))
        return postern_rules_refuse(
            parser, name->place, "a rule begins with its name: at most %d letters, digits, '-', '_' and '.'",
            POSTERN_RULE_NAME_MAX_OCTETS);
    if (g_hash_table_contains(parser->names, name->text))
        return postern_rules_refuse(parser, name->place, "there is already a rule %s in this file",
                                    name->text);
    if (parser->rules->len >= POSTERN_RULES_MAX)
        return postern_rules_refuse(parser, name->place, "there are more than %d rules", POSTERN_RULES_MAX);
    return TRUE;
}

static gboolean take_action(PosternRulesParser *parser, const PosternRuleValue *word,
                            PosternAction *ret_action)
{
    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++)
        if (g_str_equal(action_words[i], word->text)) {
            *ret_action = actions[i];
            return TRUE;
        }
    if (g_str_equal(word->text, "tempfail"))
        return postern_rules_refuse(
            parser, word->place,
            "what a message holds is the same at every retry: say reject, quarantine, mark or log");
    return postern_rules_refuse_word(parser, word->place, word->text, "action", action_words);
}

/* A rule with conditions that could not be read would hold for more than it was meant for. */
static gboolean begin_rule(PosternRulesParser *parser)
{
    g_auto(PosternRuleValue) name = {NULL};
    g_auto(PosternRuleValue) action = {NULL};
    PosternAction taken = POSTERN_ACTION_ACCEPT;
    parser->rule = NULL;
    if (!take_value(parser, &name) || !take_name(parser, &name))
        return FALSE;
    if (at_end(parser))
        return postern_rules_refuse(parser, parser->place,
                                    "after the name of a rule its action is missing: reject, quarantine, "
                                    "discard, mark or log");
    if (!take_value(parser, &action) || !take_action(parser, &action, &taken))
        return FALSE;
    PosternContentRule *rule = g_new0(PosternContentRule, 1);
    rule->name = g_steal_pointer(&name.text);
    rule->action = taken;
    rule->line = parser->line;
    rule->exempt = g_ptr_array_new_with_free_func(g_free);
    rule->conditions = g_array_new(FALSE, FALSE, sizeof(PosternRuleCondition));
    g_array_set_clear_func(rule->conditions, condition_clear);
    g_ptr_array_add(parser->rules, rule);
    g_hash_table_add(parser->names, rule->name);
    parser->rule = rule;
    return TRUE;
}

static void take_line(PosternRulesParser *parser)
{
    gboolean goes_on = postern_is_blank(*parser->place);
    if (at_end(parser) || *parser->place == '#')
        return;
    if (!goes_on && !begin_rule(parser))
        return;
    if (goes_on && parser->rules->len == 0 && parser->problem_count == 0)
        postern_rules_refuse(parser, parser->place,
                             "a line that begins with white space goes on with a rule, and there is none");
    if (parser->rule != NULL && !at_end(parser))
        (void)take_clause(parser);
}

static void check_rules(PosternRulesParser *parser)
{
    for (guint i = 0; parser->problem_count == 0 && i < parser->rules->len; i++) {
        const PosternContentRule *rule = g_ptr_array_index(parser->rules, i);
        parser->line = rule->line;
        if (rule->conditions->len == 0)
            postern_rules_refuse(
                parser, parser->line_start,
                "rule %s has no condition, and would hold for every message; put one below it, in a line "
                "that "
                "begins with a blank",
                rule->name);
    }
}

static void parse_lines(PosternRulesParser *parser, const char *text, gsize length)
{
    const char *end = text + length;
    for (parser->line_start = text; parser->line_start < end;) {
        const char *newline = memchr(parser->line_start, '\n', (gsize)(end - parser->line_start));
        const char *next = newline != NULL ? newline + 1 : end;
        parser->line++;
        parser->place = parser->line_start;
        parser->end = newline != NULL ? newline : end;
        if (parser->end > parser->place && parser->end[-1] == '\r')
            parser->end--;
        gsize octets = (gsize)(parser->end - parser->place);
        const char *wrong = NULL;
        if (!g_utf8_validate_len(parser->place, octets, &wrong))
            postern_rules_refuse(parser, wrong,
                                 "this is not UTF-8; expressions may have \\x{…} for such characters");
        else if (octets > 0)
            take_line(parser);
        parser->line_start = next;
    }
    parser->line_start = text;
    check_rules(parser);
}

GPtrArray *postern_rules_parse(const char *text, gsize length, const char *name, GError **error)
{
    g_autoptr(GPtrArray) rules = g_ptr_array_new_with_free_func(rule_free);
    g_autoptr(GHashTable) names = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GString) problems = g_string_new(NULL);
    PosternRulesParser parser = {.name = name, .rules = rules, .names = names, .problems = problems};
    if (length > POSTERN_RULES_FILE_MAX_OCTETS) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "%s: larger than %d octets", name,
                    POSTERN_RULES_FILE_MAX_OCTETS);
        return NULL;
    }
    parse_lines(&parser, text, length);
    if (parser.problem_count == 0)
        return g_steal_pointer(&rules);
    if (parser.problem_count > POSTERN_RULE_DIAGNOSTICS_MAX)
        g_string_append_printf(problems, "\n%s: and %u more mistakes", name,
                               parser.problem_count - POSTERN_RULE_DIAGNOSTICS_MAX);
    g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, problems->str);
    return NULL;
}
