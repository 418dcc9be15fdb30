/*
 * What becomes of a file of the store that is damaged.
 */
#pragma once

#include <glib.h>
#include <sys/stat.h>

#define POSTERN_GREYLIST_SET_ASIDE_MAX 3 /* kept of one file; the oldest go */

/*
 * Renames the SQLite file path, with its log, to path.damaged-DATE (UTC), if path still is damaged, which is
 * closed. The new name; NULL without error: another process has done so, and what path names now is another
 * file. NULL and error.
 */
char *postern_greylist_set_aside(const char *path, const struct stat *damaged,
                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
