#include "proxy/servers/pool.h"

#include "base/limits.h"
#include "base/log.h"
#include "proxy/servers/pool_waiters.h"

typedef enum {
    OPENING,
    IDLE,
    BUSY,
    ENDING,
} ConnectionState;

typedef struct {
    guint64 number;
    ConnectionState state;
    gint64 idle_until;       /* IDLE */
    PosternPoolWaiter *user; /* BUSY */
    GList offered_link;      /* BUSY, in offered; its data is NULL while it is not */
    gboolean recalled;       /* BUSY */
} Connection;

/* What waits for next_action(). */
typedef struct {
    PosternPoolActionKind kind;
    guint64 connection;
    guint64 waiter;
    char *reason; /* REFUSE */
} Action;

struct PosternPool {
    guint limit;
    guint wait_ms;
    guint idle_ms;
    PosternServerHealth health;
    char *unusable; /* why, while UNUSABLE */
    char *told;     /* the reason that next_action() gave out last */
    gboolean draining;
    gint64 retry_at; /* no connection is opened before */
    guint64 next_connection;
    guint opening;
    guint recalled;
    GHashTable *connections; /* number -> Connection */
    GQueue idle;             /* of Connection *, the last used first */
    GQueue offered;          /* of Connection *, the first offered first */
    PosternPoolWaiters waiters;
    GQueue actions; /* of Action * */
};

static const char stopping[] = "the proxy is stopping";

PosternPool *postern_pool_new(guint limit, guint wait_ms, guint idle_ms)
{
    PosternPool *pool = g_new0(PosternPool, 1);
    pool->limit = MAX(1, limit);
    pool->wait_ms = wait_ms;
    pool->idle_ms = idle_ms;
    pool->retry_at = G_MININT64;
    pool->connections = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    postern_pool_waiters_init(&pool->waiters, pool->limit);
    return pool;
}

void postern_pool_set_times(PosternPool *pool, guint wait_ms, guint idle_ms)
{
    pool->wait_ms = wait_ms;
    pool->idle_ms = idle_ms;
}

static void free_action(gpointer data)
{
    Action *action = data;
    g_free(action->reason);
    g_free(action);
}

void postern_pool_free(PosternPool *pool)
{
    if (pool == NULL)
        return;
    GHashTableIter iterator;
    gpointer connection;
    g_hash_table_iter_init(&iterator, pool->connections);
    while (g_hash_table_iter_next(&iterator, NULL, &connection))
        postern_pool_waiter_free(&pool->waiters, ((Connection *)connection)->user);
    postern_pool_waiters_clear(&pool->waiters);
    g_queue_clear(&pool->idle);
    g_queue_clear_full(&pool->actions, free_action);
    g_hash_table_unref(pool->connections);
    g_free(pool->unusable);
    g_free(pool->told);
    g_free(pool);
}

static Action *push_action(PosternPool *pool, PosternPoolActionKind kind, guint64 connection, guint64 waiter)
{
    Action *action = g_new0(Action, 1);
    action->kind = kind;
    action->connection = connection;
    action->waiter = waiter;
    g_queue_push_tail(&pool->actions, action);
    return action;
}

static void drop_actions(PosternPool *pool, PosternPoolActionKind kind, guint64 connection)
{
    for (GList *link = pool->actions.head; link != NULL;) {
        GList *next = link->next;
        const Action *action = link->data;
        if (action->kind == kind && action->connection == connection) {
            free_action(link->data);
            g_queue_delete_link(&pool->actions, link);
        }
        link = next;
    }
}

/* The connection has no user any more; who it was, the caller's. */
static PosternPoolWaiter *take_user(PosternPool *pool, Connection *connection)
{
    if (connection->offered_link.data != NULL)
        g_queue_unlink(&pool->offered, &connection->offered_link);
    if (connection->recalled)
        drop_actions(pool, POSTERN_POOL_RECALL, connection->number);
    pool->recalled -= connection->recalled;
    connection->offered_link.data = NULL;
    connection->recalled = FALSE;
    return g_steal_pointer(&connection->user);
}

static const char *const state_names[] = {
    [OPENING] = "opening", [IDLE] = "idle", [BUSY] = "in use", [ENDING] = "ending"};

/* The one place where a connection's state changes. */
static void set_state(PosternPool *pool, Connection *connection, ConnectionState state, gint64 now)
{
    postern_log_numbered_state("pooled connection", connection->number, state_names[connection->state],
                               state_names[state]);
    if (connection->state == OPENING && state != OPENING)
        pool->opening--;
    if (connection->state == IDLE)
        g_queue_remove(&pool->idle, connection);
    if (connection->state == BUSY)
        postern_pool_waiter_free(&pool->waiters, take_user(pool, connection));
    connection->state = state;
    if (state == IDLE) {
        connection->idle_until = now + pool->idle_ms;
        g_queue_push_head(&pool->idle, connection);
    }
}

