#include "verdict/subject.h"

#include <string.h>

#include "base/limits.h"
#include "base/span.h"

#define FIELD "Subject"
#define LINE_MAX_OCTETS 998 /* RFC 5322 2.1.1, without CRLF */

/* Octets of a line end at value[at], or 0. */
static gsize line_end_length(const char *value, gsize length, gsize at)
{
    if (value[at] == '\n')
        return 1;
    return value[at] == '\r' && at + 1 < length && value[at + 1] == '\n' ? 2 : 0;
}

/* Appends value with CRLF as the line end of its folds; lines of white space alone, which an edit may not
 * have, are left out. */
static void append_value(GString *out, const char *value, gsize length)
{
    for (gsize i = 0; i < length;) {
        gsize line_end = line_end_length(value, length, i);

        if (line_end == 0) {
            char octet = value[i++];

            if (octet == '\0')
                octet = '?';
            g_string_append_c(out, octet == '\r' ? ' ' : octet);
            continue;
        }
        i += line_end;

        gsize text = i;

        while (text < length && postern_is_blank(value[text]))
            text++;
        if (text == length || line_end_length(value, length, text) > 0)
            i = text;
        else
            g_string_append(out, text == i ? "\r\n " : "\r\n");
    }
}

static void cut(GString *value)
{
    if (value->len <= POSTERN_HEADER_EDIT_MAX_OCTETS)
        return;
    g_string_truncate(value, POSTERN_HEADER_EDIT_MAX_OCTETS);
    while (value->len > 0 && strchr(" \t\r\n", value->str[value->len - 1]))
        g_string_truncate(value, value->len - 1);
}

static char *tagged(const PosternHeaderField *field, const char *tag)
{
    GString *value = g_string_new(tag);
    gsize start = 0;
    gsize first_line = 0;

    while (start < field->value_length && postern_is_blank(field->value[start]))
        start++;
    while (start + first_line < field->value_length &&
           line_end_length(field->value, field->value_length, start + first_line) == 0)
        first_line++;
    if (first_line > 0) {
        gboolean fits = strlen(FIELD ": ") + value->len + 1 + first_line <= LINE_MAX_OCTETS;

        g_string_append(value, fits ? " " : "\r\n ");
    }
    append_value(value, field->value + start, field->value_length - start);
    cut(value);
    return g_string_free(value, FALSE);
}

void postern_subject_tag(PosternEdits *edits, const PosternHeader *header, const char *tag)
{
    const PosternHeaderField *field = postern_header_find(header, FIELD, 0);

    if (!field) {
        postern_edits_insert(edits, FIELD, tag);
        return;
    }

    g_autofree char *unfolded = postern_header_field_unfold(field);

    if (g_str_has_prefix(unfolded, tag))
        return;

    g_autofree char *value = tagged(field, tag);

    postern_edits_change(edits, FIELD, 0, value);
}
