/*
 * The table of [clients] recipients. Inner part of verdict/policies.h, which says what its lines are.
 */
#pragma once

#include "verdict/policy.h"

/*
 * Reads the file at path: a table of what a line begins with, in lower case, to its policy of named (NAME to
 * PosternPolicy *, which must outlive it). NULL and error (POSTERN_ERROR_CONFIGURATION) if it cannot be
 * read, is over POSTERN_RECIPIENT_POLICIES_MAX lines, or one of them is wrong; file and line are named.
 */
GHashTable *postern_policies_table_read(const char *path, GHashTable *named,
                                        GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The policy of recipient, a forward path, or NULL: no line is for it. */
const PosternPolicy *postern_policies_table_find(GHashTable *table, const char *recipient);
