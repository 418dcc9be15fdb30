#include "base/log.h"
#include "proxy/servers/group_private.h"

static PosternPoolQueuedAction *push_action(const PosternPooledConnection *connection,
                                            PosternPoolActionKind kind)
{
    PosternPoolQueuedAction *queued = postern_pool_push_action(connection->pool, kind);
    queued->action.connection = connection->number;
    return queued;
}

/* The connection has no user any more; who it was, the caller's. */
static PosternPoolWaiter *take_user(PosternPooledConnection *connection)
{
    PosternServerGroup *group = connection->pool->group;
    if (connection->offered_link.data != NULL)
        g_queue_unlink(&group->offered, &connection->offered_link);
    if (connection->recalled)
        postern_pool_drop_actions(connection->pool, POSTERN_POOL_RECALL, connection->number);
    group->recalled -= connection->recalled;
    connection->offered_link.data = NULL;
    connection->recalled = FALSE;
    return g_steal_pointer(&connection->user);
}

static void leave_opening(PosternPooledConnection *connection)
{
    if (connection->for_probe) {
        connection->server->probe.opening--;
        connection->for_probe = FALSE;
    } else {
        connection->pool->opening--;
        connection->pool->group->opening--;
    }
}

/* The one place where a connection's state changes. */
static void set_state(PosternPooledConnection *connection, PosternPooledState state, gint64 now)
{
    static const char *const names[] = {[POSTERN_POOLED_OPENING] = "opening",
                                        [POSTERN_POOLED_IDLE] = "idle",
                                        [POSTERN_POOLED_BUSY] = "in use",
                                        [POSTERN_POOLED_ENDING] = "ending"};
    PosternPool *pool = connection->pool;
    postern_log_numbered_state("pooled connection", connection->number, names[connection->state],
                               names[state]);
    if (connection->state == POSTERN_POOLED_OPENING)
        leave_opening(connection);
    if (connection->state == POSTERN_POOLED_IDLE)
        g_queue_unlink(&pool->idle, &connection->idle_link);
    connection->server->busy -= connection->state == POSTERN_POOLED_BUSY;
    connection->server->busy += state == POSTERN_POOLED_BUSY;
    if (connection->state == POSTERN_POOLED_BUSY)
        postern_pool_waiter_free(&pool->waiters, take_user(connection));
    connection->state = state;
    connection->server->ending += state == POSTERN_POOLED_ENDING;
    if (state == POSTERN_POOLED_IDLE) {
        connection->idle_until = now + pool->idle_ms;
        g_queue_push_head_link(&pool->idle, &connection->idle_link);
    }
}

void postern_pooled_open(PosternPool *pool, PosternServer *server, gboolean for_probe)
{
    PosternPooledConnection *connection = g_new0(PosternPooledConnection, 1);
    connection->number = ++pool->group->next_connection;
    connection->pool = pool;
    connection->server = postern_server_ref(server);
    connection->generation = pool->generation;
    connection->state = POSTERN_POOLED_OPENING;
    connection->for_probe = for_probe;
    connection->idle_link.data = connection;
    server->used++;
    if (for_probe) {
        server->probe.opening++;
    } else {
        pool->opening++;
        pool->group->opening++;
    }
    g_hash_table_insert(pool->connections, &connection->number, connection);
    push_action(connection, POSTERN_POOL_OPEN)->server = postern_server_ref(server);
}

void postern_pooled_assign(PosternPooledConnection *connection, PosternPoolWaiter *waiter, gint64 now)
{
    set_state(connection, POSTERN_POOLED_BUSY, now);
    connection->user = waiter;
    PosternPoolQueuedAction *queued = push_action(connection, POSTERN_POOL_ASSIGN);
    queued->action.refusals = postern_refusals_generation(connection->pool->group->refusals);
    if (waiter != NULL) {
        queued->action.waiter = waiter->number;
    } else {
        queued->action.borrower = POSTERN_BORROWER_PROBE;
        queued->server = postern_server_ref(connection->server);
    }
}

void postern_pooled_end(PosternPooledConnection *connection, gint64 now)
{
    set_state(connection, POSTERN_POOLED_ENDING, now);
    push_action(connection, POSTERN_POOL_QUIT);
}

/* One that is drained is still asked by the relay probe. */
static gboolean gets_nobody(const PosternPool *pool, const PosternServer *server)
{
    gboolean is_probed = server->probe.waits && postern_group_prober(pool->group) == pool;
    return server->retired || (server->drain && !is_probed);
}

void postern_pooled_set_free(PosternPooledConnection *connection, gboolean reusable, gint64 now)
{
    const PosternPool *pool = connection->pool;
    gboolean outdated = connection->generation != pool->generation || gets_nobody(pool, connection->server);
    if (reusable && connection->state == POSTERN_POOLED_BUSY)
        connection->server->failures = 0;
    if (reusable && !pool->draining && !outdated)
        set_state(connection, POSTERN_POOLED_IDLE, now);
    else
        postern_pooled_end(connection, now);
}

void postern_pooled_offer(PosternPooledConnection *connection)
{
    if (connection->recalled || connection->offered_link.data != NULL || connection->user == NULL)
        return;
    connection->offered_link.data = connection;
    g_queue_push_tail_link(&connection->pool->group->offered, &connection->offered_link);
}

void postern_pooled_recall(PosternPooledConnection *connection)
{
    PosternServerGroup *group = connection->pool->group;
    connection->recalled = TRUE;
    group->recalled++;
    g_queue_unlink(&group->offered, &connection->offered_link);
    connection->offered_link.data = NULL;
    push_action(connection, POSTERN_POOL_RECALL)->action.waiter = connection->user->number;
}

static void put_user_back(PosternPooledConnection *connection)
{
    PosternPoolWaiter *user = take_user(connection);
    if (user != NULL)
        postern_pool_waiters_put_back(&connection->pool->waiters, user);
    else
        connection->server->probe.waits = TRUE;
}

gboolean postern_pooled_give_up(PosternPooledConnection *connection, gint64 now)
{
    PosternPool *pool = connection->pool;
    gboolean opened = connection->state != POSTERN_POOLED_OPENING;
    gboolean assigned = FALSE;
    for (GList *link = pool->actions.head; link != NULL && !assigned; link = link->next) {
        const PosternPoolAction *action = &((const PosternPoolQueuedAction *)link->data)->action;
        assigned = action->kind == POSTERN_POOL_ASSIGN && action->connection == connection->number;
    }
    if (assigned)
        put_user_back(connection);
    postern_pool_drop_actions(pool, POSTERN_POOL_ASSIGN, connection->number);
    postern_pool_drop_actions(pool, POSTERN_POOL_QUIT, connection->number);
    pool->group->moving -= connection->moving;
    connection->server->moving -= connection->moving;
    connection->moving = FALSE;
    if (connection->state != POSTERN_POOLED_ENDING)
        set_state(connection, POSTERN_POOLED_ENDING, now);
    else if (connection->for_probe)
        connection->for_probe = connection->server->probe.promised = FALSE;
    return opened;
}

void postern_pooled_free(PosternPooledConnection *connection)
{
    connection->server->used--;
    connection->server->ending--;
    postern_server_unref(connection->server);
    g_free(connection);
}
