#include "proxy/connection/thread.h"

#include <string.h>

#include "proxy/connection/thread_private.h"

static void refuse_client(PosternTransport *transport, const PosternConfiguration *configuration)
{
    g_autofree char *reply = g_strdup_printf("421 4.7.0 %s Too many connections, try again later\r\n",
                                             configuration->proxy.hostname);
    const struct iovec piece = postern_transport_piece(reply, strlen(reply));
    (void)transport->functions->write(transport, &piece, 1, FALSE);
    transport->functions->close(transport, FALSE);
}

/* One server in front may stand for very many clients. */
static PosternClientAdmission admit(PosternProxyThread *thread, const PosternAddress *client)
{
    const PosternConfiguration *configuration = thread->settings->configuration;
    guint maximum = postern_proxy_settings_trusts(thread->settings, client)
                        ? configuration->proxy.max_connections
                        : configuration->proxy.max_connections_per_client;
    return postern_client_table_enter(thread->table, client, maximum, configuration->proxy.max_connections);
}

void postern_proxy_thread_accept(PosternProxyThread *thread, PosternTransport *transport,
                                 const PosternAddress *client, const PosternAddress *server,
                                 gboolean submission)
{
    PosternClientAdmission admission = admit(thread, client);
    if (admission == POSTERN_CLIENT_TOO_MANY_TOTAL && postern_client_let_one_go(thread, client))
        admission = admit(thread, client);
    if (admission != POSTERN_CLIENT_ADMITTED) {
        g_autofree char *text = postern_address_to_string(client);
        PosternLogLine *line = postern_log_line_new("refused");
        postern_log_line_add(line, "client", text);
        const char *limit =
            admission == POSTERN_CLIENT_TOO_MANY ? "max_connections_per_client" : "max_connections";
        postern_log_line_add(line, "limit", limit);
        postern_counters_add(thread->settings->counters, "connections_refused", limit, 1);
        postern_log_line_repeats(line, postern_log_line_text(line));
        thread->world->functions->log(thread->world, line);
        refuse_client(transport, thread->settings->configuration);
        return;
    }
    postern_client_new(thread, transport, client, server, submission);
    postern_thread_run(thread);
}

static void on_pool_timer(gpointer data)
{
    PosternProxyThread *thread = data;
    postern_pool_timer(thread->pool, postern_thread_now(thread));
    postern_thread_run(thread);
}

static void on_parked_timer(gpointer data)
{
    postern_client_timer(data);
}

/* One after the other: those that are parked are many. */
static void for_each_session(PosternProxyThread *thread, void (*call)(PosternSession *session, gint64 now))
{
    gint64 now = postern_thread_now(thread);
    PosternClient *client;
    for (guint at = 0; (client = postern_slab_next(thread->clients, &at)) != NULL;) {
        call(postern_client_connection_session(postern_client_resume(client)), now);
        postern_thread_mark_client(thread, client->number);
        postern_thread_run(thread);
    }
}

static void end_session(PosternSession *session, gint64 now)
{
    postern_session_end(session, "Service shutting down", now);
}

static void drain_session(PosternSession *session, gint64 now)
{
    postern_session_let_go(session, "Service shutting down", now);
}

static void outdate_session(PosternSession *session, gint64 now)
{
    postern_session_let_go(session, "The configuration is new, please connect again", now);
}

/* Those that still open, quit or are probed must not hold up the end. */
static void abandon_backends(PosternProxyThread *thread)
{
    GHashTableIter iterator;
    gpointer connection;
    g_hash_table_iter_init(&iterator, thread->backends);
    while (g_hash_table_iter_next(&iterator, NULL, &connection))
        if (!postern_backend_connection_is_in_use(connection))
            postern_backend_connection_abandon(connection);
}

static void on_drain_timer(gpointer data)
{
    PosternProxyThread *thread = data;
    for_each_session(thread, end_session);
    postern_thread_run(thread);
    abandon_backends(thread);
    postern_thread_run(thread);
}

