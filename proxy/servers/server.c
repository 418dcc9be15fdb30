#include "proxy/servers/server.h"

#include <gio/gio.h>

#include "base/endpoint.h"

PosternServerSettings *postern_server_settings_new(const char *name, guint weight, guint limit,
                                                   GError **error)
{
    struct sockaddr_storage storage;
    g_autoptr(GInetSocketAddress) address = postern_endpoint_parse(name, error);
    if (address == NULL ||
        !g_socket_address_to_native(G_SOCKET_ADDRESS(address), &storage, sizeof storage, error))
        return NULL;
    PosternServerSettings *settings = g_new0(PosternServerSettings, 1);
    settings->name = g_strdup(name);
    settings->address = postern_address_from_sockaddr((struct sockaddr *)&storage);
    settings->weight = weight;
    settings->limit = limit;
    return settings;
}

void postern_server_settings_free(PosternServerSettings *settings)
{
    if (settings == NULL)
        return;
    g_free(settings->name);
    g_free(settings);
}
