/*
 * The files that signing reads: the table of keys and the keys. What others may do with them is told.
 */
#pragma once

#include <glib.h>

/* Octets that are overwritten before they are freed. NULL is allowed. */
void postern_sign_wipe(char *octets, gsize length);

/*
 * The octets of the file at path, at most maximum, with a NUL behind them; the caller wipes them. secret: it
 * is a private key. warnings (of char *; NULL: not wanted) get what an administrator must be told: that
 * others can read a secret, or can change the file or put another in its place. NULL and error with the file,
 * the reason, and what to do about it.
 */
char *postern_sign_file_read(const char *path, gsize maximum, gboolean secret, gsize *ret_length,
                             GPtrArray *warnings, GError **error) G_GNUC_WARN_UNUSED_RESULT;
