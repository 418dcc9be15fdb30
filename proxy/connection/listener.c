#include "proxy/connection/listener.h"

#include <errno.h>
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

gboolean postern_listener_open(const char *address, guint count, GArray *ret_sockets, GError **error)
{
    struct sockaddr_storage storage;
    g_autoptr(GInetSocketAddress) endpoint = postern_endpoint_parse(address, error);
    if (endpoint == NULL ||
        !g_socket_address_to_native(G_SOCKET_ADDRESS(endpoint), &storage, sizeof storage, error)) {
        g_prefix_error(error, "[proxy] listen: ");
        return FALSE;
    }
    gssize length = g_socket_address_get_native_size(G_SOCKET_ADDRESS(endpoint));
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
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM, "cannot listen on %s: %s: %s", address,
                g_strerror(number), advice(number));
    return FALSE;
}
