#include "proxy/connection/thread.h"

#include <string.h>

#include "proxy/connection/thread_private.h"

static void refuse_client(PosternProxyThread *thread, PosternTransport *transport,
                          const PosternAddress *client, const PosternScreenRefusal *refusal,
                          PosternListenerKind kind)
{
    const char *limit = refusal->limit != NULL ? refusal->limit : "max_connections";
    g_autofree char *address = postern_address_to_string(client);
    PosternLogLine *line = postern_log_line_new("refused");
    postern_log_line_add(line, "client", address);
    postern_log_line_add(line, "limit", limit);
    postern_counters_add(thread->settings->counters, "connections_refused", limit, 1);
    postern_log_line_repeats(line, postern_log_line_text(line));
    thread->world->functions->log(thread->world, line);
    if (kind >= POSTERN_LISTENER_TLS) { /* a handshake is no price for a refusal */
        transport->functions->close(transport, FALSE);
        return;
    }
    const char *host = thread->settings->configuration->proxy.hostname;
    g_autofree char *reply =
        refusal->text != NULL
            ? g_strdup_printf("421 4.7.1 %s %s\r\n", host, refusal->text)
            : g_strdup_printf("421 4.7.0 %s Too many connections, try again later\r\n", host);
    const struct iovec piece = postern_transport_piece(reply, strlen(reply));
    (void)transport->functions->write(transport, &piece, 1, FALSE);
    transport->functions->close(transport, FALSE);
}

/* One server in front may stand for very many clients. */
static gboolean admit(PosternProxyThread *thread, const PosternAddress *client, PosternScreen *screen,
                      PosternScreenRefusal *ret_refusal)
{
    return postern_screen_begins(screen, thread->settings->screen, client,
                                 postern_proxy_settings_trusts(thread->settings, client),
                                 postern_thread_now(thread), ret_refusal);
}

void postern_thread_admit(PosternProxyThread *thread, PosternTransport *transport,
                          const PosternAddress *client, const PosternClientArrival *arrival)
{
    PosternScreen screen;
    PosternScreenRefusal refusal;
    gboolean admitted = admit(thread, client, &screen, &refusal);
    if (!admitted && refusal.code == 0 && postern_client_let_one_go(thread, client))
        admitted = admit(thread, client, &screen, &refusal);
    if (!admitted) {
        refuse_client(thread, transport, client, &refusal, arrival->kind);
        return;
    }
    postern_client_new(thread, transport, client, arrival, &screen);
    postern_thread_run(thread);
}

void postern_proxy_thread_accept(PosternProxyThread *thread, PosternTransport *transport,
                                 const PosternAddress *client, const PosternAddress *server,
                                 PosternListenerKind kind)
{
    const PosternProxySettings *settings = thread->settings;
    const gboolean late = postern_networks_contain(settings->late_balancers, client);
    const PosternClientArrival arrival = {.server = *server, .kind = kind};
    if (!late && !postern_networks_contain(settings->balancers, client))
        postern_thread_admit(thread, transport, client, &arrival);
    else
        postern_arrival_new(thread, transport, client, server, kind, late && kind < POSTERN_LISTENER_TLS);
}

