/*
 * One pattern of a rule: a word or phrase, a glob, or a regular expression of Perl (PCRE2), and what is
 * looked for first: a literal that stands in whatever it fits, for finding one literal of many costs no more
 * than finding one.
 */
#pragma once

#include <glib.h>

#include "checks/rules/time.h"

typedef struct PosternPattern PosternPattern;

/* As g_utf8_next_char(), which casts what is const away. */
static inline const char *postern_next_character(const char *text)
{
    return text + g_utf8_skip[*(const guchar *)text];
}

/* The letters behind a regular expression, as in pcre_table(5): each turns over what holds without it. */
typedef struct {
    gboolean case_sensitive; /* i: by default case is ignored */
    gboolean multi_line;     /* m: ^ and $ fit at every line, not only at both ends */
    gboolean dot_stops;      /* s: by default the dot fits line ends too */
    gboolean extended;       /* x: blanks and comments are left out */
} PosternPatternFlags;

/* *ret_offset: which octet of text is wrong. NULL and error, without a place. */
PosternPattern *postern_pattern_new_expression(const char *text, PosternPatternFlags flags, gsize *ret_offset,
                                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The whole of a subject: "*" is any text, "?" one character; the case is ignored. */
PosternPattern *postern_pattern_new_glob(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Whole words, apart by any white space; the case is ignored. */
PosternPattern *postern_pattern_new_phrase(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_pattern_free(PosternPattern *pattern);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternPattern, postern_pattern_free)

/* As the rule has it; the pattern's. */
const char *postern_pattern_text(const PosternPattern *pattern);

/*
 * Octets that stand, in any case of their letters, in every subject that the pattern fits; ASCII, at least
 * two of them. NULL: none is known. subject: one that postern_pattern_subject() made.
 */
const char *postern_pattern_literal(const PosternPattern *pattern);

/* The text as patterns see it: UTF-8, and the two letters beyond ASCII that are k and s in another case as
 * these. A new string, its length in *ret_length. */
char *postern_pattern_subject(const char *text, gsize length, gsize *ret_length);

typedef enum {
    POSTERN_PATTERN_ABSENT,
    POSTERN_PATTERN_FITS,
    POSTERN_PATTERN_UNDECIDED, /* it needs more backtracking or time than there is */
} PosternPatternResult;

/* Looks for it in a subject, which need not end with NUL. What begins at one place is found if it is at most
 * POSTERN_PATTERN_REACH_OCTETS long. */
PosternPatternResult postern_pattern_find(const PosternPattern *pattern, const char *subject, gsize length,
                                          PosternRuleTime *time);
