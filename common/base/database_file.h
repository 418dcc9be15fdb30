/*
 * The file of a database before SQLite may write to it: whose it is, and what becomes of one that is damaged.
 * For database.c alone.
 */
#pragma once

#include <sys/stat.h>

#include "base/database.h"

/* TRUE if nothing speaks against writing to what options name: it is empty, or of this program, or damaged,
 * which only SQLite can tell. Changes nothing. FALSE and error, which says what to do. */
gboolean postern_database_file_is_usable(const PosternDatabaseOptions *options,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The same of one that is open; nothing has been written. POSTERN_ERROR_CONFIGURATION: it is of another
 * program, or of a newer version; another code: handle has the reason. */
gboolean postern_database_file_is_ours(sqlite3 *handle, const PosternDatabaseOptions *options,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
/*
 * Renames the file, with its log, to PATH.damaged-DATE (UTC) if what options name still is damaged, which is
 * closed. The new name; NULL without error: another process has done so. NULL and error: it cannot be
 * renamed, or no longer is a file of SQLite.
 */
char *postern_database_file_set_aside(const PosternDatabaseOptions *options, const struct stat *damaged,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;
