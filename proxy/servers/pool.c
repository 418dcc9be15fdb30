#include "proxy/servers/pool.h"

#include "base/limits.h"
#include "base/memory.h"
#include "proxy/servers/group_private.h"

static const char stopping[] = "the proxy is stopping, or a reload has removed this group of servers";

void postern_pool_enter(PosternPool *pool)
{
    pthread_mutex_lock(&pool->group->lock);
    pool->group->caller = pool;
}

void postern_pool_leave(PosternPool *pool)
{
    pool->group->caller = NULL;
    pthread_mutex_unlock(&pool->group->lock);
}

void postern_pool_dispatch_and_leave(PosternPool *pool, gint64 now)
{
    postern_group_dispatch(pool->group, pool, now);
    postern_pool_leave(pool);
}

static void free_queued(gpointer data)
{
    PosternPoolQueuedAction *queued = data;
    if (queued == NULL)
        return;
    postern_server_unref(queued->server);
    postern_server_settings_free(queued->named);
    g_free(queued->reason);
    g_free(queued);
}

static void free_connection(gpointer connection)
{
    postern_pooled_free(connection);
}

PosternPool *postern_pool_new(PosternServerGroup *group, guint wait_ms, guint idle_ms, PosternPoolWake wake,
                              gpointer user_data)
{
    PosternPool *pool = g_new0(PosternPool, 1);
    g_atomic_int_inc(&group->references);
    pool->group = group;
    pool->wait_ms = wait_ms;
    pool->idle_ms = idle_ms;
    pool->wake = wake;
    pool->wake_data = user_data;
    pool->connections = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, free_connection);
    postern_pool_enter(pool);
    pool->section = group->sections++;
    pool->generation = group->generation;
    g_ptr_array_add(group->pools, pool);
    postern_pool_waiters_init(&pool->waiters, group->turns, pool->section);
    postern_pool_leave(pool);
    return pool;
}

void postern_pool_free(PosternPool *pool)
{
    if (pool == NULL)
        return;
    PosternServerGroup *group = pool->group;
    GHashTableIter iterator;
    gpointer connection;
    postern_pool_enter(pool);
    g_hash_table_iter_init(&iterator, pool->connections);
    while (g_hash_table_iter_next(&iterator, NULL, &connection))
        postern_pooled_give_up(connection, 0);
    postern_pool_waiters_clear(&pool->waiters);
    g_hash_table_unref(pool->connections);
    g_queue_clear_full(&pool->actions, free_queued);
    free_queued(pool->told);
    g_ptr_array_remove(group->pools, pool);
    postern_pool_leave(pool);
    g_free(pool);
    postern_server_group_unref(group);
}

PosternServerGroup *postern_pool_group(const PosternPool *pool)
{
    return pool->group;
}

void postern_pool_wake(PosternPool *pool)
{
    if (pool == pool->group->caller || pool->woken || pool->wake == NULL)
        return;
    pool->woken = TRUE;
    g_atomic_int_set(&pool->to_be_asked, 1);
    pool->wake(pool->wake_data);
}

PosternPoolQueuedAction *postern_pool_push_action(PosternPool *pool, PosternPoolActionKind kind)
{
    PosternPoolQueuedAction *queued = postern_new_zeroed(PosternPoolQueuedAction);
    queued->action.kind = kind;
    g_queue_push_tail(&pool->actions, queued);
    g_atomic_int_set(&pool->to_be_asked, 1);
    postern_pool_wake(pool);
    return queued;
}

void postern_pool_drop_actions(PosternPool *pool, PosternPoolActionKind kind, guint64 connection)
{
    for (GList *link = pool->actions.head; link != NULL;) {
        GList *next = link->next;
        PosternPoolQueuedAction *queued = link->data;
        if (queued->action.kind == kind && queued->action.connection == connection) {
            free_queued(queued);
            g_queue_delete_link(&pool->actions, link);
        }
        link = next;
    }
}

