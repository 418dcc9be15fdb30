#include "proxy/connection/thread_private.h"

#include "base/log.h"

#define LOOK_BACK_MAX 8

/* Most that is marked is marked again before it acts: once is enough. */
static void mark(PosternMarks *marks, guint64 number)
{
    guint first = MAX(marks->first + LOOK_BACK_MAX, marks->numbers->len) - LOOK_BACK_MAX;
    for (guint i = first; i < marks->numbers->len; i++)
        if (g_array_index(marks->numbers, guint64, i) == number)
            return;
    g_array_append_val(marks->numbers, number);
}

/* FALSE: nothing is marked. */
static gboolean next_marked(PosternMarks *marks, guint64 *ret_number)
{
    if (marks->first == marks->numbers->len) {
        if (marks->first > 0)
            g_array_set_size(marks->numbers, 0);
        marks->first = 0;
        return FALSE;
    }
    *ret_number = g_array_index(marks->numbers, guint64, marks->first++);
    return TRUE;
}

void postern_thread_mark_client(PosternProxyThread *thread, guint64 number)
{
    mark(&thread->marked_clients, number);
}

void postern_thread_mark_backend(PosternProxyThread *thread, guint64 number)
{
    mark(&thread->marked_backends, number);
}

/* What all groups that mail may go to announce, as far as it is known. */
static void narrow_announced(PosternProxyThread *thread, PosternPool *pool)
{
    const PosternProxyGroup *group = postern_thread_group(thread, pool);
    PosternEhlo ehlo;
    if (group == NULL || !group->is_reached || !postern_pool_announced(pool, &ehlo))
        return;
    if (thread->capabilities_known)
        postern_ehlo_narrow(&thread->capabilities, &ehlo);
    else
        thread->capabilities = ehlo;
    thread->capabilities_known = TRUE;
}

/* It is for new sessions and those that are there. */
static void take_announced(PosternProxyThread *thread)
{
    thread->capabilities_known = FALSE;
    for (guint i = 0; i < thread->pools->len; i++)
        narrow_announced(thread, g_ptr_array_index(thread->pools, i));
    PosternClient *client;
    for (guint at = 0; (client = postern_slab_next(thread->clients, &at)) != NULL;)
        if (!client->is_parked)
            postern_session_set_capabilities(postern_client_connection_session(client->connection),
                                             &thread->capabilities);
}

PosternPool *postern_thread_pool(const PosternProxyThread *thread, const PosternServerGroup *servers)
{
    for (guint i = 0; i < thread->pools->len; i++)
        if (postern_pool_group(g_ptr_array_index(thread->pools, i)) == servers)
            return g_ptr_array_index(thread->pools, i);
    return NULL;
}

PosternPool *postern_thread_borrow(PosternProxyThread *thread, guint64 number, PosternSession *session,
                                   const PosternProxyGroup *group)
{
    PosternPool *pool = postern_thread_pool(thread, group->servers);
    gint64 now = postern_thread_now(thread);
    PosternFairTurn turn = postern_client_turn(postern_slab_find(thread->clients, number), session);
    if (pool != NULL)
        postern_pool_request(pool, number, postern_session_client_number(session),
                             postern_session_balance_key(session), turn, now);
    else
        postern_session_borrow_failed(session, "a reload has removed its group of servers", now);
    return pool;
}

const PosternProxyGroup *postern_thread_group(const PosternProxyThread *thread, const PosternPool *pool)
{
    return postern_proxy_settings_group(thread->settings, postern_pool_group(pool));
}

void postern_thread_note_problem(PosternProxyThread *thread, PosternServer *server, const char *problem)
{
    /* What ends now says nothing of the server. */
    if (!thread->draining)
        postern_server_note_problem(server, problem);
}

static void assign(PosternProxyThread *thread, PosternPool *pool, const PosternPoolAction *action, gint64 now)
{
    PosternBackendConnection *connection = g_hash_table_lookup(thread->backends, &action->connection);
    if (connection == NULL)
        return;
    PosternClientConnection *client = postern_client_find(thread, action->waiter);
    if (action->borrower == POSTERN_BORROWER_PROBE) {
        postern_relay_probe_assigned(thread, connection);
    } else if (client == NULL) {
        postern_pool_returned(pool, action->connection, TRUE, now);
    } else if (!postern_backend_connection_suits(connection, postern_client_connection_settings(client))) {
        /* It is told of clients as its settings say, and recipients are taken as the session's say: if these
         * are not the same, a message would go where nobody has judged it. */
        postern_pool_returned(pool, action->connection, postern_backend_connection_is_current(connection),
                              now);
        postern_session_borrow_failed(postern_client_connection_session(client),
                                      "a reload has changed the back-end since the client came", now);
        postern_thread_mark_client(thread, action->waiter);
    } else {
        postern_client_connection_give(client, connection, action->refusals);
        postern_thread_mark_client(thread, action->waiter);
    }
    postern_thread_mark_backend(thread, action->connection);
}

