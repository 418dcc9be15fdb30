/*
 * The table of [sign] table: one key a line, "DOMAIN SELECTOR FILE", FILE an absolute path that may hold
 * spaces; '#' at the start of a line or behind white space begins a comment.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *domain; /* lower case */
    char *selector;
    char *file;
    guint line;
} PosternSignRow;

/*
 * Parses length octets; name is that of the file, for errors. Returns PosternSignRow *, in order. NULL and
 * error, "NAME:LINE: what is wrong", if a line is no such row, a name twice the same, or a maximum
 * (POSTERN_SIGN_KEYS_MAX; POSTERN_SIGN_FIELDS_MAX of one domain) is met; a table without a row, too.
 */
GPtrArray *postern_sign_table_parse(const char *text, gsize length, const char *name,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
