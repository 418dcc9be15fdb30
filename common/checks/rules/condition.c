#include <string.h>

#include "base/limits.h"
#include "checks/rules/contents.h"
#include "checks/rules/parser.h"

#define KIBIBYTE G_GUINT64_CONSTANT(1024)

static const char *const link_words[] = {"deceptive", "punycode", "address", NULL};
const char *const postern_place_words[] = {"body", "attached", "packed", NULL};

static gboolean add_pattern(PosternRulesParser *parser, const PosternRuleValue *value, gboolean phrases)
{
    g_autoptr(GError) error = NULL;
    gsize offset = 0;
    PosternPattern *pattern = NULL;
    if (value->text[0] == '\0')
        return postern_rules_refuse(parser, value->place,
                                    "there is nothing in it, which would fit everything");
    if (strlen(value->text) > POSTERN_RULE_VALUE_MAX_OCTETS)
        return postern_rules_refuse(parser, value->place, "it is longer than %d octets",
                                    POSTERN_RULE_VALUE_MAX_OCTETS);
    if (value->expression)
        pattern = postern_pattern_new_expression(value->text, value->flags, &offset, &error);
    else if (phrases)
        pattern = postern_pattern_new_phrase(value->text, &error);
    else
        pattern = postern_pattern_new_glob(value->text, &error);
    if (pattern == NULL)
        return postern_rules_refuse(parser,
                                    value->place + MIN(offset + 1, (gsize)(parser->place - value->place)),
                                    "in this expression: %s", error->message);
    if (parser->condition->patterns == NULL)
        parser->condition->patterns = g_ptr_array_new_with_free_func((GDestroyNotify)postern_pattern_free);
    g_ptr_array_add(parser->condition->patterns, pattern);
    return TRUE;
}

static gboolean take_glob(PosternRulesParser *parser, const PosternRuleValue *value)
{
    return add_pattern(parser, value, FALSE);
}

static gboolean take_phrase(PosternRulesParser *parser, const PosternRuleValue *value)
{
    return add_pattern(parser, value, TRUE);
}

static gboolean take_header_value(PosternRulesParser *parser, const PosternRuleValue *value)
{
    if (parser->condition->field != NULL)
        return add_pattern(parser, value, TRUE);
    for (const char *at = value->text; *at != '\0'; at++)
        if (!g_ascii_isgraph(*at) || *at == ':')
            return postern_rules_refuse(parser, value->place,
                                        "the name of a field comes first, without its colon");
    if (value->expression || value->quoted || value->text[0] == '\0')
        return postern_rules_refuse(parser, value->place,
                                    "the name of a field comes first, as in: header Subject /^win/");
    parser->condition->field = g_strdup(value->text);
    return TRUE;
}

static gboolean take_bit(PosternRulesParser *parser, const PosternRuleValue *value, const char *what,
                         const char *const *words)
{
    for (guint i = 0; words[i] != NULL; i++)
        if (g_str_equal(words[i], value->text)) {
            parser->condition->mask |= 1U << i;
            return TRUE;
        }
    return postern_rules_refuse_word(parser, value->place, value->text, what, words);
}

static gboolean take_contents(PosternRulesParser *parser, const PosternRuleValue *value)
{
    if (g_str_equal(value->text, "program")) {
        parser->condition->mask |= POSTERN_CONTENTS_PROGRAM;
        return TRUE;
    }
    return take_bit(parser, value, "kind of contents", postern_contents_words);
}

static gboolean take_disguise(PosternRulesParser *parser, const PosternRuleValue *value)
{
    return take_bit(parser, value, "kind of disguise", postern_disguise_words);
}

static gboolean take_place_word(PosternRulesParser *parser, const PosternRuleValue *value)
{
    return take_bit(parser, value, "place", postern_place_words);
}

static gboolean take_link(PosternRulesParser *parser, const PosternRuleValue *value)
{
    return take_bit(parser, value, "kind of link", link_words);
}

/* ">10", "<2M". */
static gboolean take_bound(PosternRulesParser *parser, const PosternRuleValue *value)
{
    static const char units[] = "KMG";
    char *rest = NULL;
    guint64 factor = 1;
    guint64 number = g_ascii_isdigit(value->text[0]) || value->text[0] == '\0'
                         ? 0
                         : g_ascii_strtoull(value->text + 1, &rest, 10);
    const char *unit = rest != NULL && *rest != '\0' ? strchr(units, g_ascii_toupper(*rest)) : NULL;
    for (const char *at = units; unit != NULL && at <= unit; at++)
        factor *= KIBIBYTE;
    if ((value->text[0] != '>' && value->text[0] != '<') || rest == value->text + 1 || rest == NULL ||
        !g_ascii_isdigit(value->text[1]) || strlen(rest) > (unit != NULL ? 1 : 0) ||
        number > G_MAXINT64 / factor || (value->text[0] == '<' && number == 0))
        return postern_rules_refuse(parser, value->place,
                                    "write '>' or '<' and a number, with K, M or G if you want: >10M");
    if (value->text[0] == '>')
        parser->condition->minimum = number * factor + 1;
    else
        parser->condition->maximum = number * factor - 1;
    return TRUE;
}

/* By PosternRuleSubject. */
static const struct {
    const char *keyword;
    gboolean (*take)(PosternRulesParser *parser, const PosternRuleValue *value);
} subjects[] = {
    [POSTERN_RULE_FILE_NAME] = {"name", take_glob},
    [POSTERN_RULE_FILE_TYPE] = {"type", take_glob},
    [POSTERN_RULE_FILE_SNIFFED] = {"sniffed", take_glob},
    [POSTERN_RULE_FILE_CONTENTS] = {"contents", take_contents},
    [POSTERN_RULE_FILE_DISGUISE] = {"disguise", take_disguise},
    [POSTERN_RULE_FILE_PLACE] = {"place", take_place_word},
    [POSTERN_RULE_FILE_SIZE] = {"size", take_bound},
    [POSTERN_RULE_HEADER] = {"header", take_header_value},
    [POSTERN_RULE_TEXT] = {"text", take_phrase},
    [POSTERN_RULE_LINK] = {"link", take_link},
    [POSTERN_RULE_LINK_HOST] = {"link-host", take_glob},
    [POSTERN_RULE_FILES] = {"files", take_bound},
    [POSTERN_RULE_FILES_SIZE] = {"files-size", take_bound},
};
G_STATIC_ASSERT(G_N_ELEMENTS(subjects) == POSTERN_RULE_SUBJECTS);

const char *postern_rule_subject_name(PosternRuleSubject subject)
{
    return subjects[subject].keyword;
}

gboolean postern_rules_take_value(PosternRulesParser *parser, const PosternRuleValue *value)
{
    return subjects[parser->condition->subject].take(parser, value);
}
