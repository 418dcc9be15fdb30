/*
 * Tables that an administrator keeps in files of their own: one entry a line, '#' begins a comment line.
 */
#pragma once

#include <glib.h>

/* One line, without white space before and behind it; it may be changed. FALSE and error: what is wrong. */
typedef gboolean (*PosternTableLine)(char *line, gpointer user_data, GError **error);

/*
 * Calls take for each line of the file at path that is neither empty nor a comment. option: "[group] key",
 * for errors. FALSE and error, with file and line: it cannot be read, has more than maximum octets, is no
 * text, or take said so.
 */
gboolean postern_table_file_read(const char *path, const char *option, gsize maximum, PosternTableLine take,
                                 gpointer user_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The same of text, which is changed and has a NUL behind its length octets; name: of the file, for errors.
 */
gboolean postern_table_parse(char *text, gsize length, const char *name, PosternTableLine take,
                             gpointer user_data, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Cuts the first word off *text, which then is at the next or at the end; "" if there is none. */
char *postern_table_word(char **text);
