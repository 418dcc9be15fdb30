#include "daemon/notify.h"

#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define FIRST_SOCKET 3
#define KEPT_NAME "postern-listener"

typedef struct {
    int socket;
    guint number;
} Passed;

/* With a socket, or NULL. */
static void send_state(const char *state, const int *socket_sent)
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
        char octets[CMSG_SPACE(sizeof(int))];
    } control = {
        .head = {.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(sizeof(int))}};
    if (socket_sent != NULL)
        memcpy(CMSG_DATA(&control.head), socket_sent, sizeof *socket_sent);
    struct iovec piece = {.iov_base = (void *)(guintptr)state, .iov_len = strlen(state)};
    const struct msghdr message = {
        .msg_name = &address,
        .msg_namelen = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length),
        .msg_iov = &piece,
        .msg_iovlen = 1,
        .msg_control = socket_sent != NULL ? &control : NULL,
        .msg_controllen = socket_sent != NULL ? sizeof control.octets : 0,
    };
    int descriptor = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return;
    (void)sendmsg(descriptor, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(descriptor);
}

void postern_notify(const char *state)
{
    send_state(state, NULL);
}

gboolean postern_notify_is_heard(void)
{
    return g_getenv("NOTIFY_SOCKET") != NULL;
}

/* Each has a name with its number: the manager hands them over in any order. */
static void send_kept(const char *what, guint number, const int *socket)
{
    g_autofree char *state = g_strdup_printf("%s=1\nFDNAME=" KEPT_NAME "-%u", what, number);
    send_state(state, socket);
}

void postern_notify_keep(const GArray *sockets, guint before)
{
    postern_notify("FDSTOREREMOVE=1\nFDNAME=" KEPT_NAME); /* of a version that kept all by one name */
    for (guint i = 0; i < MAX(sockets->len, before); i++)
        send_kept("FDSTOREREMOVE", i, NULL);
    for (guint i = 0; i < sockets->len; i++)
        send_kept("FDSTORE", i, &g_array_index(sockets, int, i));
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

/* The number of one that was kept; else those go last. */
static guint number_in(const char *name)
{
    guint64 number = 0;
    const char *digits =
        name != NULL && g_str_has_prefix(name, KEPT_NAME "-") ? name + strlen(KEPT_NAME "-") : "";
    return g_ascii_string_to_unsigned(digits, 10, 0, G_MAXINT16, &number, NULL) ? (guint)number : G_MAXUINT;
}

static int compare_passed(gconstpointer a, gconstpointer b)
{
    const Passed *first = a, *second = b;
    return first->number != second->number ? (first->number < second->number ? -1 : 1)
                                           : first->socket - second->socket;
}

GArray *postern_notify_take_sockets(guint *ret_kept)
{
    GArray *sockets = g_array_new(FALSE, FALSE, sizeof(int));
    g_autoptr(GArray) passed = g_array_new(FALSE, FALSE, sizeof(Passed));
    guint64 count = g_getenv("LISTEN_PID") != NULL ? number_for_us("LISTEN_FDS", "LISTEN_PID") : 0;
    const char *text = g_getenv("LISTEN_FDNAMES");
    g_auto(GStrv) names = g_strsplit(text != NULL ? text : "", ":", -1);
    guint named = g_strv_length(names);
    *ret_kept = text != NULL && strstr(text, KEPT_NAME) != NULL ? 1 : 0;
    for (int i = 0; i < (int)MIN(count, G_MAXINT16); i++) {
        Passed one = {.socket = FIRST_SOCKET + i, .number = number_in((guint)i < named ? names[i] : NULL)};
        int flags = fcntl(one.socket, F_GETFL);
        if (one.number != G_MAXUINT)
            *ret_kept = MAX(*ret_kept, one.number + 1);
        if (flags >= 0 && fcntl(one.socket, F_SETFL, flags | O_NONBLOCK) == 0 &&
            fcntl(one.socket, F_SETFD, FD_CLOEXEC) == 0)
            g_array_append_val(passed, one);
    }
    g_array_sort(passed, compare_passed);
    for (guint i = 0; i < passed->len; i++)
        g_array_append_val(sockets, g_array_index(passed, Passed, i).socket);
    g_unsetenv("LISTEN_PID");
    g_unsetenv("LISTEN_FDS");
    g_unsetenv("LISTEN_FDNAMES");
    return sockets;
}

gint64 postern_notify_watchdog_time(void)
{
    return (gint64)number_for_us("WATCHDOG_USEC", "WATCHDOG_PID");
}
