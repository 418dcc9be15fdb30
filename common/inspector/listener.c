#include "inspector/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"

#define SYSTEMD_DESCRIPTOR 3
#define BACKLOG 256

/* The descriptor that systemd's socket unit hands over, or -1. */
static int systemd_descriptor(void)
{
    const char *process = g_getenv("LISTEN_PID");
    const char *count = g_getenv("LISTEN_FDS");
    g_autofree char *own = g_strdup_printf("%d", (int)getpid());
    gboolean ours = g_strcmp0(process, own) == 0 && g_strcmp0(count, "1") == 0;
    return ours ? SYSTEMD_DESCRIPTOR : -1;
}

static gboolean option_is(int descriptor, int option, int wanted)
{
    int value = -1;
    socklen_t length = sizeof value;
    return getsockopt(descriptor, SOL_SOCKET, option, &value, &length) == 0 && value == wanted;
}

static gboolean take(PosternListener *listener, int descriptor, GError **error)
{
    struct sockaddr_un address = {0};
    socklen_t length = sizeof address;
    if (!option_is(descriptor, SO_DOMAIN, AF_UNIX) || !option_is(descriptor, SO_TYPE, SOCK_SEQPACKET) ||
        !option_is(descriptor, SO_ACCEPTCONN, 1))
        return postern_error_set(error, POSTERN_ERROR_USAGE,
                                 "descriptor %d is no listening Unix socket of type SOCK_SEQPACKET (systemd: "
                                 "ListenSequentialPacket=)",
                                 descriptor);
    int flags = fcntl(descriptor, F_GETFL);
    if (flags < 0 || fcntl(descriptor, F_SETFL, flags | O_NONBLOCK) != 0 ||
        fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0)
        return postern_error_set_system(error, errno, "setting up descriptor %d", descriptor);
    listener->descriptor = descriptor;
    if (getsockname(descriptor, (struct sockaddr *)&address, &length) == 0 && address.sun_path[0] == '/')
        listener->path = g_strndup(address.sun_path, sizeof address.sun_path);
    return TRUE;
}

/* Removes a socket that nobody listens on. FALSE: somebody does, or it is no socket. */
static gboolean clear_path(const struct sockaddr_un *address, GError **error)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0)
        return TRUE;
    int probe = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    gboolean refused = S_ISSOCK(status.st_mode) && probe >= 0 &&
                       connect(probe, (const struct sockaddr *)address, sizeof *address) != 0 &&
                       errno == ECONNREFUSED;
    if (probe >= 0)
        close(probe);
    if (!refused || unlink(address->sun_path) != 0)
        return postern_error_set(error, POSTERN_ERROR_UNAVAILABLE,
                                 "%s is there already: another inspector listens on it, or it is no socket",
                                 address->sun_path);
    return TRUE;
}

static gboolean make(PosternListener *listener, const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path)
        return postern_error_set(error, POSTERN_ERROR_USAGE, "the path %s is too long for a socket", path);
    if (!clear_path(&address, error))
        return FALSE;
    listener->descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t before = umask(0117);
    gboolean bound = listener->descriptor >= 0 &&
                     bind(listener->descriptor, (const struct sockaddr *)&address, sizeof address) == 0;
    int number = errno;
    umask(before);
    if (bound) {
        listener->path = g_strdup(path);
        listener->own = TRUE;
    }
    if (!bound || listen(listener->descriptor, BACKLOG) != 0)
        return postern_error_set_system(error, bound ? errno : number, "listening on %s", path);
    return TRUE;
}

PosternListener *postern_listener_new(int descriptor, const char *path, GError **error)
{
    g_autoptr(PosternListener) listener = g_new0(PosternListener, 1);
    int inherited = descriptor >= 0 ? descriptor : systemd_descriptor();
    listener->descriptor = -1;
    if (inherited < 0 && (path == NULL || path[0] == '\0')) {
        g_set_error_literal(
            error, POSTERN_ERROR, POSTERN_ERROR_USAGE,
            "no socket to listen on: give --socket PATH, or [inspector] socket in the configuration");
        return NULL;
    }
    gboolean made = inherited >= 0 ? take(listener, inherited, error) : make(listener, path, error);
    return made ? g_steal_pointer(&listener) : NULL;
}

void postern_listener_free(PosternListener *listener)
{
    if (listener == NULL)
        return;
    if (listener->own)
        unlink(listener->path);
    if (listener->descriptor >= 0)
        close(listener->descriptor);
    g_free(listener->path);
    g_free(listener);
}

static gboolean find_group(const char *name, const char *asking, gid_t *ret_group, GError **error)
{
    const struct group *group = name[0] != '\0' ? getgrnam(name) : NULL;
    const struct passwd *entry = getpwnam(asking);
    if (name[0] != '\0' && group == NULL)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                 "there is no group '%s' ([inspector] socket_group)", name);
    *ret_group = group != NULL ? group->gr_gid : entry != NULL ? entry->pw_gid : getegid();
    return TRUE;
}

gboolean postern_listener_give_to(PosternListener *listener, const char *user, const char *group,
                                  const char *asking, GError **error)
{
    const struct passwd *entry = getpwnam(user);
    uid_t owner = entry != NULL ? entry->pw_uid : (uid_t)-1;
    gid_t of = 0;
    if (!listener->own || geteuid() != 0)
        return TRUE;
    if (!find_group(group, asking, &of, error))
        return FALSE;
    return lchown(listener->path, owner, of) == 0 ||
           postern_error_set_system(error, errno, "giving %s to user %s", listener->path, user);
}

void postern_listener_remove(PosternListener *listener)
{
    if (listener->path == NULL)
        return;
    g_autofree char *directory = g_path_get_dirname(listener->path);
    unlink(listener->path);
    rmdir(directory);
}
