#include "checks/sign/file.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

void postern_sign_wipe(char *octets, gsize length)
{
    if (octets == NULL)
        return;
    explicit_bzero(octets, length);
    g_free(octets);
}

static void warn(GPtrArray *warnings, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void warn(GPtrArray *warnings, const char *format, ...)
{
    va_list arguments;
    if (warnings == NULL)
        return;
    va_start(arguments, format);
    g_ptr_array_add(warnings, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

/* Who may write into a directory may put another file in the place of one in it; the sticky bit forbids that
 * for what is another's, and leaves the adding of new files. */
static gboolean is_open_to_all(const char *directory, gboolean holds_file)
{
    struct stat status;
    return stat(directory, &status) == 0 && (status.st_mode & S_IWOTH) != 0 &&
           (holds_file || (status.st_mode & S_ISVTX) == 0);
}

/* The nearest directory on the way to path that anybody can change, or NULL. */
static char *find_open_directory(const char *path)
{
    g_autofree char *directory = g_path_get_dirname(path);
    gboolean holds_file = TRUE;
    while (!is_open_to_all(directory, holds_file)) {
        g_autofree char *above = g_path_get_dirname(directory);
        if (g_str_equal(above, directory))
            return NULL;
        char *old = directory;
        directory = g_steal_pointer(&above);
        g_free(old);
        holds_file = FALSE;
    }
    return g_steal_pointer(&directory);
}

static void warn_of_directories(const char *path, GPtrArray *warnings)
{
    g_autofree char *directory = find_open_directory(path);
    char *target = realpath(path, NULL);
    if (directory == NULL && target != NULL)
        directory = find_open_directory(target);
    if (directory != NULL && target != NULL && !g_str_equal(target, path))
        warn(warnings, "%s leads to %s, by way of %s, where everybody may put another file in its place",
             path, target, directory);
    else if (directory != NULL)
        warn(warnings, "%s is in %s, where everybody may put another file in its place", path, directory);
    free(target);
}

static void warn_of_modes(const char *path, mode_t mode, gboolean secret, GPtrArray *warnings)
{
    if (secret && (mode & S_IROTH) != 0) {
        warn(warnings,
             "everybody may read the private key %s (mode %04o): chmod 0640, and publish a new key if others "
             "could read it",
             path, (guint)(mode & 07777));
    }
    if ((mode & S_IWOTH) != 0)
        warn(warnings, "everybody may change %s (mode %04o): chmod 0640", path, (guint)(mode & 07777));
}

static gboolean set_read_error(GError **error, int number, const char *path)
{
    const struct passwd *user = getpwuid(geteuid());
    const char *name = user != NULL ? user->pw_name : "an unknown user";
    if (number != EACCES && number != EPERM)
        return postern_error_set_system(error, number, "reading %s", path);
    return postern_error_set(
        error, POSTERN_ERROR_INPUT,
        "reading %s: %s: this is user %s; chown root:%s and chmod 0640 that file, and chmod 0711 or "
        "0750 the directories above it",
        path, g_strerror(number), name, name);
}

static char *read_all(int descriptor, gsize size, gsize *ret_length)
{
    char *octets = g_malloc0(size + 1);
    gsize length = 0;
    while (length < size) {
        gssize got = read(descriptor, octets + length, size - length);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int number = errno;
            postern_sign_wipe(octets, size);
            errno = number;
            return NULL;
        }
        if (got == 0)
            break;
        length += (gsize)got;
    }
    *ret_length = length;
    return octets;
}

char *postern_sign_file_read(const char *path, gsize maximum, gboolean secret, gsize *ret_length,
                             GPtrArray *warnings, GError **error)
{
    struct stat status = {0};
    char *octets = NULL;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0 || fstat(descriptor, &status) != 0) {
        set_read_error(error, errno, path);
    } else if (!S_ISREG(status.st_mode)) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_INPUT, "%s is no ordinary file", path);
    } else if ((guint64)status.st_size > maximum) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT,
                    "%s has %" G_GINT64_FORMAT " octets, more than %" G_GSIZE_FORMAT, path,
                    (gint64)status.st_size, maximum);
    } else {
        warn_of_modes(path, status.st_mode, secret, warnings);
        warn_of_directories(path, warnings);
        octets = read_all(descriptor, (gsize)status.st_size, ret_length);
        if (octets == NULL)
            set_read_error(error, errno, path);
    }
    if (descriptor >= 0)
        close(descriptor);
    return octets;
}
