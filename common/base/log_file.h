/*
 * Opening the file that a log is written to, which root may do in a directory of somebody else's.
 */
#pragma once

#include <glib.h>

/*
 * Opens path for appending, made with mode 0640 if it is missing; the descriptor (close-on-exec) is the
 * caller's. -1 and error. A fifo needs no reader yet. If this process is root, no owner of a directory can
 * make it write elsewhere: a symbolic link is followed only if root made it, in a directory where only root
 * may write; a file has no second name; nothing but files, fifos and character devices is taken.
 */
int postern_log_file_open(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
