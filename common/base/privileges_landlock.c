#include "base/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"

/* Rights that came after the oldest kernel headers that we build with: by the version that brought them. */
#ifndef LANDLOCK_ACCESS_FS_REFER
#define LANDLOCK_ACCESS_FS_REFER (1ULL << 13) /* 2 */
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ULL << 14) /* 3 */
#endif
#ifndef LANDLOCK_ACCESS_FS_IOCTL_DEV
#define LANDLOCK_ACCESS_FS_IOCTL_DEV (1ULL << 15) /* 5 */
#endif

#define RIGHTS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define RIGHTS_WRITE                                                                                         \
    (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_REFER |                \
     LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_SOCK |              \
     LANDLOCK_ACCESS_FS_MAKE_FIFO | LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_REMOVE_FILE |           \
     LANDLOCK_ACCESS_FS_REMOVE_DIR)
#define RIGHTS_OF_FILES                                                                                      \
    (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |             \
     LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_IOCTL_DEV)

/* What a kernel of each version can deny. Nothing but files: networks (4) and scopes (6) stay as they are. */
static guint64 rights_of_version(long version)
{
    guint64 rights = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1;
    if (version >= 2)
        rights |= LANDLOCK_ACCESS_FS_REFER;
    if (version >= 3)
        rights |= LANDLOCK_ACCESS_FS_TRUNCATE;
    if (version >= 5)
        rights |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
    return rights;
}

static gboolean allow_path(int ruleset, const char *path, guint64 rights, GError **error)
{
    int descriptor = open(path, O_PATH | O_CLOEXEC);
    if (descriptor < 0) {
        if (errno == ENOENT || errno == ENOTDIR || errno == EACCES)
            return TRUE;
        return postern_error_set_system(error, errno, "cannot open %s to confine the program to it", path);
    }
    struct stat status;
    struct landlock_path_beneath_attr rule = {.allowed_access = rights, .parent_fd = descriptor};
    gboolean done = fstat(descriptor, &status) == 0;
    if (done && !S_ISDIR(status.st_mode))
        rule.allowed_access &= RIGHTS_OF_FILES;
    done = done && syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
    int number = errno;
    close(descriptor);
    return done || postern_error_set_system(error, number, "cannot confine the program to %s", path);
}

static gboolean allow_paths(int ruleset, const char *const *paths, guint64 rights, GError **error)
{
    for (; paths != NULL && *paths != NULL; paths++)
        if (!allow_path(ruleset, *paths, rights, error))
            return FALSE;
    return TRUE;
}

gboolean postern_privileges_confine(const PosternPrivilegesPaths *paths, gboolean *ret_confined,
                                    GError **error)
{
    *ret_confined = FALSE;
    long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (version < 1)
        return TRUE;

    guint64 handled = rights_of_version(version);
    /* The ruleset's first member alone: kernels of all versions take it, whatever the headers here have. */
    int ruleset = (int)syscall(SYS_landlock_create_ruleset, &handled, sizeof handled, 0);
    if (ruleset < 0)
        return postern_error_set_system(error, errno, "cannot make a Landlock ruleset");

    gboolean done =
        allow_paths(ruleset, paths->read_only, handled & RIGHTS_READ, error) &&
        allow_paths(ruleset, paths->read_write, handled & (RIGHTS_READ | RIGHTS_WRITE), error) &&
        allow_paths(ruleset, paths->executable, handled & (RIGHTS_READ | LANDLOCK_ACCESS_FS_EXECUTE), error);
    if (done && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
        done = postern_error_set_system(error, errno, "cannot confine the program with Landlock");
    close(ruleset);
    *ret_confined = done;
    return done;
}
