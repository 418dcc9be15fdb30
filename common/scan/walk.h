/*
 * The files that names on the command line stand for, one after the other; no more names are held than those
 * of the directories on the way.
 */
#pragma once

#include <glib.h>

/* text says what is wrong with a name that is left out. */
typedef void (*PosternScanComplain)(const char *text, gpointer user_data);

typedef struct PosternScanWalk PosternScanWalk;

/*
 * names: NULL-terminated, must outlive the walk. A directory stands for all regular files in it and below,
 * sorted by name, symbolic links not followed, at most 64 deep; a Maildir (one with cur, new and tmp) for
 * those of cur and new and of its subfolders. Anything else stands for itself. A directory that cannot be
 * read is told through complain and left out.
 */
PosternScanWalk *postern_scan_walk_new(char *const *names, PosternScanComplain complain, gpointer user_data);
void postern_scan_walk_free(PosternScanWalk *walk);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternScanWalk, postern_scan_walk_free)

/* The next file, valid until the next call, or NULL: no more. */
const char *postern_scan_walk_next(PosternScanWalk *walk);

/* How far the walk is, 0 to 1, where within of the last file is done; never falls. */
double postern_scan_walk_fraction(const PosternScanWalk *walk, double within);