gboolean postern_pool_next_action(PosternPool *pool, PosternPoolAction *ret_action)
{
    if (!g_atomic_int_get(&pool->to_be_asked))
        return FALSE;
    postern_pool_enter(pool);
    pool->woken = FALSE;
    free_queued(pool->told);
    pool->told = g_queue_pop_head(&pool->actions);
    g_atomic_int_set(&pool->to_be_asked, pool->told != NULL);
    postern_pool_leave(pool);
    if (pool->told == NULL)
        return FALSE;
    *ret_action = pool->told->action;
    ret_action->server = pool->told->server;
    ret_action->reason = pool->told->reason;
    ret_action->named = pool->told->named;
    return TRUE;
}

static void refuse(PosternPool *pool, guint64 waiter, const char *reason)
{
    PosternPoolQueuedAction *queued = postern_pool_push_action(pool, POSTERN_POOL_REFUSE);
    queued->action.waiter = waiter;
    queued->reason = g_strdup(reason);
}

static void refuse_first(PosternPool *pool, const char *reason)
{
    PosternPoolWaiter *waiter = postern_pool_waiters_first(&pool->waiters);
    postern_pool_waiters_take(&pool->waiters, waiter);
    refuse(pool, waiter->number, reason);
    postern_pool_waiter_free(&pool->waiters, waiter);
}

void postern_pool_refuse_all(PosternPool *pool, const char *reason)
{
    while (postern_pool_waiters_first(&pool->waiters) != NULL)
        refuse_first(pool, reason);
}

void postern_pool_refuse_probe(PosternPool *pool, PosternServer *server, const char *reason)
{
    if (!server->probe.waits)
        return;
    server->probe.waits = FALSE;
    PosternPoolQueuedAction *queued = postern_pool_push_action(pool, POSTERN_POOL_REFUSE);
    queued->action.borrower = POSTERN_BORROWER_PROBE;
    queued->server = postern_server_ref(server);
    queued->reason = g_strdup(reason);
}

void postern_pool_request(PosternPool *pool, guint64 waiter, guint64 client, guint64 key,
                          PosternFairTurn turn, gint64 now)
{
    postern_pool_enter(pool);
    const char *reason = pool->draining ? stopping : postern_group_down_reason(pool->group);
    if (postern_pool_waiters_find(&pool->waiters, waiter) != NULL)
        postern_pool_leave(pool);
    else if (reason != NULL) {
        refuse(pool, waiter, reason);
        postern_pool_leave(pool);
    } else {
        postern_pool_waiters_add(&pool->waiters, waiter, client, key, turn, now + pool->wait_ms);
        postern_pool_dispatch_and_leave(pool, now);
    }
}

void postern_pool_cancel(PosternPool *pool, guint64 waiter, gint64 now)
{
    postern_pool_enter(pool);
    PosternPoolWaiter *entry = postern_pool_waiters_find(&pool->waiters, waiter);
    if (entry != NULL) {
        postern_pool_waiters_take(&pool->waiters, entry);
        postern_pool_waiter_free(&pool->waiters, entry);
    }
    for (GList *link = pool->actions.head; link != NULL;) {
        GList *next = link->next;
        PosternPoolQueuedAction *queued = link->data;
        const PosternPoolAction *action = &queued->action;
        if (action->waiter == waiter && action->borrower == POSTERN_BORROWER_CLIENT &&
            (action->kind == POSTERN_POOL_ASSIGN || action->kind == POSTERN_POOL_REFUSE)) {
            if (action->kind == POSTERN_POOL_ASSIGN)
                postern_pooled_set_free(g_hash_table_lookup(pool->connections, &action->connection), TRUE,
                                        now);
            g_queue_delete_link(&pool->actions, link);
            free_queued(queued);
        }
        link = next;
    }
    postern_pool_dispatch_and_leave(pool, now);
}

void postern_pool_request_probe(PosternPool *pool, PosternServer *server, gint64 now)
{
    postern_pool_enter(pool);
    server->probe.waits = TRUE;
    server->probe.deadline = now + pool->wait_ms;
    if (pool->draining)
        postern_pool_refuse_probe(pool, server, stopping);
    postern_pool_dispatch_and_leave(pool, now);
}

