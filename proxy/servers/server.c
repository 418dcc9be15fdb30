#include "proxy/servers/server.h"

#include <string.h>

#include "base/log.h"
#include "base/server_entry.h"
#include "proxy/servers/group_private.h"

/* Of _service._protocol.name (RFC 2782) the name. */
static char *certificate_name_of(const PosternServerSettings *settings)
{
    const char *name = settings->host;
    for (guint i = 0; settings->srv && i < 2; i++)
        name = strchr(name, '.') + 1;
    return g_strdup(name);
}

PosternServerSettings *postern_server_settings_new(const char *text, guint limit, GError **error)
{
    g_autoptr(PosternServerEntry) entry = postern_server_entry_parse(text, error);
    if (entry == NULL)
        return NULL;
    PosternServerSettings *settings = g_new0(PosternServerSettings, 1);
    settings->name = g_strdup(entry->place);
    settings->address = entry->address;
    settings->host = g_steal_pointer(&entry->host);
    settings->srv = entry->srv;
    settings->certificate_name = certificate_name_of(settings);
    settings->lmtp = entry->lmtp;
    settings->weight = entry->weight;
    settings->limit = entry->limit > 0 ? entry->limit : limit;
    settings->backup = entry->backup;
    settings->drain = entry->drain;
    return settings;
}

PosternServerSettings *postern_server_settings_copy(const PosternServerSettings *settings)
{
    PosternServerSettings *copy = g_memdup2(settings, sizeof *settings);
    copy->name = g_strdup(settings->name);
    copy->host = g_strdup(settings->host);
    copy->certificate_name = g_strdup(settings->certificate_name);
    copy->target = g_strdup(settings->target);
    return copy;
}

void postern_server_settings_free(PosternServerSettings *settings)
{
    if (settings == NULL)
        return;
    g_free(settings->host);
    g_free(settings->certificate_name);
    g_free(settings->target);
    g_free(settings->name);
    g_free(settings);
}

PosternServer *postern_server_new(const PosternServerSettings *settings)
{
    PosternServer *server = g_new0(PosternServer, 1);
    server->references = 1;
    server->name = g_strdup(settings->name);
    server->key = postern_balance_key(settings->name);
    server->address = settings->address;
    server->lmtp = settings->lmtp;
    server->retry_at = server->without_tls_until = server->up_since = G_MININT64;
    pthread_mutex_init(&server->status_lock, NULL);
    postern_server_set(server, settings);
    return server;
}

void postern_server_set(PosternServer *server, const PosternServerSettings *settings)
{
    server->weight = settings->weight;
    server->limit = settings->limit;
    server->priority = settings->priority;
    server->backup = settings->backup;
    pthread_mutex_lock(&server->status_lock);
    g_free(server->certificate_name);
    server->certificate_name = g_strdup(settings->certificate_name);
    pthread_mutex_unlock(&server->status_lock);
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
    g_free(server->certificate_name);
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

gboolean postern_server_speaks_lmtp(const PosternServer *server)
{
    return server->lmtp;
}

char *postern_server_certificate_name(PosternServer *server)
{
    pthread_mutex_lock(&server->status_lock);
    char *name = g_strdup(server->certificate_name);
    pthread_mutex_unlock(&server->status_lock);
    return name;
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

void postern_server_do_without_tls(PosternServer *server, gint64 until)
{
    pthread_mutex_lock(&server->status_lock);
    server->without_tls_until = until;
    pthread_mutex_unlock(&server->status_lock);
}

gboolean postern_server_does_without_tls(PosternServer *server, gint64 now)
{
    pthread_mutex_lock(&server->status_lock);
    gboolean without = now < server->without_tls_until;
    pthread_mutex_unlock(&server->status_lock);
    return without;
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