static void refuse(PosternProxyThread *thread, PosternPool *pool, const PosternPoolAction *action, gint64 now)
{
    if (action->borrower == POSTERN_BORROWER_PROBE) {
        postern_relay_probe_refused(thread, pool, action->server, action->reason);
        return;
    }
    PosternClientConnection *client = postern_client_find(thread, action->waiter);
    if (client == NULL)
        return;
    postern_session_borrow_failed(postern_client_connection_session(client), action->reason, now);
    postern_thread_mark_client(thread, action->waiter);
}

static void recall(PosternProxyThread *thread, const PosternPoolAction *action)
{
    PosternClientConnection *client = postern_client_find(thread, action->waiter);
    if (client != NULL)
        postern_client_connection_recall(client, action->connection);
}

static void run_pool_action(PosternProxyThread *thread, PosternPool *pool, const PosternPoolAction *action)
{
    gint64 now = postern_thread_now(thread);
    PosternBackendConnection *connection;
    switch (action->kind) {
    case POSTERN_POOL_OPEN:
        postern_backend_connection_open(thread, pool, action->connection, action->server);
        break;
    case POSTERN_POOL_ASSIGN:
        assign(thread, pool, action, now);
        break;
    case POSTERN_POOL_REFUSE:
        refuse(thread, pool, action, now);
        break;
    case POSTERN_POOL_RECALL:
        recall(thread, action);
        break;
    case POSTERN_POOL_QUIT:
        connection = g_hash_table_lookup(thread->backends, &action->connection);
        if (connection != NULL)
            postern_backend_connection_quit(connection);
        break;
    case POSTERN_POOL_PROBE:
        postern_relay_probe_start(thread, pool, action->server);
        break;
    case POSTERN_POOL_LOOK_UP:
        postern_name_lookup_start(thread, pool, action->named);
        break;
    case POSTERN_POOL_ANNOUNCE:
        take_announced(thread);
        break;
    }
}

static gboolean run_one(PosternProxyThread *thread)
{
    for (guint i = 0; i < thread->pools->len; i++) {
        PosternPool *pool = g_ptr_array_index(thread->pools, i);
        PosternPoolAction action;
        if (postern_pool_next_action(pool, &action)) {
            run_pool_action(thread, pool, &action);
            return TRUE;
        }
    }
    guint64 number = 0;
    if (next_marked(&thread->marked_backends, &number)) {
        PosternBackendConnection *connection = g_hash_table_lookup(thread->backends, &number);
        if (connection != NULL)
            postern_backend_connection_run(connection);
        return TRUE;
    }
    if (!next_marked(&thread->marked_clients, &number))
        return FALSE;
    PosternClientConnection *client = postern_client_find(thread, number);
    if (client != NULL)
        postern_client_connection_run(client);
    return TRUE;
}

static void end_if_drained(PosternProxyThread *thread)
{
    if (!thread->draining || thread->drained || postern_slab_count(thread->clients) > 0)
        return;
    for (guint i = 0; i < thread->pools->len; i++)
        postern_pool_drain(g_ptr_array_index(thread->pools, i), postern_thread_now(thread));
    while (run_one(thread))
        ;
    if (g_hash_table_size(thread->backends) > 0)
        return;
    thread->drained = TRUE;
    thread->world->functions->drained(thread->world);
}

static gint64 pool_deadline(const PosternProxyThread *thread)
{
    gint64 deadline = G_MAXINT64;
    for (guint i = 0; i < thread->pools->len; i++) {
        gint64 of_pool = postern_pool_deadline(g_ptr_array_index(thread->pools, i));
        deadline = MIN(deadline, of_pool);
    }
    return deadline;
}

void postern_thread_run(PosternProxyThread *thread)
{
    if (thread->running)
        return;
    thread->now = postern_thread_now(thread);
    thread->running = TRUE;
    while (run_one(thread))
        ;
    end_if_drained(thread);
    thread->world->functions->timer_set(thread->pool_timer, pool_deadline(thread));
    thread->running = FALSE;
}
