#include "base/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/configuration.h"
#include "base/error.h"
#include "base/option.h"

#define PASSWORD_ENTRY_MAX_OCTETS 65536

static gboolean is_root(void)
{
    uid_t real, effective, saved;
    return getresuid(&real, &effective, &saved) != 0 || real == 0 || effective == 0 || saved == 0;
}

static gboolean find_user(const char *user, uid_t *ret_uid, gid_t *ret_gid, GError **error)
{
    g_autofree char *room = g_malloc(PASSWORD_ENTRY_MAX_OCTETS);
    struct passwd entry, *found = NULL;
    int number = getpwnam_r(user, &entry, room, PASSWORD_ENTRY_MAX_OCTETS, &found);

    if (number != 0)
        return postern_error_set_system(error, number, "cannot look up the user '%s' (option 'user')", user);
    if (found == NULL)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                 "there is no user '%s': create it, or name another one in the option 'user'",
                                 user);
    if (found->pw_uid == 0 || found->pw_gid == 0)
        return postern_error_set(
            error, POSTERN_ERROR_CONFIGURATION,
            "the user '%s' is root, or of root's group: name another one in the option 'user'", user);
    *ret_uid = found->pw_uid;
    *ret_gid = found->pw_gid;
    return TRUE;
}

static gboolean is_for_good(uid_t uid, gid_t gid)
{
    uid_t user[3];
    gid_t group[3];

    if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0 || setresgid((gid_t)-1, 0, (gid_t)-1) == 0)
        return FALSE;
    if (getresuid(&user[0], &user[1], &user[2]) != 0 || getresgid(&group[0], &group[1], &group[2]) != 0)
        return FALSE;
    for (guint i = 0; i < 3; i++)
        if (user[i] != uid || group[i] != gid)
            return FALSE;
    return TRUE;
}

static gboolean become(const char *user, GError **error)
{
    uid_t uid = (uid_t)-1;
    gid_t gid = (gid_t)-1;

    if (!find_user(user, &uid, &gid, error))
        return FALSE;
    if (initgroups(user, gid) != 0)
        return postern_error_set_system(error, errno, "cannot take the groups of the user '%s'", user);
    if (setresgid(gid, gid, gid) != 0)
        return postern_error_set_system(error, errno, "cannot take the group of the user '%s'", user);
    if (setresuid(uid, uid, uid) != 0)
        return postern_error_set_system(error, errno, "cannot become the user '%s'", user);
    if (!is_for_good(uid, gid))
        return postern_error_set_system(error, EPERM, "root can be had back after becoming the user '%s'",
                                        user);
    return TRUE;
}

static gboolean is_default_user(const char *group, const char *user)
{
    gsize length = 0;
    const PosternOption *options = postern_configuration_options(&length);

    for (gsize i = 0; i < length; i++)
        if (g_str_equal(options[i].group, group) && g_str_equal(options[i].key, "user"))
            return g_str_equal(options[i].initial, user);
    return FALSE;
}

const char *postern_privileges_user(const char *group, const char *user)
{
    uid_t uid = 0;
    gid_t gid = 0;

    if (!is_root() || !is_default_user(group, user) || find_user(user, &uid, &gid, NULL))
        return user;
    return "nobody";
}

gboolean postern_privileges_user_id(const char *user, uid_t *ret_uid, GError **error)
{
    gid_t gid = 0;

    if (is_root())
        return find_user(user, ret_uid, &gid, error);
    *ret_uid = geteuid();
    return TRUE;
}

gboolean postern_privileges_give(int descriptor, const char *user, GError **error)
{
    uid_t uid = 0;
    gid_t gid = 0;

    if (descriptor < 0 || !is_root())
        return TRUE;
    if (!find_user(user, &uid, &gid, error))
        return FALSE;
    if (fchown(descriptor, uid, gid) != 0)
        return postern_error_set_system(error, errno, "cannot give a file to the user '%s'", user);
    return TRUE;
}

/* Such as the right to low ports, which a service manager gave to who never was root. */
static gboolean drop_capabilities(GError **error)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct had[_LINUX_CAPABILITY_U32S_3] = {0};
    static const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

    if (syscall(SYS_capget, &header, had) != 0)
        return postern_error_set_system(error, errno, "cannot read the capabilities");
    if (memcmp(had, none, sizeof had) == 0)
        return TRUE;
    return syscall(SYS_capset, &header, none) == 0 ||
           postern_error_set_system(error, errno, "cannot give up the capabilities");
}

gboolean postern_privileges_drop(const char *user, GError **error)
{
    if (is_root() && !become(user, error))
        return FALSE;
    if (!drop_capabilities(error))
        return FALSE;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return postern_error_set_system(error, errno, "cannot set no_new_privs");
    return TRUE;
}

guint64 postern_privileges_raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 0;
    rlim_t before = limit.rlim_cur;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
        return before;
    return limit.rlim_cur;
}
