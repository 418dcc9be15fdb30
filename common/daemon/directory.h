/*
 * A directory of mode 0700 that lives no longer than a program: it is locked (flock) while any process that
 * has inherited it lives; what a program that was killed has left, the next one finds unlocked and removes.
 */
#pragma once

#include <glib.h>

#include "base/configuration.h"

typedef struct {
    char *path;
    int lock; /* descriptor of the directory, close-on-exec; a process that inherits it keeps the lock */
} PosternDirectory;

#define POSTERN_DIRECTORY_MEMORY "/dev/shm"
#define POSTERN_DIRECTORY_DISK "/tmp"

/* Where an inspector's temporary files go: as [inspector] temporary_directory says; if it is empty, one of
 * the above. */
const char *postern_directory_temporary(const PosternConfiguration *configuration);

/*
 * A new directory below parent, whose name is prefix and random characters, after stale ones of that prefix
 * have been removed: our own user's, as root everybody's.
 */
PosternDirectory *postern_directory_new(const char *parent, const char *prefix,
                                        GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Removes it with all that it holds, and what others have left since: who was killed may have ended late. */
void postern_directory_free(PosternDirectory *directory);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDirectory, postern_directory_free)

/*
 * Removes what path holds, and if itself is TRUE path too. Follows no link, goes 64 levels down. FALSE
 * if something is left.
 */
gboolean postern_directory_remove(const char *path, gboolean itself);
