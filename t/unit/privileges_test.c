#include "base/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

/* What is given up is gone for the whole process: each test has its own. */
static void run(void (*body)(const char *directory), const char *directory)
{
    int status;
    pid_t child = fork();
    g_assert_cmpint(child, >=, 0);
    if (child == 0) {
        body(directory);
        _exit(0);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, 0);
}

static void become_nobody(const char *directory)
{
    g_autoptr(GError) error = NULL;
    struct passwd *nobody = getpwnam("nobody");
    uid_t uid = nobody->pw_uid;
    gid_t gid = nobody->pw_gid, groups[64];
    uid_t user[3];
    gid_t group[3];

    static const gid_t inherited[] = {0, 4, 12345};
    g_assert_cmpint(setgroups(G_N_ELEMENTS(inherited), inherited), ==, 0);
    g_assert_true(postern_privileges_drop("nobody", &error));
    g_assert_no_error(error);
    g_assert_cmpint(getresuid(&user[0], &user[1], &user[2]), ==, 0);
    g_assert_cmpint(getresgid(&group[0], &group[1], &group[2]), ==, 0);
    for (guint i = 0; i < 3; i++) {
        g_assert_cmpuint(user[i], ==, uid);
        g_assert_cmpuint(group[i], ==, gid);
    }
    int count = getgroups(G_N_ELEMENTS(groups), groups);
    for (int i = 0; i < count; i++)
        for (gsize j = 0; j < G_N_ELEMENTS(inherited); j++)
            g_assert_cmpuint(groups[i], !=, inherited[j]);
    g_assert_cmpint(setuid(0), ==, -1);
    g_assert_cmpint(setgid(0), ==, -1);
    g_assert_cmpint(setgroups(0, NULL), ==, -1);
    g_assert_cmpint(open(directory, O_RDONLY), ==, -1);
    g_assert_cmpint(errno, ==, EACCES);
    g_assert_cmpint(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), ==, 1);
}

static void test_drop_root(void)
{
    if (geteuid() != 0 || getpwnam("nobody") == NULL) {
        g_test_skip("needs root, and a user 'nobody'");
        return;
    }
    g_autofree char *directory = g_dir_make_tmp("postern-test-XXXXXX", NULL);
    run(become_nobody, directory);
    g_assert_cmpint(g_rmdir(directory), ==, 0);
}

static void refuse_users(const char *directory)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(postern_privileges_drop("no-such-user", &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
    g_assert_nonnull(strstr(error->message, "there is no user 'no-such-user'"));
    g_assert_nonnull(strstr(error->message, "option 'user'"));
    g_clear_error(&error);
    g_assert_false(postern_privileges_drop("root", &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
    g_assert_nonnull(strstr(error->message, "is root"));
}

static void test_refused_users(void)
{
    if (geteuid() != 0) {
        g_test_skip("needs root");
        return;
    }
    run(refuse_users, NULL);
}

static void drop_as_user(const char *directory)
{
    g_autoptr(GError) error = NULL;
    if (geteuid() == 0)
        g_assert_cmpint(setresuid(65534, 65534, 65534), ==, 0);
    uid_t before = getuid();
    g_assert_true(postern_privileges_drop("no-such-user", &error));
    g_assert_no_error(error);
    g_assert_cmpuint(getuid(), ==, before);
    g_assert_cmpint(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), ==, 1);
}

static void test_drop_as_user(void)
{
    run(drop_as_user, NULL);
}

/* As AmbientCapabilities=CAP_NET_BIND_SERVICE in a unit with User= leaves it. */
static void keep_low_ports(uid_t uid)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    const guint32 mask = 1U << CAP_NET_BIND_SERVICE;
    const struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
        {.effective = mask, .permitted = mask, .inheritable = mask}};
    g_assert_cmpint(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), ==, 0);
    g_assert_cmpint(setresuid(uid, uid, uid), ==, 0);
    g_assert_cmpint((int)syscall(SYS_capset, &header, data), ==, 0);
    g_assert_cmpint(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_NET_BIND_SERVICE, 0, 0), ==, 0);
}

