#include "base/configuration/listeners.h"

#include "base/endpoint.h"

/* What comes to listener comes to server. */
static gboolean is_same_endpoint(GInetSocketAddress *listener, const PosternAddress *server)
{
    GInetAddress *address = g_inet_socket_address_get_address(listener);
    g_autofree char *text = g_inet_address_to_string(address);
    g_autofree char *other = postern_address_to_string(server);
    gboolean any = g_inet_address_get_is_any(address) && postern_address_is_loopback(server) &&
                   (int)g_inet_address_get_family(address) == server->family;
    return g_inet_socket_address_get_port(listener) == server->port && (any || g_str_equal(text, other));
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
