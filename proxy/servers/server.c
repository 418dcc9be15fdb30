#include "proxy/servers/server.h"

#include <gio/gio.h>

#include "base/endpoint.h"
#include "base/log.h"
#include "proxy/servers/group_private.h"

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

PosternServer *postern_server_new(const PosternServerSettings *settings)
{
    PosternServer *server = g_new0(PosternServer, 1);
    server->references = 1;
    server->name = g_strdup(settings->name);
    server->address = settings->address;
    server->weight = MAX(1, settings->weight);
    server->limit = MAX(1, settings->limit);
    server->retry_at = G_MININT64;
    pthread_mutex_init(&server->status_lock, NULL);
    return server;
}

PosternServer *postern_server_ref(PosternServer *server)
{
    g_atomic_int_inc(&server->references);
    return server;
}

void postern_server_unref(PosternServer *server)
{
    if (server == NULL || !g_atomic_int_dec_and_test(&server->references))
        return;
    pthread_mutex_destroy(&server->status_lock);
    g_free(server->reason);
    g_free(server->problem);
    g_free(server->warning);
    g_free(server->name);
    g_free(server);
}

const char *postern_server_name(const PosternServer *server)
{
    return server->name;
}

const PosternAddress *postern_server_address(const PosternServer *server)
{
    return &server->address;
}

void postern_server_set_health(PosternServer *server, PosternServerHealth health, const char *reason)
{
    static const char *const names[] = {
        [POSTERN_SERVER_UNKNOWN] = "unknown", [POSTERN_SERVER_UP] = "up", [POSTERN_SERVER_DOWN] = "down"};
    g_autofree char *copy = g_strdup(reason);
    postern_log_state("server", server->name, names[server->health], names[health]);
    server->health = health;
    g_free(server->reason);
    server->reason = g_steal_pointer(&copy);
}

/* FALSE: it is what was said last. */
static gboolean replace(PosternServer *server, char **said, const char *text)
{
    pthread_mutex_lock(&server->status_lock);
    gboolean changed = g_strcmp0(*said, text) != 0;
    if (changed) {
        g_free(*said);
        *said = g_strdup(text);
    }
    pthread_mutex_unlock(&server->status_lock);
    return changed;
}

void postern_server_note_problem(PosternServer *server, const char *text)
{
    if (!replace(server, &server->problem, text))
        return;
    if (text != NULL)
        postern_log(POSTERN_LOG_ERROR, "back-end %s: %s", server->name, text);
    else
        postern_log(POSTERN_LOG_NOTICE, "back-end %s: in service", server->name);
}

void postern_server_warn(PosternServer *server, const char *text)
{
    if (replace(server, &server->warning, text) && text != NULL)
        postern_log(POSTERN_LOG_WARNING, "back-end %s: %s", server->name, text);
}