static void drop_low_ports(const char *directory)
{
    static const char *const sets[] = {"CapInh", "CapPrm", "CapEff", "CapAmb"};
    g_autoptr(GError) error = NULL;
    g_autofree char *before = NULL, *after = NULL;
    keep_low_ports(65534);
    g_assert_true(g_file_get_contents("/proc/thread-self/status", &before, NULL, NULL));
    g_assert_true(postern_privileges_drop("no-such-user", &error));
    g_assert_no_error(error);
    g_assert_true(g_file_get_contents("/proc/thread-self/status", &after, NULL, NULL));
    for (guint i = 0; i < G_N_ELEMENTS(sets); i++) {
        g_autofree char *held = g_strconcat(sets[i], ":\t0000000000000400\n", NULL);
        g_autofree char *none = g_strconcat(sets[i], ":\t0000000000000000\n", NULL);
        g_assert_nonnull(strstr(before, held));
        g_assert_nonnull(strstr(after, none));
    }
}

static void test_drop_capabilities(void)
{
    if (geteuid() != 0) {
        g_test_skip("needs root");
        return;
    }
    run(drop_low_ports, NULL);
}

static int try_open(const char *directory, const char *name, int flags)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    int descriptor = open(path, flags | O_CLOEXEC, 0600);
    if (descriptor < 0)
        return errno;
    close(descriptor);
    return 0;
}

