#include "daemon/notify.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_SOCKET 3
#define SOCKETS_MAX 253 /* that one datagram carries: SCM_MAX_FD of Linux */
#define KEPT_NAME "postern-listener"

static void send_state(const char *state, const int *sockets, guint count)
{
    const char *path = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    gsize length = path != NULL ? strlen(path) : 0;
    if (length < 2 || length >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(address.sun_path, path, length);
    if (path[0] == '@') /* of the abstract namespace */
        address.sun_path[0] = '\0';
    union {
        struct cmsghdr head;
        char octets[CMSG_SPACE(SOCKETS_MAX * sizeof(int))];
    } control = {.head = {.cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS,
                          .cmsg_len = CMSG_LEN(count * sizeof(int))}};
    if (count > 0)
        memcpy(CMSG_DATA(&control.head), sockets, count * sizeof(int));
    struct iovec piece = {.iov_base = (void *)(guintptr)state, .iov_len = strlen(state)};
    const struct msghdr message = {
        .msg_name = &address,
        .msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length),
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = count > 0 ? &control : NULL,
        .msg_controllen = count > 0 ? CMSG_SPACE(count * sizeof(int)) : 0,
    };
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return;
    (void)sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(descriptor);
}

void postern_notify(const char *state)
{
    send_state(state, NULL, 0);
}

gboolean postern_notify_is_heard(void)
{
    return g_getenv("NOTIFY_SOCKET") != NULL;
}

void postern_notify_keep(const GArray *sockets)
{
    postern_notify("FDSTOREREMOVE=1\nFDNAME=" KEPT_NAME);
    for (guint at = 0; at < sockets->len; at += SOCKETS_MAX)
        send_state("FDSTORE=1\nFDNAME=" KEPT_NAME, &g_array_index(sockets, int, at),
                   MIN(sockets->len - at, SOCKETS_MAX));
}

/* A number in the environment that is for the process of that name in it; 0: there is none. */
static guint64 number_for_us(const char *number, const char *process)
{
    guint64 value = 0, pid = 0;
    const char *text = g_getenv(number), *whose = g_getenv(process);
    gboolean ours = whose == NULL || (g_ascii_string_to_unsigned(whose, 10, 1, G_MAXINT, &pid, NULL) &&
                                      pid == (guint64)getpid());
    return ours && text != NULL && g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT64, &value, NULL) ? value
                                                                                                     : 0;
}

GArray *postern_notify_take_sockets(gboolean *ret_kept)
{
    GArray *sockets = g_array_new(FALSE, FALSE, sizeof(int));
    guint64 count = g_getenv("LISTEN_PID") != NULL ? number_for_us("LISTEN_FDS", "LISTEN_PID") : 0;
    const char *names = g_getenv("LISTEN_FDNAMES");
    *ret_kept = names != NULL && strstr(names, KEPT_NAME) != NULL;
    for (int i = FIRST_SOCKET; i < FIRST_SOCKET + (int)MIN(count, G_MAXINT16); i++) {
        int flags = fcntl(i, F_GETFL);
        if (flags >= 0 && fcntl(i, F_SETFL, flags | O_NONBLOCK) == 0 && fcntl(i, F_SETFD, FD_CLOEXEC) == 0)
            g_array_append_val(sockets, i);
    }
    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    g_unsetenv("LISTEN_FDNAMES");
    return sockets;
}

gint64 postern_notify_watchdog_time(void)
{
    return (gint64)number_for_us("WATCHDOG_USEC", "WATCHDOG_PID");
}
