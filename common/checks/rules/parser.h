/*
 * The parser of a file of rules, and the values of conditions. Inner part of checks/rules/table.h.
 */
#pragma once

#include "checks/rules/table.h"

typedef struct {
    const char *name;                     /* of the file */
    const char *line_start, *place, *end; /* end: of the line */
    guint line;
    GPtrArray *rules;
    GHashTable *names;               /* of rules, borrowed */
    PosternContentRule *rule;        /* at hand, borrowed, or NULL: it was wrong */
    PosternRuleCondition *condition; /* likewise, in its array */
    GString *problems;
    guint problem_count;
} PosternRulesParser;

/* One value: where it stands, and its text. */
typedef struct {
    const char *place;
    char *text; /* owned */
    gboolean quoted;
    gboolean expression;
    PosternPatternFlags flags;
} PosternRuleValue;

void postern_rules_value_clear(PosternRuleValue *value);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PosternRuleValue, postern_rules_value_clear)

/* Notes a mistake at place, in the line at hand. Always FALSE. */
gboolean postern_rules_refuse(PosternRulesParser *parser, const char *place, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* The same of word, which is none of words (NULL-terminated), with the one that was probably meant. */
gboolean postern_rules_refuse_word(PosternRulesParser *parser, const char *place, const char *word,
                                   const char *what, const char *const *words);

/* Adds value to parser->condition. FALSE: it is wrong, which is noted. */
gboolean postern_rules_take_value(PosternRulesParser *parser, const PosternRuleValue *value);
