/*
 * Small readers of the values of DKIM tags (RFC 6376 3.2).
 */
#pragma once

#include <glib.h>

/* A copy without any white space; NULL gives "". */
char *postern_dkim_collapse(const char *value);

/* TRUE if value, a list with colons and white space between (RFC 6376 3.6.1), has item (case ignored). */
gboolean postern_dkim_list_has(const char *value, const char *item);

/* How often it has it. */
guint postern_dkim_list_count(const char *value, const char *item);

/* An unsigned decimal number of 1 to 15 digits (RFC 6376 3.5 asks for 12 in t= and x=). FALSE: none. */
gboolean postern_dkim_number(const char *value, gint64 *ret_number);