static void end_connection(PosternPool *pool, Connection *connection, gint64 now)
{
    set_state(pool, connection, ENDING, now);
    push_action(pool, POSTERN_POOL_QUIT, connection->number, 0);
}

/* The connection serves nobody any more. */
static void set_free(PosternPool *pool, Connection *connection, gboolean reusable, gint64 now)
{
    if (reusable && !pool->draining)
        set_state(pool, connection, IDLE, now);
    else
        end_connection(pool, connection, now);
}

static void open_connection(PosternPool *pool)
{
    Connection *connection = g_new0(Connection, 1);
    connection->number = ++pool->next_connection;
    connection->state = OPENING;
    pool->opening++;
    g_hash_table_insert(pool->connections, &connection->number, connection);
    push_action(pool, POSTERN_POOL_OPEN, connection->number, 0);
}

/* The next who may be served now, or NULL. */
static PosternPoolWaiter *next_waiter(const PosternPool *pool)
{
    PosternPoolWaiter *probe = postern_pool_waiters_find(&pool->waiters, POSTERN_POOL_PROBE);
    const GList *admitted = pool->waiters.admitted.head;
    if (probe != NULL || admitted == NULL || pool->health != POSTERN_SERVER_UP)
        return probe;
    return admitted->data;
}

/* How many of those who wait may be served now. */
static guint servable(const PosternPool *pool)
{
    if (pool->draining)
        return 0;
    return (postern_pool_waiters_find(&pool->waiters, POSTERN_POOL_PROBE) != NULL) +
           (pool->health == POSTERN_SERVER_UP ? pool->waiters.admitted.length : 0);
}

static void assign(PosternPool *pool, Connection *connection, PosternPoolWaiter *waiter, gint64 now)
{
    postern_pool_waiters_take(&pool->waiters, waiter);
    set_state(pool, connection, BUSY, now);
    connection->user = waiter;
    push_action(pool, POSTERN_POOL_ASSIGN, connection->number, waiter->number);
}

static void recall(PosternPool *pool, Connection *connection)
{
    connection->recalled = TRUE;
    pool->recalled++;
    g_queue_unlink(&pool->offered, &connection->offered_link);
    connection->offered_link.data = NULL;
    push_action(pool, POSTERN_POOL_RECALL, connection->number, connection->user->number);
}

/* What was offered is recalled: for those whose turn has come, or would if one came free; and a client's own
 * for those that wait behind its own. */
static void recall_offered(PosternPool *pool)
{
    const PosternFairQueue *turns = pool->waiters.turns;
    guint waiting = postern_fair_queue_waiting(turns);
    if (pool->offered.head == NULL || pool->draining || pool->health != POSTERN_SERVER_UP)
        return;
    guint wanted = pool->waiters.admitted.length +
                   (postern_fair_queue_is_full(turns) ? postern_fair_queue_needy(turns) : 0);
    while (pool->offered.head != NULL && wanted > pool->opening + pool->recalled)
        recall(pool, pool->offered.head->data);
    for (GList *link = pool->offered.head; link != NULL && waiting > pool->recalled;) {
        Connection *connection = link->data;
        link = link->next;
        if (postern_fair_queue_waiting_with(&connection->user->place) > 0)
            recall(pool, connection);
    }
}

/* Gives what is idle to those who wait, and opens what is missing, within the limit. */
static void dispatch(PosternPool *pool, gint64 now)
{
    if (pool->health == POSTERN_SERVER_UP && !pool->draining)
        postern_pool_waiters_admit(&pool->waiters);
    while (servable(pool) > 0 && pool->idle.head != NULL)
        assign(pool, pool->idle.head->data, next_waiter(pool), now);
    while (now >= pool->retry_at && pool->opening < servable(pool) &&
           g_hash_table_size(pool->connections) < pool->limit)
        open_connection(pool);
    recall_offered(pool);
}

static void refuse(PosternPool *pool, guint64 waiter, const char *reason)
{
    push_action(pool, POSTERN_POOL_REFUSE, 0, waiter)->reason = g_strdup(reason);
}

static void refuse_first(PosternPool *pool, const char *reason)
{
    PosternPoolWaiter *waiter = postern_pool_waiters_first(&pool->waiters);
    postern_pool_waiters_take(&pool->waiters, waiter);
    refuse(pool, waiter->number, reason);
    postern_pool_waiter_free(&pool->waiters, waiter);
}

