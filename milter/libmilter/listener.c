#include "milter/libmilter/libmilter.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <pwd.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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
#define ADOPTED_SUFFIX ".adopted"

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
    if (name[0] != '\0' && group == NULL)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                 "there is no group '%s' ([milter] socket_group)", name);
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

static gboolean listen_there(const PosternMilterSocket *place, const char *text, GError **error)
{
    mode_t before = umask(0177); /* until it has its own rights nobody connects */
    (void)smfi_setmaxdatasize(POSTERN_MILTER_COMMAND_MAX_OCTETS);
    (void)smfi_setbacklog(BACKLOG);
    gboolean open = smfi_register(postern_milter_callbacks()) == MI_SUCCESS &&
                    smfi_setconn((char *)(guintptr)text) == MI_SUCCESS && smfi_opensocket(TRUE) == MI_SUCCESS;
    int number = errno;
    umask(before);
    return open || postern_error_set_system(error, number, "[milter] socket = %s", place->text);
}

static gboolean is_among(const GArray *descriptors, int descriptor)
{
    for (guint i = 0; i < descriptors->len; i++)
        if (g_array_index(descriptors, int, i) == descriptor)
            return TRUE;
    return FALSE;
}

static gboolean listens(int descriptor, sa_family_t wanted, const char *path)
{
    struct sockaddr_storage address = {0};
    int listening = 0;
    socklen_t length = sizeof listening, room = sizeof address;
    return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) == 0 && listening != 0 &&
           getsockname(descriptor, (struct sockaddr *)&address, &room) == 0 && address.ss_family == wanted &&
           (path == NULL || strcmp(((struct sockaddr_un *)&address)->sun_path, path) == 0);
}

/* libmilter's own, which it keeps to itself: at path, if it is a unix socket; -1: there is none. */
static int find_own(sa_family_t family, const char *path, const GArray *passed)
{
    for (int descriptor = 0; descriptor < DESCRIPTORS_LOOKED_AT; descriptor++)
        if (!is_among(passed, descriptor) && listens(descriptor, family, path))
            return descriptor;
    return -1;
}

/* A unix socket whose path is gone reaches nobody any more. */
static gboolean is_at(int descriptor, const PosternMilterSocket *place)
{
    struct sockaddr_storage address = {0};
    struct stat status;
    socklen_t length = sizeof address;
    if (getsockname(descriptor, (struct sockaddr *)&address, &length) != 0 ||
        address.ss_family != place->family)
        return FALSE;
    if (place->family == AF_UNIX)
        return strcmp(((struct sockaddr_un *)&address)->sun_path, place->path) == 0 &&
               lstat(place->path, &status) == 0 && S_ISSOCK(status.st_mode);
    return length == place->length && memcmp(&address, &place->address, length) == 0;
}

static int find_passed(const GArray *passed, const PosternMilterSocket *place)
{
    for (guint i = 0; i < passed->len; i++)
        if (is_at(g_array_index(passed, int, i), place))
            return g_array_index(passed, int, i);
    return -1;
}

/* A name beside path, however long that is; a new string. */
static char *beside(const char *path)
{
    gsize length = strlen(path);
    char *name = g_strconcat(path, ADOPTED_SUFFIX, NULL);
    if (strlen(name) < POSTERN_SOCKET_PATH_MAX_OCTETS) /* which libmilter does not take */
        return name;
    name[length] = '\0';
    name[length - 1] = name[length - 1] == '~' ? '-' : '~';
    return name;
}

/* libmilter opens one that nobody knows, and has ours in its place. */
static gboolean adopt(const PosternMilterSocket *place, const GArray *passed, int descriptor, int *ret_own,
                      GError **error)
{
    g_autofree char *path = place->path != NULL ? beside(place->path) : NULL;
    g_autofree char *text = path != NULL                ? g_strconcat("unix:", path, NULL)
                            : place->family == AF_INET6 ? g_strdup("inet6:0@::1")
                                                        : g_strdup("inet:0@127.0.0.1");
    if (!listen_there(place, text, error))
        return FALSE;
    if (path != NULL)
        (void)unlink(path);
    int own = *ret_own = find_own(place->family, path, passed);
    return (own >= 0 && dup3(descriptor, own, O_CLOEXEC) == own) ||
           postern_error_set_system(error, errno, "[milter] socket = %s", place->text);
}

/*
 * libmilter writes an edit and the verdict one by one, so that a verdict would wait for the server's delayed
 * acknowledgement of the edit. Connections take the option from the socket that they were accepted from.
 */
static void send_at_once(const PosternMilterListener *listener)
{
    const int on = 1;
    (void)setsockopt(listener->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

gboolean postern_milter_listener_open(const PosternConfiguration *configuration, const char *user,
                                      const GArray *passed, PosternMilterListener *ret_listener,
                                      GError **error)
{
    g_autoptr(PosternMilterSocket) place = postern_milter_socket_parse(configuration->milter.socket, error);
    int known = place != NULL ? find_passed(passed, place) : -1;
    if (place == NULL || (known < 0 && !is_free(place, error)))
        return FALSE;
    (void)smfi_settimeout((int)(configuration->milter.timeout_ms / 1000));
    *ret_listener = (PosternMilterListener){-1, place->family};
    if (known >= 0 ? !adopt(place, passed, known, &ret_listener->descriptor, error)
                   : !listen_there(place, place->text, error))
        return FALSE;
    if (known < 0)
        ret_listener->descriptor = find_own(place->family, place->path, passed);
    if (place->family == AF_UNIX)
        return set_rights(place, configuration, user, error);
    send_at_once(ret_listener);
    return TRUE;
}

PosternMilterSocket *postern_milter_listener_leave(const PosternMilterListener *listener)
{
    g_autoptr(PosternMilterSocket) place = g_new0(PosternMilterSocket, 1);
    struct sockaddr *address = (struct sockaddr *)&place->address;
    socklen_t length = listener->family == AF_UNIX    ? sizeof(sa_family_t) /* the kernel names it */
                       : listener->family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                                      : sizeof(struct sockaddr_in);
    place->family = address->sa_family = listener->family;
    place->length = sizeof place->address;
    if (listener->family == AF_INET)
        ((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else if (listener->family == AF_INET6)
        ((struct sockaddr_in6 *)address)->sin6_addr = in6addr_loopback;
    int descriptor = socket(listener->family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    gboolean done = listener->descriptor >= 0 && descriptor >= 0 && bind(descriptor, address, length) == 0 &&
                    listen(descriptor, BACKLOG) == 0 &&
                    getsockname(descriptor, address, &place->length) == 0 &&
                    dup3(descriptor, listener->descriptor, O_CLOEXEC) == listener->descriptor;
    if (descriptor >= 0)
        close(descriptor);
    return done ? g_steal_pointer(&place) : NULL;
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
