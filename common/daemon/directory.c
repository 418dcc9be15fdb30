#include "daemon/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"

#define RANDOM "XXXXXX" /* mkdtemp() puts other letters in its place */
#define LEVELS_MAX 64
#define TRIES_MAX 100
#define OPEN_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

#define MEMORY_SHARE 4 /* files take one such part of the machine's at most */

static gboolean remove_entries(int descriptor, guint levels);

/* Beside each worker there may be a spare one (inspector/worker_dispatch.c). */
static gboolean memory_has_room(guint64 octets_a_worker, guint workers)
{
    struct statfs status;
    guint64 octets = 2 * (guint64)(workers != 0 ? workers : g_get_num_processors()) * octets_a_worker;
    guint64 memory = (guint64)sysconf(_SC_PHYS_PAGES) * (guint64)sysconf(_SC_PAGESIZE);
    return statfs(POSTERN_DIRECTORY_MEMORY, &status) == 0 && status.f_type == TMPFS_MAGIC &&
           access(POSTERN_DIRECTORY_MEMORY, W_OK | X_OK) == 0 &&
           status.f_bavail * (guint64)status.f_bsize >= octets && memory / MEMORY_SHARE >= octets;
}

const char *postern_directory_temporary(const PosternConfiguration *configuration)
{
    if (configuration->inspector.temporary_directory[0] != '\0')
        return configuration->inspector.temporary_directory;
    gboolean memory =
        memory_has_room(configuration->inspector.temporary_octets, configuration->inspector.workers);
    return memory ? POSTERN_DIRECTORY_MEMORY : POSTERN_DIRECTORY_DISK;
}

/* Through a descriptor of the directory itself: by name, a link put in its place would be followed. */
static void make_accessible(int parent, const char *name)
{
    int descriptor = openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0)
        return;
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", descriptor);
    (void)!chmod(path, 0700);
    close(descriptor);
}

static gboolean remove_entry(int parent, const char *name, guint levels)
{
    if (unlinkat(parent, name, 0) == 0)
        return TRUE;
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0)
        return TRUE;
    if (levels == 0)
        return FALSE;
    make_accessible(parent, name);
    int descriptor = openat(parent, name, OPEN_FLAGS);
    if (descriptor < 0 || !remove_entries(descriptor, levels - 1))
        return FALSE;
    return unlinkat(parent, name, AT_REMOVEDIR) == 0;
}

/* Takes descriptor. */
static gboolean remove_entries(int descriptor, guint levels)
{
    gboolean all = TRUE;
    DIR *listing = fdopendir(descriptor);
    if (listing == NULL) {
        close(descriptor);
        return FALSE;
    }
    for (const struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            all = remove_entry(dirfd(listing), entry->d_name, levels) && all;
    closedir(listing);
    return all;
}

gboolean postern_directory_remove(const char *path, gboolean itself)
{
    int descriptor = open(path, OPEN_FLAGS);
    if (descriptor < 0 && errno == EACCES && chmod(path, 0700) == 0)
        descriptor = open(path, OPEN_FLAGS);
    if (descriptor < 0)
        return errno == ENOENT;
    gboolean all = remove_entries(descriptor, LEVELS_MAX);
    return all && (!itself || rmdir(path) == 0 || errno == ENOENT);
}

typedef enum {
    LOCK_TAKEN,
    LOCK_HELD, /* by another program; or the directory is not ours */
    LOCK_GONE, /* the directory that was opened is not what stands at its path any more */
} LockResult;

/*
 * Locks the directory name of parent (a descriptor, or AT_FDCWD), and hands over its descriptor. Programs
 * that start at the same moment remove what is unlocked: what was locked counts only if it still stands
 * there.
 */
static LockResult lock(int parent, const char *name, int *ret_descriptor)
{
    struct stat opened, present;
    int descriptor = openat(parent, name, OPEN_FLAGS);
    LockResult result = LOCK_TAKEN;
    if (descriptor < 0)
        return errno == ENOENT ? LOCK_GONE : LOCK_HELD;
    if (fstat(descriptor, &opened) != 0 || (geteuid() != 0 && opened.st_uid != geteuid()) ||
        flock(descriptor, LOCK_EX | LOCK_NB) != 0)
        result = LOCK_HELD;
    else if (fstatat(parent, name, &present, AT_SYMLINK_NOFOLLOW) != 0 || present.st_ino != opened.st_ino ||
             present.st_dev != opened.st_dev)
        result = LOCK_GONE;
    if (result != LOCK_TAKEN)
        close(descriptor);
    else
        *ret_descriptor = descriptor;
    return result;
}

static void remove_stale(const char *parent, const char *prefix)
{
    DIR *listing = opendir(parent);
    if (listing == NULL)
        return;
    for (const struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        int descriptor = -1;
        if (!g_str_has_prefix(entry->d_name, prefix) ||
            lock(dirfd(listing), entry->d_name, &descriptor) != LOCK_TAKEN)
            continue;
        /* The lock must outlive the removal: remove_entries() closes what it is given. */
        int copy = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
        if (copy >= 0 && remove_entries(copy, LEVELS_MAX))
            unlinkat(dirfd(listing), entry->d_name, AT_REMOVEDIR);
        close(descriptor);
    }
    closedir(listing);
}

/* FALSE and no error: another program took it for a stale one before it was locked. */
static gboolean make(PosternDirectory *directory, const char *parent, const char *prefix, GError **error)
{
    g_autofree char *path = g_strconcat(parent, "/", prefix, RANDOM, NULL);
    if (mkdtemp(path) == NULL)
        return postern_error_set_system(error, errno, "making a directory in %s", parent);
    if (lock(AT_FDCWD, path, &directory->lock) != LOCK_TAKEN)
        return FALSE;
    directory->path = g_steal_pointer(&path);
    return TRUE;
}

PosternDirectory *postern_directory_new(const char *parent, const char *prefix, GError **error)
{
    remove_stale(parent, prefix);
    g_autoptr(PosternDirectory) directory = g_new0(PosternDirectory, 1);
    GError *problem = NULL;
    directory->lock = -1;
    for (guint i = 0; i < TRIES_MAX && problem == NULL; i++)
        if (make(directory, parent, prefix, &problem))
            return g_steal_pointer(&directory);
    if (problem == NULL)
        g_set_error(&problem, POSTERN_ERROR, POSTERN_ERROR_SYSTEM,
                    "a new directory in %s was taken away before it could be locked, %d times", parent,
                    TRIES_MAX);
    g_propagate_error(error, problem);
    return NULL;
}

void postern_directory_free(PosternDirectory *directory)
{
    if (directory == NULL)
        return;
    if (directory->path != NULL)
        postern_directory_remove(directory->path, TRUE);
    if (directory->lock >= 0)
        close(directory->lock);
    if (directory->path != NULL) {
        g_autofree char *parent = g_path_get_dirname(directory->path);
        g_autofree char *prefix = g_path_get_basename(directory->path);
        prefix[strlen(prefix) - strlen(RANDOM)] = '\0';
        remove_stale(parent, prefix);
    }
    g_free(directory->path);
    g_free(directory);
}