static void refuse_all(PosternPool *pool, const char *reason)
{
    while (postern_pool_waiters_first(&pool->waiters) != NULL)
        refuse_first(pool, reason);
}

static void request(PosternPool *pool, guint64 waiter, guint64 client, PosternFairTurn turn, gint64 now)
{
    if (postern_pool_waiters_find(&pool->waiters, waiter) != NULL)
        return;
    if (pool->draining) {
        refuse(pool, waiter, stopping);
        return;
    }
    if (pool->health == POSTERN_SERVER_DOWN && waiter != POSTERN_POOL_PROBE) {
        refuse(pool, waiter, pool->unusable);
        return;
    }
    postern_pool_waiters_add(&pool->waiters, waiter, client, turn, now + pool->wait_ms);
    dispatch(pool, now);
}

void postern_pool_request(PosternPool *pool, guint64 waiter, guint64 client, gint64 now)
{
    request(pool, waiter, client, POSTERN_FAIR_TURN_LAST, now);
}

void postern_pool_request_later(PosternPool *pool, guint64 waiter, guint64 client, gint64 now)
{
    request(pool, waiter, client, POSTERN_FAIR_TURN_LATER, now);
}

void postern_pool_cancel(PosternPool *pool, guint64 waiter, gint64 now)
{
    PosternPoolWaiter *entry = postern_pool_waiters_find(&pool->waiters, waiter);
    if (entry != NULL) {
        postern_pool_waiters_take(&pool->waiters, entry);
        postern_pool_waiter_free(&pool->waiters, entry);
    }
    for (GList *link = pool->actions.head; link != NULL;) {
        GList *next = link->next;
        Action *action = link->data;
        if (action->waiter == waiter &&
            (action->kind == POSTERN_POOL_ASSIGN || action->kind == POSTERN_POOL_REFUSE)) {
            if (action->kind == POSTERN_POOL_ASSIGN)
                set_free(pool, g_hash_table_lookup(pool->connections, &action->connection), TRUE, now);
            g_queue_delete_link(&pool->actions, link);
            free_action(action);
        }
        link = next;
    }
    dispatch(pool, now);
}

void postern_pool_opened(PosternPool *pool, guint64 number, gint64 now)
{
    Connection *connection = g_hash_table_lookup(pool->connections, &number);
    if (connection == NULL || connection->state != OPENING)
        return;
    pool->retry_at = G_MININT64;
    set_free(pool, connection, TRUE, now);
    dispatch(pool, now);
}

void postern_pool_offer(PosternPool *pool, guint64 number, gint64 now)
{
    Connection *connection = g_hash_table_lookup(pool->connections, &number);
    if (connection == NULL || connection->state != BUSY || connection->recalled ||
        connection->offered_link.data != NULL || connection->user->number == POSTERN_POOL_PROBE)
        return;
    connection->offered_link.data = connection;
    g_queue_push_tail_link(&pool->offered, &connection->offered_link);
    dispatch(pool, now);
}

void postern_pool_returned(PosternPool *pool, guint64 number, gboolean reusable, gint64 now)
{
    Connection *connection = g_hash_table_lookup(pool->connections, &number);
    if (connection == NULL || connection->state != BUSY)
        return;
    set_free(pool, connection, reusable, now);
    dispatch(pool, now);
}

/* What was still to be done with a connection that is gone: whom it was to be given to is the next. */
static void forget_actions(PosternPool *pool, Connection *connection)
{
    gboolean given = FALSE;
    for (GList *link = pool->actions.head; link != NULL && !given; link = link->next) {
        const Action *action = link->data;
        given = action->kind == POSTERN_POOL_ASSIGN && action->connection == connection->number;
    }
    if (given)
        postern_pool_waiters_put_back(&pool->waiters, take_user(pool, connection));
    drop_actions(pool, POSTERN_POOL_ASSIGN, connection->number);
    drop_actions(pool, POSTERN_POOL_QUIT, connection->number);
}

static gboolean any_of_use(const PosternPool *pool)
{
    GHashTableIter iterator;
    gpointer connection;
    g_hash_table_iter_init(&iterator, pool->connections);
    while (g_hash_table_iter_next(&iterator, NULL, &connection))
        if (((const Connection *)connection)->state != ENDING)
            return TRUE;
    return FALSE;
}

/* It could not be opened; hopeless: nor is there another to wait for. */
static void never_opened(PosternPool *pool, const char *reason, gboolean hopeless, gint64 now)
{
    pool->retry_at = now + POSTERN_BACKEND_RETRY_MS;
    if (hopeless)
        refuse_all(pool, reason);
}

