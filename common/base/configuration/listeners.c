#include "base/configuration/listeners.h"

#include <ifaddrs.h>

#include "base/endpoint.h"

/* An interface of this machine has it now. */
static gboolean is_of_this_machine(const PosternAddress *address)
{
    struct ifaddrs *interfaces = NULL;
    gboolean found = FALSE;
    if (getifaddrs(&interfaces) < 0)
        return FALSE;
    for (const struct ifaddrs *one = interfaces; one != NULL && !found; one = one->ifa_next) {
        if (one->ifa_addr == NULL || one->ifa_addr->sa_family != address->family)
            continue;
        const PosternAddress own = postern_address_from_sockaddr(one->ifa_addr);
        found = postern_address_is_same_host(&own, address);
    }
    freeifaddrs(interfaces);
    return found;
}

/* What comes to listener comes to server. */
static gboolean is_same_endpoint(GInetSocketAddress *listener, const PosternAddress *server)
{
    GInetAddress *address = g_inet_socket_address_get_address(listener);
    g_autofree char *text = g_inet_address_to_string(address);
    g_autofree char *other = postern_address_to_string(server);
    if (g_inet_socket_address_get_port(listener) != server->port)
        return FALSE;
    if (g_str_equal(text, other))
        return TRUE;
    return g_inet_address_get_is_any(address) && (int)g_inet_address_get_family(address) == server->family &&
           (postern_address_is_loopback(server) || is_of_this_machine(server));
}

const char *postern_configuration_listener_at(const PosternConfiguration *configuration,
                                              const PosternAddress *server)
{
    char **const lists[] = {configuration->proxy.listen, configuration->proxy.submission_listen,
                            configuration->proxy.tls_listen, configuration->proxy.submission_tls_listen};
    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++)
        for (char **text = lists[i]; *text != NULL; text++) {
            g_autoptr(GInetSocketAddress) listener = postern_endpoint_parse(*text, NULL);
            if (listener != NULL && is_same_endpoint(listener, server))
                return *text;
        }
    return NULL;
}
