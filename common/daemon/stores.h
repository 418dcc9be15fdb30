/*
 * The files that a daemon keeps what it has learned in ([greylist] file, [report] store): whether it can use
 * them, seen before it is started. It runs without them, too, so this is no reason not to start.
 */
#pragma once

#include "base/configuration.h"

/*
 * For --check-config: as user, the daemon's, if this process is root (in a child process); else as whoever it
 * is, and then what only another user may see is taken to be right. Changes nothing. FALSE and error, a line
 * for each file that could not be used, which says what to do.
 */
gboolean postern_stores_check(const PosternConfiguration *configuration, const char *user,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
