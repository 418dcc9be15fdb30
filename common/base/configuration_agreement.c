#include "base/configuration_agreement.h"

#include "base/endpoint.h"

static gboolean is_same_address(GInetAddress *listener, GInetAddress *backend)
{
    if (g_inet_address_equal(listener, backend))
        return TRUE;
    return g_inet_address_get_is_any(listener) && g_inet_address_get_is_loopback(backend) &&
           g_inet_address_get_family(listener) == g_inet_address_get_family(backend);
}

static gboolean is_same_endpoint(GInetSocketAddress *listener, GInetSocketAddress *backend)
{
    return g_inet_socket_address_get_port(listener) == g_inet_socket_address_get_port(backend) &&
           is_same_address(g_inet_socket_address_get_address(listener),
                           g_inet_socket_address_get_address(backend));
}

static gboolean is_loopback(GInetSocketAddress *endpoint)
{
    return g_inet_address_get_is_loopback(g_inet_socket_address_get_address(endpoint));
}

static void check_listeners(const PosternConfiguration *configuration, PosternMistakes *mistakes)
{
    g_autoptr(GInetSocketAddress) backend = postern_endpoint_parse(configuration->proxy.backend, NULL);
    g_autoptr(GPtrArray) listeners = g_ptr_array_new_with_free_func(g_object_unref);
    gboolean all_loopback = TRUE;

    for (char **listen = configuration->proxy.listen; *listen != NULL; listen++) {
        GInetSocketAddress *listener = postern_endpoint_parse(*listen, NULL);
        g_return_if_fail(listener != NULL && backend != NULL);
        for (guint i = 0; i < listeners->len; i++) {
            GInetSocketAddress *other = listeners->pdata[i];
            if (g_inet_socket_address_get_port(other) == g_inet_socket_address_get_port(listener) &&
                g_inet_address_equal(g_inet_socket_address_get_address(other),
                                     g_inet_socket_address_get_address(listener)))
                postern_mistakes_add(mistakes, "proxy", "listen", "'%s' stands there twice", *listen);
        }
        g_ptr_array_add(listeners, listener);
        all_loopback = all_loopback && is_loopback(listener);
        if (is_same_endpoint(listener, backend))
            postern_mistakes_add(
                mistakes, "proxy", "backend",
                "'%s' is where the proxy itself listens ('%s'): mail would go round in a loop",
                configuration->proxy.backend, *listen);
    }
    if (configuration->proxy.client_address != POSTERN_CLIENT_ADDRESS_XCLIENT && !all_loopback &&
        configuration->proxy.recipient_domains[0] == NULL)
        postern_mistakes_add(
            mistakes, "proxy", "recipient_domains",
            "must name your domains: with client_address = %s the back-end takes every client for "
            "the proxy, and would relay for strangers (or listen on loopback addresses alone)",
            configuration->proxy.client_address == POSTERN_CLIENT_ADDRESS_NONE ? "none" : "xforward");
}

void postern_configuration_agree(const PosternConfiguration *configuration, PosternMistakes *mistakes)
{
    check_listeners(configuration, mistakes);
    if (configuration->proxy.message_memory < configuration->proxy.message_size)
        postern_mistakes_add(mistakes, "proxy", "message_memory",
                             "is less than message_size: a message of that size could never be taken");
    if (configuration->milter.message_memory < configuration->milter.message_size)
        postern_mistakes_add(mistakes, "milter", "message_memory",
                             "is less than message_size: a message of that size could never be looked at");
    if (configuration->dns.answers[0] != '\0' && configuration->dns.servers[0] != NULL)
        postern_mistakes_add(
            mistakes, "dns", "answers",
            "takes the place of the network, so that servers are never asked: keep one of both");
}