static void on_pool_timer(gpointer data)
{
    PosternProxyThread *thread = data;
    for (guint i = 0; i < thread->pools->len; i++)
        postern_pool_timer(g_ptr_array_index(thread->pools, i), postern_thread_now(thread));
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

static void end_arrivals(PosternProxyThread *thread)
{
    while (thread->arrivals.head != NULL)
        postern_arrival_end(thread->arrivals.head->data);
}

void postern_proxy_thread_drain(PosternProxyThread *thread, guint timeout_ms)
{
    const PosternWorldFunctions *world = thread->world->functions;
    thread->draining = TRUE;
    end_arrivals(thread);
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

/* From another thread. */
static void wake(gpointer data)
{
    const PosternProxyThread *thread = data;
    thread->world->functions->wake(thread->world);
}

static PosternPool *add_pool(PosternProxyThread *thread, const PosternProxyGroup *group)
{
    PosternPool *pool =
        postern_pool_new(group->servers, group->settings.wait_ms, group->settings.idle_ms, wake, thread);
    g_ptr_array_add(thread->pools, pool);
    return pool;
}

/* Those of groups that are gone serve nobody any more, and are freed at a later reload. */
static void end_pool(PosternProxyThread *thread, guint at, const PosternProxySettings *before, gint64 now)
{
    PosternPool *pool = g_ptr_array_index(thread->pools, at);
    gboolean drained = postern_proxy_settings_group(before, postern_pool_group(pool)) == NULL;
    if (drained && postern_pool_used(pool) == 0) {
        postern_relay_probe_remove(thread, pool);
        postern_name_lookup_remove(thread, pool);
        g_ptr_array_remove_index(thread->pools, at);
    } else {
        postern_pool_drain(pool, now);
    }
}

/* A server of which anything is new is UNKNOWN until the probe has asked it. A group that comes back has its
 * pool still if that has connections. before: the settings of before. */
static void reload_pools(PosternProxyThread *thread, const PosternProxySettings *before)
{
    gint64 now = postern_thread_now(thread);
    for (guint i = thread->pools->len; i > 0; i--)
        if (postern_thread_group(thread, g_ptr_array_index(thread->pools, i - 1)) == NULL)
            end_pool(thread, i - 1, before, now);
    for (guint i = 0; i < thread->settings->groups->len; i++) {
        const PosternProxyGroup *group = g_ptr_array_index(thread->settings->groups, i);
        const PosternProxyGroup *old = postern_proxy_settings_group(before, group->servers);
        PosternPool *pool = postern_thread_pool(thread, group->servers);
        if (pool == NULL)
            pool = add_pool(thread, group);
        else if (old == NULL)
            postern_pool_resume(pool);
        postern_pool_reload(pool, &group->settings, now);
        if (old == NULL || old->settings.generation != group->settings.generation)
            postern_relay_probe_forget(thread, pool);
    }
}

/* A session of before goes on with what it was promised, or ends. */
void postern_proxy_thread_reload(PosternProxyThread *thread, PosternProxySettings *settings)
{
    g_autoptr(PosternProxySettings) before = thread->settings;
    thread->settings = settings;
    reload_pools(thread, before);
    if (!postern_proxy_settings_same_relaying(before, settings))
        for_each_session(thread, outdate_session);
    postern_thread_run(thread);
}

/* Clients that stand are blocked too. */
static void heed_orders(PosternProxyThread *thread)
{
    guint serial = postern_client_table_order_serial(thread->table);
    gint64 now = postern_thread_now(thread);
    PosternClient *client;
    if (serial == thread->order_serial)
        return;
    thread->order_serial = serial;
    for (guint at = 0; (client = postern_slab_next(thread->clients, &at)) != NULL;) {
        if (!postern_screen_heeds_order(&client->screen, now))
            continue;
        postern_session_turn_away(postern_client_connection_session(postern_client_resume(client)), now);
        postern_thread_mark_client(thread, client->number);
        postern_thread_run(thread);
    }
}

/* Those whose messages are to go for others. */
static void heed_room(PosternProxyThread *thread)
{
    guint serial = postern_transfers_serial(thread->settings->transfers);
    PosternClient *client;
    if (serial == thread->room_serial)
        return;
    thread->room_serial = serial;
    for (guint at = 0; (client = postern_slab_next(thread->clients, &at)) != NULL;) {
        if (client->is_parked ||
            !postern_session_heed_room(postern_client_connection_session(client->connection),
                                       postern_thread_now(thread)))
            continue;
        postern_thread_mark_client(thread, client->number);
        postern_thread_run(thread);
    }
}

void postern_proxy_thread_look(PosternProxyThread *thread)
{
    heed_orders(thread);
    heed_room(thread);
    postern_thread_run(thread);
}

static void free_backend(gpointer connection)
{
    postern_backend_connection_free(connection);
}

static void free_pool(gpointer pool)
{
    postern_pool_free(pool);
}

static void free_lookup(gpointer lookup)
{
    postern_name_lookup_free(lookup);
}

static void free_probe(gpointer probe)
{
    postern_relay_probe_free(probe);
}

PosternProxyThread *postern_proxy_thread_new(const PosternProxyThreadOptions *options)
{
    const PosternWorldFunctions *world = options->world->functions;
    PosternProxyThread *thread = g_new0(PosternProxyThread, 1);
    thread->world = options->world;
    thread->settings = postern_proxy_settings_ref(options->settings);
    thread->table = options->clients;
    thread->clients = postern_slab_new(sizeof(PosternClient), postern_client_clear);
    thread->parked = postern_deadlines_new();
    thread->backends = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_backend);
    g_queue_init(&thread->arrivals);
    thread->order_serial = postern_client_table_order_serial(thread->table);
    for (guint i = 0; i < POSTERN_QUEUES; i++)
        g_queue_init(&thread->queues[i]);
    thread->marked_clients.numbers = g_array_new(FALSE, FALSE, sizeof(guint64));
    thread->marked_backends.numbers = g_array_new(FALSE, FALSE, sizeof(guint64));
    thread->probes = g_hash_table_new_full(NULL, NULL, NULL, free_probe);
    thread->pools = g_ptr_array_new_with_free_func(free_pool);
    thread->lookups = g_ptr_array_new_with_free_func(free_lookup);
    for (guint i = 0; i < options->settings->groups->len; i++)
        add_pool(thread, g_ptr_array_index(options->settings->groups, i));
    postern_transfers_join(thread->settings->transfers, wake, thread);
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
    postern_transfers_leave(thread->settings->transfers, thread);
    end_arrivals(thread);
    postern_slab_free(thread->clients);
    postern_deadlines_free(thread->parked);
    g_clear_pointer(&thread->last_reply, g_ref_string_release);
    g_hash_table_unref(thread->backends);
    g_ptr_array_unref(thread->lookups);
    g_ptr_array_unref(thread->pools);
    g_hash_table_unref(thread->probes);
    world->timer_free(thread->pool_timer);
    world->timer_free(thread->parked_timer);
    world->timer_free(thread->drain_timer);
    g_array_unref(thread->marked_clients.numbers);
    g_array_unref(thread->marked_backends.numbers);
    postern_proxy_settings_unref(thread->settings);
    g_free(thread);
}
