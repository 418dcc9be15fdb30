#include "inspector/clamd_socket.h"

#include <errno.h>
#include <gio/gio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/endpoint.h"
#include "base/error.h"

typedef union {
    struct sockaddr any;
    struct sockaddr_un local;
    struct sockaddr_storage internet;
} Address;

static gboolean address_of(const char *place, Address *address, socklen_t *ret_length, GError **error)
{
    if (g_path_is_absolute(place)) {
        address->local.sun_family = AF_UNIX;
        *ret_length = sizeof address->local;
        if (g_strlcpy(address->local.sun_path, place, sizeof address->local.sun_path) <
            sizeof address->local.sun_path)
            return TRUE;
        return postern_error_set(error, POSTERN_ERROR_USAGE, "the path %s is too long for a socket", place);
    }
    g_autoptr(GInetSocketAddress) endpoint = postern_endpoint_parse(place, error);
    *ret_length = sizeof address->internet;
    return endpoint != NULL && g_socket_address_to_native(G_SOCKET_ADDRESS(endpoint), &address->internet,
                                                          sizeof address->internet, error);
}

int postern_clamd_socket_new(const char *place, gboolean *ret_begun, GError **error)
{
    static const char session[] = "zIDSESSION";
    Address address = {.any.sa_family = AF_UNSPEC};
    socklen_t length = 0;
    *ret_begun = FALSE;
    if (!address_of(place, &address, &length, error))
        return -1;
    int descriptor = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) {
        postern_error_set_system(error, errno, "making a socket");
        return -1;
    }
    gboolean connected = connect(descriptor, &address.any, length) == 0;
    gboolean possible = connected || errno == EINPROGRESS;
    if (connected)
        *ret_begun = possible = send(descriptor, session, sizeof session, MSG_NOSIGNAL) == sizeof session;
    if (possible)
        return descriptor;
    postern_error_set_system(error, errno, "connecting to %s", place);
    close(descriptor);
    return -1;
}

gboolean postern_clamd_socket_ask(const char *place, PosternVirusEngine *engine, char **ret_version,
                                  GError **error)
{
    PosternScanner scanner = {-1, FALSE};
    scanner.descriptor = postern_clamd_socket_new(place, &scanner.begun, NULL);
    gboolean there =
        postern_virus_engine_ask_clamd(engine, scanner.descriptor >= 0 ? &scanner : NULL, ret_version, error);
    if (scanner.descriptor >= 0)
        close(scanner.descriptor);
    return there;
}
