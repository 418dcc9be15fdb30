#include "milter/libmilter/libmilter.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/milter_socket.h"
#include "milter/libmilter/callbacks.h"

#define BACKLOG 1024
/* A sanitizer's threads need more. */
#ifdef POSTERN_SANITIZED
#define STACK_OCTETS (8 * 1024 * 1024)
#else
#define STACK_OCTETS (256 * 1024)
#endif
#define DESCRIPTORS_LOOKED_AT 256 /* the process has opened few when it begins to listen */

static gboolean is_taken(int descriptor, const PosternMilterSocket *place)
{
    const int on = 1;
    const struct sockaddr *address = (const struct sockaddr *)&place->address;
    if (place->family == AF_UNIX)
        return connect(descriptor, address, place->length) == 0;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    return bind(descriptor, address, place->length) != 0 || listen(descriptor, 1) != 0;
}

/* libmilter says in the system log alone why it cannot listen, and would take a path from one who listens
 * there. */
static gboolean is_free(const PosternMilterSocket *place, GError **error)
{
    int descriptor = socket(place->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return postern_error_set_system(error, errno, "[milter] socket = %s", place->text);
    gboolean taken = is_taken(descriptor, place);
    int number = place->family == AF_UNIX ? EADDRINUSE : errno;
    close(descriptor);
    return !taken || postern_error_set_system(error, number, "[milter] socket = %s", place->text);
}

static gboolean find_group(const char *name, const char *user, gid_t *ret_group, GError **error)
{
    const struct group *group = name[0] != '\0' ? getgrnam(name) : NULL;
    if (name[0] != '\0' && group == NULL) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                    "there is no group '%s' ([milter] socket_group)", name);
        return FALSE;
    }
    const struct passwd *entry = getpwnam(user);
    *ret_group = group != NULL ? group->gr_gid : entry != NULL ? entry->pw_gid : getegid();
    return TRUE;
}

/* Its directory may be the user's, who could put a link in its place: root gives nothing else away. */
static int open_socket_itself(const char *path)
{
    struct stat status;
    int descriptor = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0 || (fstat(descriptor, &status) == 0 && S_ISSOCK(status.st_mode)))
        return descriptor;
    close(descriptor);
    errno = ENOTSOCK;
    return -1;
}

static gboolean set_rights(const PosternMilterSocket *place, const PosternConfiguration *configuration,
                           const char *user, GError **error)
{
    gid_t group = 0;
    guint64 mode = g_ascii_strtoull(configuration->milter.socket_mode, NULL, 8);
    const struct passwd *entry = geteuid() == 0 ? getpwnam(user) : NULL;
    gboolean given = geteuid() == 0 || configuration->milter.socket_group[0] != '\0';
    if (given && !find_group(configuration->milter.socket_group, user, &group, error))
        return FALSE;
    uid_t owner = entry != NULL ? entry->pw_uid : (uid_t)-1;
    int descriptor = open_socket_itself(place->path);
    g_autofree char *itself = g_strdup_printf("/proc/self/fd/%d", descriptor);
    gboolean done = descriptor >= 0 &&
                    (!given || fchownat(descriptor, "", owner, group, AT_EMPTY_PATH) == 0) &&
                    chmod(itself, (mode_t)mode) == 0;
    int number = errno;
    if (descriptor >= 0)
        close(descriptor);
    return done || postern_error_set_system(error, number, "setting owner and rights of %s", place->path);
}

static gboolean listen_there(const PosternMilterSocket *place, GError **error)
{
    mode_t before = umask(0177); /* until it has its own rights nobody connects */
    (void)smfi_setmaxdatasize(POSTERN_MILTER_COMMAND_MAX_OCTETS);
    (void)smfi_setbacklog(BACKLOG);
    gboolean open = smfi_register(postern_milter_callbacks()) == MI_SUCCESS &&
                    smfi_setconn(place->text) == MI_SUCCESS && smfi_opensocket(TRUE) == MI_SUCCESS;
    int number = errno;
    umask(before);
    return open || postern_error_set_system(error, number, "[milter] socket = %s", place->text);
}

/*
 * libmilter writes an edit and the verdict one by one, so that a verdict would wait for the server's delayed
 * acknowledgement of the edit. Connections take the option from the socket that they were accepted from,
 * which libmilter keeps to itself.
 */
static void send_at_once(const PosternMilterSocket *place)
{
    const int on = 1;
    for (int descriptor = 0; descriptor < DESCRIPTORS_LOOKED_AT; descriptor++) {
        int listens = 0;
        int family = 0;
        socklen_t length = sizeof listens;
        if (getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &length) == 0 && listens != 0 &&
            getsockopt(descriptor, SOL_SOCKET, SO_DOMAIN, &family, &length) == 0 && family == place->family)
            (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
}

gboolean postern_milter_listener_open(const PosternConfiguration *configuration, const char *user,
                                      GError **error)
{
    g_autoptr(PosternMilterSocket) place = postern_milter_socket_parse(configuration->milter.socket, error);
    if (place == NULL || !is_free(place, error))
        return FALSE;
    (void)smfi_settimeout((int)(configuration->milter.timeout_ms / 1000));
    if (!listen_there(place, error))
        return FALSE;
    if (place->family == AF_UNIX)
        return set_rights(place, configuration, user, error);
    send_at_once(place);
    return TRUE;
}

void postern_milter_listener_remove(const PosternConfiguration *configuration)
{
    g_autoptr(PosternMilterSocket) place = postern_milter_socket_parse(configuration->milter.socket, NULL);
    if (place != NULL && place->path != NULL)
        (void)unlink(place->path);
}

void postern_milter_serve(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstacksize(&attributes, STACK_OCTETS) == 0)
        (void)pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
    (void)smfi_main();
}