void postern_pool_opened(PosternPool *pool, guint64 number, const PosternEhlo *ehlo, gint64 now)
{
    postern_pool_enter(pool);
    PosternPooledConnection *connection = g_hash_table_lookup(pool->connections, &number);
    if (connection != NULL && connection->state == POSTERN_POOLED_OPENING) {
        connection->server->retry_at = G_MININT64;
        postern_server_note_success(connection->server, now);
        if (ehlo != NULL)
            postern_group_note_announced(pool->group, connection->server, ehlo);
        postern_pooled_set_free(connection, TRUE, now);
    }
    postern_pool_dispatch_and_leave(pool, now);
}

void postern_pool_note_announced(PosternPool *pool, PosternServer *server, const PosternEhlo *ehlo,
                                 gint64 now)
{
    postern_pool_enter(pool);
    postern_group_note_announced(pool->group, server, ehlo);
    postern_pool_dispatch_and_leave(pool, now);
}

void postern_pool_offer(PosternPool *pool, guint64 number, gint64 now)
{
    postern_pool_enter(pool);
    PosternPooledConnection *connection = g_hash_table_lookup(pool->connections, &number);
    if (connection != NULL && connection->state == POSTERN_POOLED_BUSY)
        postern_pooled_offer(connection);
    postern_pool_dispatch_and_leave(pool, now);
}

void postern_pool_returned(PosternPool *pool, guint64 number, gboolean reusable, gint64 now)
{
    postern_pool_enter(pool);
    PosternPooledConnection *connection = g_hash_table_lookup(pool->connections, &number);
    if (connection != NULL && connection->state == POSTERN_POOLED_BUSY)
        postern_pooled_set_free(connection, reusable, now);
    postern_pool_dispatch_and_leave(pool, now);
}

void postern_pool_ending(PosternPool *pool, guint64 number, const char *reason, gint64 now)
{
    postern_pool_enter(pool);
    PosternPooledConnection *connection = g_hash_table_lookup(pool->connections, &number);
    if (connection != NULL) {
        gboolean opened = postern_pooled_give_up(connection, now);
        if (!opened && reason != NULL)
            postern_group_never_opened(pool->group, connection->server, reason,
                                       connection->server->used == connection->server->ending, now);
    }
    postern_pool_dispatch_and_leave(pool, now);
}

void postern_pool_closed(PosternPool *pool, guint64 number, const char *reason, gint64 now)
{
    postern_pool_enter(pool);
    PosternPooledConnection *connection = g_hash_table_lookup(pool->connections, &number);
    if (connection != NULL) {
        gboolean opened = postern_pooled_give_up(connection, now);
        g_autoptr(PosternServer) server = postern_server_ref(connection->server);
        g_hash_table_remove(pool->connections, &number);
        if (pool->draining)
            postern_pool_refuse_all(pool, stopping);
        /* While others are open their slots will come free. */
        if (!opened && reason != NULL)
            postern_group_never_opened(pool->group, server, reason, server->used == 0, now);
    }
    postern_pool_dispatch_and_leave(pool, now);
}

static void end_idle(PosternPool *pool, const PosternServer *server, gint64 until, gint64 now)
{
    for (GList *link = pool->idle.head; link != NULL;) {
        PosternPooledConnection *connection = link->data;
        link = link->next;
        if (connection->idle_until <= until && (server == NULL || connection->server == server))
            postern_pooled_end(connection, now);
    }
}

void postern_pool_end_retired(PosternPool *pool, gint64 now)
{
    for (GList *link = pool->idle.head; link != NULL;) {
        PosternPooledConnection *connection = link->data;
        link = link->next;
        if (connection->server->retired || connection->server->drain)
            postern_pooled_end(connection, now);
    }
}

void postern_pool_end_idle(PosternPool *pool, const PosternServer *server, gint64 now)
{
    postern_pool_enter(pool);
    end_idle(pool, server, G_MAXINT64, now);
    postern_pool_dispatch_and_leave(pool, now);
}

static gboolean is_prober(const PosternPool *pool)
{
    return postern_group_prober(pool->group) == pool;
}

