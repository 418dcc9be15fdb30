#include "proxy/connection/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "base/error.h"

static const char *advice(int number)
{
    switch (number) {
    case EADDRINUSE:
        return "another program listens there: stop it, or choose another [proxy] listen";
    case EACCES:
    case EPERM:
        return "ports below 1024 need root, or CAP_NET_BIND_SERVICE";
    case EADDRNOTAVAIL:
        return "this machine has no such address";
    default:
        return "see [proxy] listen";
    }
}

static int open_one(const struct sockaddr *address, socklen_t length)
{
    int on = 1;
    int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return -1;
    gboolean ok = setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                  setsockopt(descriptor, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0;
    if (ok && address->sa_family == AF_INET6)
        ok = setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0;
    if (ok && bind(descriptor, address, length) == 0 && listen(descriptor, SOMAXCONN) == 0)
        return descriptor;
    int number = errno;
    close(descriptor);
    errno = number;
    return -1;
}

/* SO_REUSEPORT lets a second proxy of the same user share the port in silence: the first socket is tried
 * without. */
static gboolean is_free(const struct sockaddr *address, socklen_t length)
{
    int on = 1;
    int descriptor = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (descriptor < 0)
        return FALSE;
    (void)setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->sa_family == AF_INET6)
        (void)setsockopt(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    gboolean ok = bind(descriptor, address, length) == 0 && listen(descriptor, 1) == 0;
    int number = errno;
    close(descriptor);
    errno = number;
    return ok;
}

static gboolean listens_on(int descriptor, const struct sockaddr *address, socklen_t length)
{
    struct sockaddr_storage own = {0};
    socklen_t own_length = sizeof own, int_length = sizeof(int);
    int listens = 0;
    return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_length) == 0 && listens != 0 &&
           getsockname(descriptor, (struct sockaddr *)&own, &own_length) == 0 && own_length == length &&
           memcmp(&own, address, length) == 0;
}

/* FALSE: none of passed listens there. */
static gboolean take_passed(const struct sockaddr *address, socklen_t length, guint count, GArray *passed,
                            GArray *ret_sockets)
{
    guint taken = 0;
    for (guint i = 0; i < passed->len;) {
        int descriptor = g_array_index(passed, int, i);
        if (!listens_on(descriptor, address, length)) {
            i++;
            continue;
        }
        g_array_append_val(ret_sockets, descriptor);
        g_array_remove_index(passed, i);
        taken++;
    }
    for (guint i = 0; taken > 0 && taken + i < count; i++) {
        int copy = fcntl(g_array_index(ret_sockets, int, ret_sockets->len - taken), F_DUPFD_CLOEXEC, 0);
        if (copy >= 0)
            g_array_append_val(ret_sockets, copy);
    }
    return taken > 0;
}

gboolean postern_listener_open(const char *address, guint count, GArray *passed, GArray *ret_sockets,
                               GError **error)
{
    struct sockaddr_storage storage;
    g_autoptr(GInetSocketAddress) endpoint = postern_endpoint_parse(address, error);
    if (endpoint == NULL ||
        !g_socket_address_to_native(G_SOCKET_ADDRESS(endpoint), &storage, sizeof storage, error)) {
        g_prefix_error(error, "[proxy] listen: ");
        return FALSE;
    }
    gssize length = g_socket_address_get_native_size(G_SOCKET_ADDRESS(endpoint));
    if (take_passed((struct sockaddr *)&storage, (socklen_t)length, count, passed, ret_sockets))
        return TRUE;
    gboolean ok = is_free((struct sockaddr *)&storage, (socklen_t)length);
    for (guint i = 0; ok && i < count; i++) {
        int descriptor = open_one((struct sockaddr *)&storage, (socklen_t)length);
        if (descriptor < 0)
            ok = FALSE;
        else
            g_array_append_val(ret_sockets, descriptor);
    }
    if (ok)
        return TRUE;
    int number = errno;
    return postern_error_set(error, POSTERN_ERROR_SYSTEM, "cannot listen on %s: %s: %s", address,
                             g_strerror(number), advice(number));
}
