/*
 * A part of a text that somebody else owns, without a NUL behind it.
 */
#pragma once

#include <glib.h>

typedef struct {
    const char *text;
    gsize length;
} PosternSpan;

/* TRUE for a space or a tab (WSP, RFC 5234 B.1). */
static inline gboolean postern_is_blank(char octet)
{
    return octet == ' ' || octet == '\t';
}
/* span without blanks at its ends. */
PosternSpan postern_span_trim(PosternSpan span);
/* span without its first octets, which it has. */
PosternSpan postern_span_behind(PosternSpan span, gsize octets);
/* What stands before the first separator in rest, all if there is none; taken off rest with the separator. */
PosternSpan postern_span_cut(PosternSpan *rest, char separator);
/* TRUE if it is text. */
gboolean postern_span_equals(PosternSpan span, const char *text);
