#include "greylist/set_aside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/error.h"

#define INFIX ".damaged-"
#define LOG "-wal"

static int by_name(gconstpointer a, gconstpointer b)
{
    return g_strcmp0(*(char *const *)a, *(char *const *)b);
}

/* A disk that damages one file after the other must not be filled by them. */
static void remove_oldest(const char *path)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *prefix = g_strconcat(name, INFIX, NULL);
    g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GDir) directory = g_dir_open(folder, 0, NULL);
    const char *next;
    while (directory != NULL && (next = g_dir_read_name(directory)) != NULL)
        if (g_str_has_prefix(next, prefix) && !g_str_has_suffix(next, LOG))
            g_ptr_array_add(found, g_build_filename(folder, next, NULL));
    g_ptr_array_sort(found, by_name);
    for (guint i = 0; i + POSTERN_GREYLIST_SET_ASIDE_MAX < found->len; i++) {
        const char *old = g_ptr_array_index(found, i);
        g_autofree char *log = g_strconcat(old, LOG, NULL);
        (void)unlink(log);
        (void)unlink(old);
    }
}

/* The log goes first: it must never be taken for that of the new file. */
static gboolean move(const char *path, const char *aside)
{
    g_autofree char *log = g_strconcat(path, LOG, NULL);
    g_autofree char *log_aside = g_strconcat(aside, LOG, NULL);
    g_autofree char *index = g_strconcat(path, "-shm", NULL);
    return (rename(log, log_aside) == 0 || errno == ENOENT) && (unlink(index) == 0 || errno == ENOENT) &&
           rename(path, aside) == 0;
}

static char *set_aside(int file, const char *path, const struct stat *damaged, GError **error)
{
    struct stat now;
    g_autoptr(GDateTime) date = g_date_time_new_now_utc();
    g_autofree char *text = g_date_time_format(date, "%Y%m%dT%H%M%S");
    g_autofree char *aside =
        g_strdup_printf("%s" INFIX "%s.%06d", path, text, g_date_time_get_microsecond(date));
    if (flock(file, LOCK_EX) != 0 || stat(path, &now) != 0) {
        if (errno != ENOENT)
            postern_error_set_system(error, errno, "cannot lock it");
        return NULL;
    }
    if (now.st_ino != damaged->st_ino || now.st_dev != damaged->st_dev)
        return NULL;
    if (!move(path, aside)) {
        postern_error_set_system(error, errno, "cannot rename it to %s", aside);
        return NULL;
    }
    remove_oldest(path);
    return g_steal_pointer(&aside);
}

char *postern_greylist_set_aside(const char *path, const struct stat *damaged, GError **error)
{
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        if (errno != ENOENT)
            postern_error_set_system(error, errno, "cannot open it");
        return NULL;
    }
    char *aside = set_aside(file, path, damaged, error);
    close(file);
    return aside;
}