void postern_pool_drain(PosternPool *pool, gint64 now)
{
    postern_pool_enter(pool);
    gboolean probes = is_prober(pool) && !pool->draining;
    pool->draining = TRUE;
    postern_pool_refuse_all(pool, stopping);
    for (guint i = 0; i < pool->group->servers->len && probes; i++) /* another thread begins it anew */
        postern_pool_refuse_probe(pool, g_ptr_array_index(pool->group->servers, i), NULL);
    end_idle(pool, NULL, G_MAXINT64, now);
    postern_pool_wake(postern_group_prober(pool->group)); /* it has more to do in time */
    postern_pool_leave(pool);
}

void postern_pool_resume(PosternPool *pool)
{
    postern_pool_enter(pool);
    pool->draining = FALSE;
    postern_pool_leave(pool);
}

void postern_pool_reload(PosternPool *pool, const PosternGroupSettings *settings, gint64 now)
{
    postern_pool_enter(pool);
    pool->wait_ms = settings->wait_ms;
    pool->idle_ms = settings->idle_ms;
    if (settings->serial > pool->group->serial)
        postern_group_reload(pool->group, settings);
    if (settings->generation != pool->generation)
        end_idle(pool, NULL, G_MAXINT64, now);
    postern_pool_end_retired(pool, now);
    if (is_prober(pool))
        postern_group_look_up_names(pool->group, now);
    for (guint i = 0; i < pool->group->servers->len && is_prober(pool); i++)
        postern_group_set_probe_time(pool->group, g_ptr_array_index(pool->group->servers, i), now);
    pool->generation = settings->generation;
    postern_group_refuse_if_down(pool->group);
    postern_pool_push_action(pool, POSTERN_POOL_ANNOUNCE);
    postern_pool_dispatch_and_leave(pool, now);
}

void postern_pool_timer(PosternPool *pool, gint64 now)
{
    postern_pool_enter(pool);
    end_idle(pool, NULL, now, now);
    const PosternPoolWaiter *first;
    while ((first = postern_pool_waiters_first(&pool->waiters)) != NULL && first->deadline <= now)
        refuse_first(pool, postern_group_reason_for_none(pool->group));
    if (!pool->draining && is_prober(pool)) {
        postern_pool_run_name_times(pool, now);
        postern_pool_run_probe_times(pool, now);
    }
    postern_pool_dispatch_and_leave(pool, now);
}

static gint64 deadline_of(const PosternPool *pool)
{
    gint64 deadline = G_MAXINT64;
    const PosternPoolWaiter *first = postern_pool_waiters_first(&pool->waiters);
    gboolean probes = !pool->draining && is_prober(pool);
    if (first != NULL)
        deadline = first->deadline;
    if (pool->idle.tail != NULL)
        deadline = MIN(deadline, ((const PosternPooledConnection *)pool->idle.tail->data)->idle_until);
    for (guint i = 0; i < pool->group->servers->len; i++) {
        const PosternServer *server = g_ptr_array_index(pool->group->servers, i);
        if (first != NULL && server->retry_at != G_MININT64)
            deadline = MIN(deadline, server->retry_at);
        gint64 probe = probes ? postern_server_probe_deadline(server) : G_MAXINT64;
        deadline = MIN(deadline, probe);
    }
    gint64 names = probes ? postern_group_names_deadline(pool->group) : G_MAXINT64;
    return MIN(deadline, names);
}

gint64 postern_pool_deadline(PosternPool *pool)
{
    postern_pool_enter(pool);
    gint64 deadline = deadline_of(pool);
    postern_pool_leave(pool);
    return deadline;
}

guint postern_pool_used(PosternPool *pool)
{
    postern_pool_enter(pool);
    guint used = g_hash_table_size(pool->connections);
    postern_pool_leave(pool);
    return used;
}

guint postern_pool_waiting(PosternPool *pool)
{
    postern_pool_enter(pool);
    guint waiting = pool->waiters.order.length;
    postern_pool_leave(pool);
    return waiting;
}
