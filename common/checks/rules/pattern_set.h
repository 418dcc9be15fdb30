/*
 * Many patterns, looked for in one subject at once. Their literals are found in one pass, and only the
 * patterns whose literal is there, or that have none, are tried.
 */
#pragma once

#include <glib.h>

#include "checks/rules/pattern.h"

typedef struct PosternPatternSet PosternPatternSet;

PosternPatternSet *postern_pattern_set_new(void);
void postern_pattern_set_free(PosternPatternSet *set);

/* Before it is made ready. pattern must outlive the set; tag is told with it. */
void postern_pattern_set_add(PosternPatternSet *set, const PosternPattern *pattern, guint tag);

/* Once all are added. */
void postern_pattern_set_make_ready(PosternPatternSet *set);

/* Patterns in it. */
guint postern_pattern_set_count(const PosternPatternSet *set);

/*
 * Calls found for the patterns that fit, or that are undecided, in any order; TRUE of wanted (NULL: all are)
 * says whether one is worth trying. subject: of postern_pattern_subject().
 */
typedef struct {
    gboolean (*wanted)(guint tag, gpointer data);
    void (*found)(guint tag, const PosternPattern *pattern, PosternPatternResult result, gpointer data);
    gpointer data;
} PosternPatternVisitor;
void postern_pattern_set_search(PosternPatternSet *set, const char *subject, gsize length,
                                PosternRuleTime *time, const PosternPatternVisitor *visitor);
