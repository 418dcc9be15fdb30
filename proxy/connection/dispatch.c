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

/* What the servers announce is for new sessions and those that are there. */
static void take_announced(PosternProxyThread *thread)
{
    thread->capabilities_known = postern_pool_announced(thread->pool, &thread->capabilities);
    PosternClient *client;
    for (guint at = 0; (client = postern_slab_next(thread->clients, &at)) != NULL;) {
        client->announced_changed = TRUE;
        if (client->connection != NULL)
            postern_session_set_capabilities(postern_client_connection_session(client->connection),
                                             &thread->capabilities);
    }
}

PosternPool *postern_thread_pool(PosternProxyThread *thread, const char *route)
{
    g_return_val_if_fail(route == NULL, NULL);
    return thread->pool;
}

void postern_thread_note_problem(PosternProxyThread *thread, PosternServer *server, const char *problem)
{
    /* What ends now says nothing of the server. */
    if (!thread->draining)
        postern_server_note_problem(server, problem);
}

/* The back-end is told of clients as the connection's settings say, and recipients are taken as the session's
 * say: if these are not the same, a message would go where nobody has judged it. */
static gboolean suits(PosternClientConnection *client, const PosternBackendConnection *connection)
{
    return postern_proxy_settings_same_relaying(postern_client_connection_settings(client),
                                                postern_backend_connection_settings(connection));
}

static void assign(PosternProxyThread *thread, const PosternPoolAction *action, gint64 now)
{
    PosternBackendConnection *connection = g_hash_table_lookup(thread->backends, &action->connection);
    if (connection == NULL)
        return;
    PosternClientConnection *client = postern_client_find(thread, action->waiter);
    if (action->borrower == POSTERN_BORROWER_PROBE) {
        postern_relay_probe_assigned(thread, connection);
    } else if (client == NULL) {
        postern_pool_returned(thread->pool, action->connection, TRUE, now);
    } else if (!suits(client, connection)) {
        postern_pool_returned(thread->pool, action->connection,
                              postern_backend_connection_is_current(connection), now);
        postern_session_borrow_failed(postern_client_connection_session(client),
                                      "a reload has changed the back-end since the client came", now);
        postern_thread_mark_client(thread, action->waiter);
    } else {
        postern_client_connection_give(client, connection);
        postern_thread_mark_client(thread, action->waiter);
    }
    postern_thread_mark_backend(thread, action->connection);
}

static void refuse(PosternProxyThread *thread, const PosternPoolAction *action, gint64 now)
{
    if (action->borrower == POSTERN_BORROWER_PROBE) {
        postern_relay_probe_refused(thread, action->server, action->reason);
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

static void run_pool_action(PosternProxyThread *thread, const PosternPoolAction *action)
{
    gint64 now = postern_thread_now(thread);
    PosternBackendConnection *connection;
    switch (action->kind) {
    case POSTERN_POOL_OPEN:
        postern_backend_connection_open(thread, action->connection, action->server);
        break;
    case POSTERN_POOL_ASSIGN:
        assign(thread, action, now);
        break;
    case POSTERN_POOL_REFUSE:
        refuse(thread, action, now);
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
        postern_relay_probe_start(thread, action->server);
        break;
    case POSTERN_POOL_ANNOUNCE:
        take_announced(thread);
        break;
    }
}

static gboolean run_one(PosternProxyThread *thread)
{
    PosternPoolAction action;
    if (postern_pool_next_action(thread->pool, &action)) {
        run_pool_action(thread, &action);
        return TRUE;
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
    postern_pool_drain(thread->pool, postern_thread_now(thread));
    while (run_one(thread))
        ;
    if (g_hash_table_size(thread->backends) > 0)
        return;
    thread->drained = TRUE;
    thread->world->functions->drained(thread->world);
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
    thread->world->functions->timer_set(thread->pool_timer, postern_pool_deadline(thread->pool));
    thread->running = FALSE;
}