/* What the program exits with, or -1 where it cannot be started. */
static int try_execute(const char *path, const char *argument)
{
    int status;
    pid_t child = fork();
    if (child == 0) {
        execl(path, path, argument, (char *)NULL);
        _exit(126);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    return WIFEXITED(status) && WEXITSTATUS(status) != 126 ? WEXITSTATUS(status) : -1;
}

static long landlock_version(void)
{
    return syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
}

static void confine(const char *directory, const char *const *executable)
{
    g_autofree char *read = g_build_filename(directory, "read", NULL);
    g_autofree char *write = g_build_filename(directory, "write", NULL);
    g_autofree char *file = g_build_filename(directory, "file", NULL);
    g_autofree char *missing = g_build_filename(directory, "missing", NULL);
    const char *const read_only[] = {read, missing, "/usr/lib", "/etc/ld.so.cache", NULL};
    const char *const read_write[] = {write, file, NULL};
    PosternPrivilegesPaths paths = {
        .read_only = read_only, .read_write = read_write, .executable = executable};
    g_autoptr(GError) error = NULL;
    gboolean confined = FALSE;

    g_assert_true(postern_privileges_drop("nobody", &error));
    g_assert_true(postern_privileges_confine(&paths, &confined, &error));
    g_assert_no_error(error);
    g_assert_true(confined);
}

static void use_files(const char *directory)
{
    confine(directory, NULL);
    g_assert_cmpint(try_open(directory, "read/a", O_RDONLY), ==, 0);
    g_assert_cmpint(try_open(directory, "read", O_RDONLY | O_DIRECTORY), ==, 0);
    g_assert_cmpint(try_open(directory, "read/a", O_WRONLY), ==, EACCES);
    g_autofree char *readable = g_build_filename(directory, "read/a", NULL);
    if (landlock_version() >= 3)
        g_assert_cmpint(truncate(readable, 0), ==, -1);
    g_assert_cmpint(try_open(directory, "read/new", O_WRONLY | O_CREAT), ==, EACCES);

    g_assert_cmpint(try_open(directory, "write/new", O_RDWR | O_CREAT | O_EXCL), ==, 0);
    g_assert_cmpint(try_open(directory, "write/new", O_RDWR | O_TRUNC), ==, 0);
    g_autofree char *new_file = g_build_filename(directory, "write/new", NULL);
    g_autofree char *renamed = g_build_filename(directory, "write/renamed", NULL);
    g_assert_cmpint(g_rename(new_file, renamed), ==, 0);
    g_assert_cmpint(g_unlink(renamed), ==, 0);
    g_assert_cmpint(g_mkdir(renamed, 0700), ==, 0);
    g_assert_cmpint(g_rmdir(renamed), ==, 0);

    g_assert_cmpint(try_open(directory, "file", O_RDWR | O_TRUNC), ==, 0);
    g_assert_cmpint(try_open(directory, "outside", O_RDONLY), ==, EACCES);
    g_assert_cmpint(try_open(directory, "outside", O_WRONLY), ==, EACCES);
    g_assert_cmpint(try_open(directory, ".", O_RDONLY | O_DIRECTORY), ==, EACCES);
    g_assert_cmpint(try_open(directory, "another", O_WRONLY | O_CREAT), ==, EACCES);
    g_assert_cmpint(try_open("/etc", "passwd", O_RDONLY), ==, EACCES);
    g_assert_cmpint(try_execute("/bin/true", "x"), ==, -1);
}

static void use_programs(const char *directory)
{
    static const char *const executable[] = {"/bin/true", "/lib64/ld-linux-x86-64.so.2",
                                             "/lib/ld-linux-aarch64.so.1", NULL};
    confine(directory, executable);
    g_assert_cmpint(try_execute("/bin/true", "x"), ==, 0);
    g_assert_cmpint(try_execute("/bin/echo", "x"), ==, -1);
}

static void need_no_new_privs(const char *directory)
{
    PosternPrivilegesPaths paths = {0};
    g_autoptr(GError) error = NULL;
    gboolean confined = TRUE;
    if (geteuid() == 0)
        g_assert_cmpint(setresuid(65534, 65534, 65534), ==, 0);
    g_assert_false(postern_privileges_confine(&paths, &confined, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM);
    g_assert_false(confined);
}

static void without_landlock(const char *directory)
{
    PosternPrivilegesPaths paths = {0};
    g_autoptr(GError) error = NULL;
    gboolean confined = TRUE;
    g_assert_true(postern_privileges_confine(&paths, &confined, &error));
    g_assert_no_error(error);
    g_assert_false(confined);
}

static void test_confine(void)
{
    static const char *const names[] = {"read/a", "file", "outside"};
    if (landlock_version() < 1) {
        run(without_landlock, NULL);
        g_test_skip("this kernel has no Landlock");
        return;
    }
    g_autofree char *directory = g_dir_make_tmp("postern-test-XXXXXX", NULL);
    g_autofree char *read = g_build_filename(directory, "read", NULL);
    g_autofree char *write = g_build_filename(directory, "write", NULL);
    g_assert_cmpint(g_chmod(directory, 0777), ==, 0);
    g_assert_cmpint(g_mkdir(read, 0777), ==, 0);
    g_assert_cmpint(g_mkdir(write, 0777), ==, 0);
    g_assert_cmpint(g_chmod(read, 0777), ==, 0);
    g_assert_cmpint(g_chmod(write, 0777), ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(directory, names[i], NULL);
        g_assert_true(g_file_set_contents(path, "text", -1, NULL));
        g_assert_cmpint(g_chmod(path, 0666), ==, 0);
    }

    run(use_files, directory);
    run(use_programs, directory);
    run(need_no_new_privs, directory);

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(directory, names[i], NULL);
        g_assert_cmpint(g_unlink(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(read), ==, 0);
    g_assert_cmpint(g_rmdir(write), ==, 0);
    g_assert_cmpint(g_rmdir(directory), ==, 0);
}

static void raise_descriptors(const char *directory)
{
    struct rlimit limit;
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    limit.rlim_cur = MIN(limit.rlim_max, 20);
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    g_assert_cmpuint(postern_privileges_raise_descriptors(), ==, limit.rlim_max);
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    g_assert_cmpuint(limit.rlim_cur, ==, limit.rlim_max);
}

static void test_raise_descriptors(void)
{
    run(raise_descriptors, NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/privileges/drop-root", test_drop_root);
    g_test_add_func("/privileges/refused-users", test_refused_users);
    g_test_add_func("/privileges/drop-as-user", test_drop_as_user);
    g_test_add_func("/privileges/drop-capabilities", test_drop_capabilities);
    g_test_add_func("/privileges/confine", test_confine);
    g_test_add_func("/privileges/raise-descriptors", test_raise_descriptors);
    return g_test_run();
}
