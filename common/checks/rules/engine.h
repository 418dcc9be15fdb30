/*
 * The content rules of an inspector, compiled once; workers inherit them.
 */
#pragma once

#include <magic.h>

#include "checks/check.h"
#include "checks/rules/pattern_set.h"
#include "checks/rules/table.h"

/* Which rule a condition is of; conditions of all rules are numbered through. */
typedef struct {
    guint rule;
    const PosternRuleCondition *condition;
} PosternNumberedCondition;

struct PosternRulesEngine {
    GPtrArray *files;                               /* of GPtrArray *, as parsed */
    GPtrArray *rules;                               /* of PosternContentRule *, borrowed of those */
    GArray *file_rules;                             /* of guint: those with conditions on files */
    GArray *first_conditions;                       /* of guint: the number of each rule's first */
    GArray *conditions;                             /* of PosternNumberedCondition */
    PosternPatternSet *sets[POSTERN_RULE_SUBJECTS]; /* the patterns of all conditions of a subject, tagged
                                                       with the number of the condition */
    guint subjects[POSTERN_RULE_SUBJECTS];          /* how many conditions have it */
    guint contents;                                 /* mask of those that are asked for */
    GHashTable *fields;                             /* lower-case names of header fields that are */
    PosternContentEngine *content;
    magic_t magic; /* NULL: no rule needs it */
};

/* Which rules there are; a rule of file takes the place of a default one of its name. content may be NULL:
 * they are only checked, and the searches and libmagic are not made ready. policies may be NULL: 'exempt' may
 * name any. */
typedef struct {
    const char *file; /* "" or NULL: there is none */
    gboolean defaults;
    GHashTable *policies;          /* whose keys are the names that 'exempt' may have, "-" aside; or NULL */
    PosternContentEngine *content; /* must outlive the engine */
} PosternRulesOptions;

/* NULL and error: see postern_rules_parse(). */
PosternRulesEngine *postern_rules_engine_new(const PosternRulesOptions *options,
                                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
