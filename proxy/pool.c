#include "proxy/pool.h"

#include "base/limits.h"

typedef enum {
    OPENING,
    IDLE,
    BUSY,
    ENDING,
} ConnectionState;

typedef struct {
    guint64 number;
    ConnectionState state;
    gint64 idle_until; /* IDLE */
} Connection;

typedef struct {
    guint64 number;
    gint64 deadline;
} Waiter;

/* What waits for next_action(). */
typedef struct {
    PosternPoolActionKind kind;
    guint64 connection;
    guint64 waiter;
    gint64 deadline; /* GIVE: the waiter's, should the connection be lost before it is given */
    char *reason;    /* REFUSE */
} Action;

struct PosternPool {
    guint limit;
    guint wait_ms;
    guint idle_ms;
    PosternPoolStanding standing;
    char *unusable; /* why, while UNUSABLE */
    char *told;     /* the reason that next_action() gave out last */
    gboolean draining;
    gint64 retry_at; /* no connection is opened before */
    guint64 next_connection;
    guint opening;
    GHashTable *connections; /* number -> Connection */
    GQueue idle;             /* of Connection *, the last used first */
    GQueue waiters;          /* of Waiter *, in order; the probe first */
    GQueue actions;          /* of Action * */
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
    g_queue_init(&pool->idle);
    g_queue_init(&pool->waiters);
    g_queue_init(&pool->actions);
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
    g_queue_clear(&pool->idle);
    g_queue_clear_full(&pool->waiters, g_free);
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

/* The one place where a connection's state changes. */
static void set_state(PosternPool *pool, Connection *connection, ConnectionState state, gint64 now)
{
    if (connection->state == OPENING && state != OPENING)
        pool->opening--;
    if (connection->state == IDLE)
        g_queue_remove(&pool->idle, connection);
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

/* How many of those who wait may be served now. */
static guint servable(const PosternPool *pool)
{
    if (pool->waiters.head == NULL || pool->draining)
        return 0;
    if (pool->standing == POSTERN_POOL_USABLE)
        return pool->waiters.length;
    const Waiter *first = pool->waiters.head->data;
    return first->number == POSTERN_POOL_PROBE ? 1 : 0;
}

/* Gives what is idle to those who wait, and opens what is missing, within the limit. */
static void dispatch(PosternPool *pool, gint64 now)
{
    while (servable(pool) > 0 && !g_queue_is_empty(&pool->idle)) {
        Connection *connection = g_queue_peek_head(&pool->idle);
        g_autofree Waiter *waiter = g_queue_pop_head(&pool->waiters);
        set_state(pool, connection, BUSY, now);
        push_action(pool, POSTERN_POOL_GIVE, connection->number, waiter->number)->deadline = waiter->deadline;
    }
    while (now >= pool->retry_at && pool->opening < servable(pool) &&
           g_hash_table_size(pool->connections) < pool->limit)
        open_connection(pool);
}

static void refuse(PosternPool *pool, guint64 waiter, const char *reason)
{
    push_action(pool, POSTERN_POOL_REFUSE, 0, waiter)->reason = g_strdup(reason);
}

static void refuse_first(PosternPool *pool, const char *reason)
{
    g_autofree Waiter *waiter = g_queue_pop_head(&pool->waiters);
    refuse(pool, waiter->number, reason);
}

static void refuse_all(PosternPool *pool, const char *reason)
{
    while (!g_queue_is_empty(&pool->waiters))
        refuse_first(pool, reason);
}

static gboolean is_probe(const Waiter *waiter)
{
    return waiter != NULL && waiter->number == POSTERN_POOL_PROBE;
}

/* As the first of all, or the first behind the probe. Deadlines stay in the order of the queue, so that the
 * first one is the next. */
static void push_first(PosternPool *pool, Waiter *entry)
{
    Waiter *first = g_queue_peek_head(&pool->waiters);
    if (is_probe(first)) {
        first->deadline = MIN(first->deadline, entry->deadline);
        g_queue_push_nth(&pool->waiters, entry, 1);
    } else {
        if (first != NULL)
            entry->deadline = MIN(entry->deadline, first->deadline);
        g_queue_push_head(&pool->waiters, entry);
    }
}

void postern_pool_request(PosternPool *pool, guint64 waiter, gint64 now)
{
    if (pool->draining) {
        refuse(pool, waiter, stopping);
        return;
    }
    if (pool->standing == POSTERN_POOL_UNUSABLE && waiter != POSTERN_POOL_PROBE) {
        refuse(pool, waiter, pool->unusable);
        return;
    }
    Waiter *entry = g_new0(Waiter, 1);
    entry->number = waiter;
    entry->deadline = now + pool->wait_ms;
    if (is_probe(entry))
        push_first(pool, entry);
    else
        g_queue_push_tail(&pool->waiters, entry);
    dispatch(pool, now);
}

static void forget_waiter(PosternPool *pool, guint64 waiter)
{
    for (GList *link = pool->waiters.head; link != NULL; link = link->next) {
        if (((Waiter *)link->data)->number == waiter) {
            g_free(link->data);
            g_queue_delete_link(&pool->waiters, link);
            return;
        }
    }
}

void postern_pool_cancel(PosternPool *pool, guint64 waiter, gint64 now)
{
    forget_waiter(pool, waiter);
    for (GList *link = pool->actions.head; link != NULL;) {
        GList *next = link->next;
        Action *action = link->data;
        if (action->waiter == waiter &&
            (action->kind == POSTERN_POOL_GIVE || action->kind == POSTERN_POOL_REFUSE)) {
            if (action->kind == POSTERN_POOL_GIVE)
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

void postern_pool_returned(PosternPool *pool, guint64 number, gboolean reusable, gint64 now)
{
    Connection *connection = g_hash_table_lookup(pool->connections, &number);
    if (connection == NULL || connection->state != BUSY)
        return;
    set_free(pool, connection, reusable, now);
    dispatch(pool, now);
}

/* What was still to be done with a connection that is gone: whom it was to be given to waits on, in front. */
static void forget_actions(PosternPool *pool, guint64 number)
{
    for (GList *link = pool->actions.head; link != NULL;) {
        GList *next = link->next;
        Action *action = link->data;
        if (action->connection == number &&
            (action->kind == POSTERN_POOL_GIVE || action->kind == POSTERN_POOL_QUIT)) {
            if (action->kind == POSTERN_POOL_GIVE) {
                Waiter *entry = g_new0(Waiter, 1);
                entry->number = action->waiter;
                entry->deadline = action->deadline;
                push_first(pool, entry);
            }
            g_queue_delete_link(&pool->actions, link);
            free_action(action);
        }
        link = next;
    }
}

void postern_pool_ending(PosternPool *pool, guint64 number, gint64 now)
{
    Connection *connection = g_hash_table_lookup(pool->connections, &number);
    if (connection == NULL || connection->state == OPENING)
        return;
    set_state(pool, connection, ENDING, now);
    forget_actions(pool, number);
    dispatch(pool, now);
}

void postern_pool_closed(PosternPool *pool, guint64 number, const char *reason, gint64 now)
{
    Connection *connection = g_hash_table_lookup(pool->connections, &number);
    if (connection == NULL)
        return;
    gboolean opened = connection->state != OPENING;
    set_state(pool, connection, ENDING, now);
    g_hash_table_remove(pool->connections, &number);
    forget_actions(pool, number);
    if (pool->draining)
        refuse_all(pool, stopping);
    if (!opened && reason != NULL) {
        pool->retry_at = now + POSTERN_BACKEND_RETRY_MS;
        /* While others are open their slots will come free; with none there is nothing to wait for. */
        if (g_hash_table_size(pool->connections) == 0)
            refuse_all(pool, reason);
    }
    dispatch(pool, now);
}

void postern_pool_set_standing(PosternPool *pool, PosternPoolStanding standing, const char *reason,
                               gint64 now)
{
    g_autofree char *unusable = standing == POSTERN_POOL_UNUSABLE ? g_strdup(reason) : NULL;
    pool->standing = standing;
    g_free(pool->unusable);
    pool->unusable = g_steal_pointer(&unusable);
    if (standing == POSTERN_POOL_UNUSABLE)
        refuse_all(pool, pool->unusable);
    dispatch(pool, now);
}

PosternPoolStanding postern_pool_standing(const PosternPool *pool)
{
    return pool->standing;
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

void postern_pool_timer(PosternPool *pool, gint64 now)
{
    end_idle(pool, now, now);
    Waiter *first;
    while ((first = g_queue_peek_head(&pool->waiters)) != NULL && first->deadline <= now) {
        refuse_first(pool, pool->standing == POSTERN_POOL_UNPROVED
                               ? "the back-end has not been proved to refuse relaying yet"
                               : "no connection to the back-end became free in time");
    }
    dispatch(pool, now);
}

gint64 postern_pool_deadline(const PosternPool *pool)
{
    gint64 deadline = G_MAXINT64;
    if (pool->waiters.head != NULL)
        deadline = MIN(deadline, ((const Waiter *)pool->waiters.head->data)->deadline);
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
    return pool->waiters.length;
}