void postern_proxy_thread_drain(PosternProxyThread *thread, guint timeout_ms)
{
    const PosternWorldFunctions *world = thread->world->functions;
    thread->draining = TRUE;
    world->timer_set(thread->drain_timer, postern_thread_now(thread) + timeout_ms);
    for_each_session(thread, drain_session);
    /* Those that are lost are not waited for as long as before. */
    GHashTableIter iterator;
    gpointer number;
    g_hash_table_iter_init(&iterator, thread->backends);
    while (g_hash_table_iter_next(&iterator, &number, NULL))
        postern_thread_mark_backend(thread, *(const guint64 *)number);
    postern_thread_run(thread);
}

/* A server of which anything is new is UNKNOWN until the probe has asked it, and a session of before goes
 * on with what it was promised, or ends. */
void postern_proxy_thread_reload(PosternProxyThread *thread, PosternProxySettings *settings)
{
    const PosternConfiguration *configuration = settings->configuration;
    gboolean same_backend = postern_proxy_settings_same_backend(thread->settings, settings);
    gboolean same_relaying = postern_proxy_settings_same_relaying(thread->settings, settings);
    postern_proxy_settings_unref(thread->settings);
    thread->settings = settings;
    postern_pool_reload(thread->pool, settings->servers, settings->generation,
                        configuration->proxy.backend_wait_ms, configuration->proxy.backend_idle_ms,
                        postern_thread_now(thread));
    if (!same_backend)
        postern_relay_probe_forget(thread);
    if (!same_relaying)
        for_each_session(thread, outdate_session);
    postern_thread_run(thread);
}

void postern_proxy_thread_look(PosternProxyThread *thread)
{
    postern_thread_run(thread);
}

/* From another thread. */
static void wake(gpointer data)
{
    const PosternProxyThread *thread = data;
    thread->world->functions->wake(thread->world);
}

static void free_backend(gpointer connection)
{
    postern_backend_connection_free(connection);
}

static void free_probe(gpointer probe)
{
    postern_relay_probe_free(probe);
}

PosternProxyThread *postern_proxy_thread_new(const PosternProxyThreadOptions *options)
{
    const PosternConfiguration *configuration = options->settings->configuration;
    const PosternWorldFunctions *world = options->world->functions;
    PosternProxyThread *thread = g_new0(PosternProxyThread, 1);
    thread->world = options->world;
    thread->settings = postern_proxy_settings_ref(options->settings);
    thread->table = options->clients;
    thread->clients = postern_slab_new(sizeof(PosternClient), postern_client_clear);
    thread->parked = postern_deadlines_new();
    thread->backends = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_backend);
    g_queue_init(&thread->waiting_clients);
    thread->marked_clients.numbers = g_array_new(FALSE, FALSE, sizeof(guint64));
    thread->marked_backends.numbers = g_array_new(FALSE, FALSE, sizeof(guint64));
    thread->probes = g_hash_table_new_full(NULL, NULL, NULL, free_probe);
    thread->pool = postern_pool_new(options->servers, configuration->proxy.backend_wait_ms,
                                    configuration->proxy.backend_idle_ms, wake, thread);
    thread->pool_timer = world->timer_new(thread->world, on_pool_timer, thread);
    thread->parked_timer = world->timer_new(thread->world, on_parked_timer, thread);
    thread->drain_timer = world->timer_new(thread->world, on_drain_timer, thread);
    return thread;
}

void postern_proxy_thread_free(PosternProxyThread *thread)
{
    if (thread == NULL)
        return;
    const PosternWorldFunctions *world = thread->world->functions;
    postern_slab_free(thread->clients);
    postern_deadlines_free(thread->parked);
    g_hash_table_unref(thread->backends);
    postern_pool_free(thread->pool);
    g_hash_table_unref(thread->probes);
    world->timer_free(thread->pool_timer);
    world->timer_free(thread->parked_timer);
    world->timer_free(thread->drain_timer);
    g_array_unref(thread->marked_clients.numbers);
    g_array_unref(thread->marked_backends.numbers);
    postern_proxy_settings_unref(thread->settings);
    g_free(thread);
}
