#include "base/log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define FLAGS (O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)

static gboolean is_fifo(const char *path)
{
    struct stat status;
    return lstat(path, &status) == 0 && S_ISFIFO(status.st_mode);
}

/* Who can make or move links in the directory of path is root alone, and so is who made this one. */
static gboolean is_link_of_root(const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    struct stat link;
    struct stat place;
    return lstat(path, &link) == 0 && S_ISLNK(link.st_mode) && link.st_uid == 0 &&
           stat(directory, &place) == 0 && place.st_uid == 0 && (place.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

static int open_path(const char *path)
{
    /* For reading too, a fifo opens while nobody reads it, and is never broken. */
    int access_mode = is_fifo(path) ? O_RDWR : O_WRONLY;
    if (geteuid() != 0 || is_link_of_root(path))
        return open(path, access_mode | FLAGS, 0640);
    return open(path, access_mode | FLAGS | O_NOFOLLOW, 0640);
}

static const char *problem_of(int descriptor)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0)
        return g_strerror(errno);
    if (!S_ISREG(status.st_mode) && !S_ISFIFO(status.st_mode) && !S_ISCHR(status.st_mode))
        return "it is no file";
    if (geteuid() == 0 && S_ISREG(status.st_mode) && status.st_nlink > 1)
        return "it has a second name (a hard link), and root does not write there";
    return NULL;
}

int postern_log_file_open(const char *path, GError **error)
{
    int descriptor = open_path(path);
    int number = errno;
    const char *problem = descriptor >= 0 ? problem_of(descriptor) : NULL;
    if (descriptor < 0)
        problem = number == ELOOP ? "it is a symbolic link that not root alone can make" : g_strerror(number);
    if (problem == NULL && fcntl(descriptor, F_SETFL, O_APPEND) == 0)
        return descriptor;
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM,
                "cannot open the log file %s (see [log] destination): %s", path,
                problem != NULL ? problem : g_strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    return -1;
}
