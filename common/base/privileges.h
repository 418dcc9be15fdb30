/*
 * How a program gives up what it does not need. Linux only: setresuid, no_new_privs, Landlock, rlimits.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

/*
 * Becomes user for good: supplementary groups, gid, uid (real, effective, saved), then no capability, then
 * no_new_privs; verifies that root cannot be had back. If the process is not root, user is ignored.
 * An unknown user is an error that says which option named it.
 */
gboolean postern_privileges_drop(const char *user, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The user to become: user, the value of option user in [group], itself; or "nobody" (static) if this
 * process is root, user is the default of that option and this machine has no such user. A daemon that was
 * never installed is then still not root; the caller says so in its log. Nothing is allocated.
 */
const char *postern_privileges_user(const char *group, const char *user);

/* The user id that postern_privileges_drop(user) leaves this process with. */
gboolean postern_privileges_user_id(const char *user, uid_t *ret_uid,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Makes the file behind descriptor user's, if this process is root; else, and for -1, nothing. */
gboolean postern_privileges_give(int descriptor, const char *user, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * What a program may still do with files once it is confined. Paths that do not exist, or that this user
 * cannot reach, are left out. A directory stands for all below it; a link for what it points to. What is
 * executed needs its loader in executable too ("/usr/lib" has it), and its libraries to be readable.
 */
typedef struct {
    const char *const *read_only;  /* NULL-terminated: files and directories that may be read */
    const char *const *read_write; /* NULL-terminated: files and directories that may also be written */
    const char *const *executable; /* NULL-terminated: programs that may be executed */
} PosternPrivilegesPaths;

/*
 * Confines this thread, and all threads and processes made by it later, to paths, with Landlock. Call it
 * before threads exist. *ret_confined tells whether the kernel could; a kernel without Landlock is no
 * error. no_new_privs must be set.
 */
gboolean postern_privileges_confine(const PosternPrivilegesPaths *paths, gboolean *ret_confined,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Raises the soft limit of open descriptors to the hard one; returns the limit in force. */
guint64 postern_privileges_raise_descriptors(void);
