#include "inspect/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define LEVELS_MAX 64
#define OPEN_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)

static gboolean remove_entries(int descriptor, guint levels);

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

/* TRUE where descriptor is ours and no other program holds its lock. */
static gboolean lock(int descriptor)
{
    struct stat status;
    return fstat(descriptor, &status) == 0 && (geteuid() == 0 || status.st_uid == geteuid()) &&
           flock(descriptor, LOCK_EX | LOCK_NB) == 0;
}

static void remove_stale(const char *parent, const char *prefix)
{
    DIR *listing = opendir(parent);
    if (listing == NULL)
        return;
    for (const struct dirent *entry = readdir(listing); entry != NULL; entry = readdir(listing)) {
        int descriptor =
            g_str_has_prefix(entry->d_name, prefix) ? openat(dirfd(listing), entry->d_name, OPEN_FLAGS) : -1;
        if (descriptor < 0)
            continue;
        if (!lock(descriptor))
            close(descriptor);
        else if (remove_entries(descriptor, LEVELS_MAX))
            unlinkat(dirfd(listing), entry->d_name, AT_REMOVEDIR);
    }
    closedir(listing);
}

PosternDirectory *postern_directory_new(const char *parent, const char *prefix, GError **error)
{
    remove_stale(parent, prefix);
    g_autoptr(PosternDirectory) directory = g_new0(PosternDirectory, 1);
    g_autofree char *path = g_strconcat(parent, "/", prefix, "XXXXXX", NULL);
    directory->lock = -1;
    if (mkdtemp(path) == NULL) {
        postern_error_set_system(error, errno, "making a directory in %s ([inspector] temporary_directory)",
                                 parent);
        return NULL;
    }
    directory->path = g_steal_pointer(&path);
    directory->lock = open(directory->path, OPEN_FLAGS);
    if (directory->lock < 0 || !lock(directory->lock)) {
        postern_error_set_system(error, errno, "locking %s", directory->path);
        return NULL;
    }
    return g_steal_pointer(&directory);
}

void postern_directory_free(PosternDirectory *directory)
{
    if (directory == NULL)
        return;
    if (directory->path != NULL)
        postern_directory_remove(directory->path, TRUE);
    if (directory->lock >= 0)
        close(directory->lock);
    g_free(directory->path);
    g_free(directory);
}