void postern_pool_ending(PosternPool *pool, guint64 number, const char *reason, gint64 now)
{
    Connection *connection = g_hash_table_lookup(pool->connections, &number);
    if (connection == NULL)
        return;
    gboolean opened = connection->state != OPENING;
    forget_actions(pool, connection);
    set_state(pool, connection, ENDING, now);
    if (!opened && reason != NULL)
        never_opened(pool, reason, !any_of_use(pool), now);
    dispatch(pool, now);
}

void postern_pool_closed(PosternPool *pool, guint64 number, const char *reason, gint64 now)
{
    Connection *connection = g_hash_table_lookup(pool->connections, &number);
    if (connection == NULL)
        return;
    gboolean opened = connection->state != OPENING;
    forget_actions(pool, connection);
    set_state(pool, connection, ENDING, now);
    g_hash_table_remove(pool->connections, &number);
    if (pool->draining)
        refuse_all(pool, stopping);
    /* While others are open their slots will come free. */
    if (!opened && reason != NULL)
        never_opened(pool, reason, g_hash_table_size(pool->connections) == 0, now);
    dispatch(pool, now);
}

void postern_pool_set_health(PosternPool *pool, PosternServerHealth health, const char *reason, gint64 now)
{
    g_autofree char *unusable = health == POSTERN_SERVER_DOWN ? g_strdup(reason) : NULL;
    pool->health = health;
    g_free(pool->unusable);
    pool->unusable = g_steal_pointer(&unusable);
    if (health == POSTERN_SERVER_DOWN)
        refuse_all(pool, pool->unusable);
    dispatch(pool, now);
}

PosternServerHealth postern_pool_health(const PosternPool *pool)
{
    return pool->health;
}

static void end_idle(PosternPool *pool, gint64 until, gint64 now)
{
    for (GList *link = pool->idle.head; link != NULL;) {
        Connection *connection = link->data;
        link = link->next;
        if (connection->idle_until <= until)
            end_connection(pool, connection, now);
    }
}

void postern_pool_end_idle(PosternPool *pool, gint64 now)
{
    end_idle(pool, G_MAXINT64, now);
    dispatch(pool, now);
}

void postern_pool_drain(PosternPool *pool, gint64 now)
{
    pool->draining = TRUE;
    refuse_all(pool, stopping);
    end_idle(pool, G_MAXINT64, now);
}

/* Why nobody came to have one in time. */
static const char *reason_for_none(const PosternPool *pool)
{
    if (pool->health == POSTERN_SERVER_UNKNOWN)
        return "the back-end has not been proved to refuse relaying yet";
    if (any_of_use(pool) || g_hash_table_size(pool->connections) == 0)
        return "no connection to the back-end became free in time";
    return "connections to the back-end were lost, and it may have them still ([proxy] backend_lost_timeout)";
}

void postern_pool_timer(PosternPool *pool, gint64 now)
{
    end_idle(pool, now, now);
    const PosternPoolWaiter *first;
    while ((first = postern_pool_waiters_first(&pool->waiters)) != NULL && first->deadline <= now)
        refuse_first(pool, reason_for_none(pool));
    dispatch(pool, now);
}

gint64 postern_pool_deadline(const PosternPool *pool)
{
    gint64 deadline = G_MAXINT64;
    const PosternPoolWaiter *first = postern_pool_waiters_first(&pool->waiters);
    if (first != NULL)
        deadline = MIN(deadline, first->deadline);
    if (pool->idle.tail != NULL)
        deadline = MIN(deadline, ((const Connection *)pool->idle.tail->data)->idle_until);
    if (pool->opening < servable(pool) && pool->retry_at != G_MININT64 &&
        g_hash_table_size(pool->connections) < pool->limit)
        deadline = MIN(deadline, pool->retry_at);
    return deadline;
}

gboolean postern_pool_next_action(PosternPool *pool, PosternPoolAction *ret_action)
{
    Action *action = g_queue_pop_head(&pool->actions);
    if (action == NULL)
        return FALSE;
    g_free(pool->told);
    pool->told = g_steal_pointer(&action->reason);
    *ret_action = (PosternPoolAction){action->kind, action->connection, action->waiter, pool->told};
    free_action(action);
    return TRUE;
}

guint postern_pool_used(const PosternPool *pool)
{
    return g_hash_table_size(pool->connections);
}

guint postern_pool_waiting(const PosternPool *pool)
{
    return pool->waiters.order.length;
}
