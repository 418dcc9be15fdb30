/* Several pools of one group, and what their threads know of each connection and each waiter. */
#pragma once

#include "pool_harness.h"

#define POOLS_MAX 4
#define WAITERS 12 /* of each pool */
#define CONNECTIONS_MAX 8
#define CLIENTS 3 /* of the waiters, in turn, on all pools */
#define MODEL_WAIT_MS 400
#define MODEL_IDLE_MS 700

/* What the threads know of one connection, and of one waiter: kept apart from the pools, to judge them by. */
typedef enum { OPENING, READY, ASSIGNED, ENDING } Stage;

typedef struct Thread Thread;

typedef struct {
    guint64 number;
    Thread *thread;
    Stage stage;
    guint64 waiter; /* ASSIGNED; 0: the relay probe */
    gboolean offered, recalled;
} Connection;

typedef struct {
    gboolean waits;
    gint64 since;
    guint64 turn;       /* of its request; a smaller one was earlier */
    guint64 connection; /* served by; 0: none */
} Waiter;

typedef struct Model Model;

/* A thread looks at its pool when it has called it, when it is woken, and when the timer that it set last is
 * due: nothing else may be needed. */
struct Thread {
    Model *model;
    PosternPool *pool;
    gboolean woken;
    gint64 timer;
    guint generation;
    gboolean draining;
    Waiter waiters[WAITERS + 1];
};

struct Model {
    GRand *random;
    gint64 now;
    guint limit;
    PosternServerGroup *group;
    PosternServer *server;
    GPtrArray *settings;
    Thread threads[POOLS_MAX];
    guint count;
    GArray *connections;
    guint64 turns;
    guint generation;
    PosternServerHealth health;
    gboolean probe_waits;
    gint64 paused_until; /* nothing is opened before */
    guint assigned, refused, opened, recalled, most;
};

static inline guint any_of(Model *model, guint count)
{
    return (guint)g_rand_int_range(model->random, 0, (gint32)count);
}

static inline void on_wake(gpointer data)
{
    ((Thread *)data)->woken = TRUE;
}

static inline Connection *find(Model *model, guint64 number)
{
    for (guint i = 0; i < model->connections->len; i++) {
        Connection *connection = &g_array_index(model->connections, Connection, i);
        if (connection->number == number)
            return connection;
    }
    return NULL;
}

static inline guint64 client_of(guint64 waiter)
{
    return 1 + waiter % CLIENTS;
}

static inline guint count_held(Model *model, guint64 client)
{
    guint count = 0;
    for (guint i = 0; i < model->connections->len; i++) {
        const Connection *connection = &g_array_index(model->connections, Connection, i);
        count += connection->stage == ASSIGNED && connection->waiter != 0 &&
                 client_of(connection->waiter) == client;
    }
    return count;
}

static inline guint count_stage(Model *model, Stage stage)
{
    guint count = 0;
    for (guint i = 0; i < model->connections->len; i++)
        count += g_array_index(model->connections, Connection, i).stage == stage;
    return count;
}

static inline void take_open(Thread *thread, const PosternPoolAction *action)
{
    Model *model = thread->model;
    Connection connection = {.number = action->connection, .thread = thread, .stage = OPENING};
    g_assert_null(find(model, action->connection));
    g_assert_false(thread->draining);
    g_array_append_val(model->connections, connection);
    g_assert_cmpuint(model->connections->len, <=, model->limit); /* the promise */
    model->opened++;
    model->most = MAX(model->most, model->connections->len);
}

static inline void take_assign(Thread *thread, const PosternPoolAction *action)
{
    Model *model = thread->model;
    Connection *connection = find(model, action->connection);
    Waiter *waiter = &thread->waiters[action->waiter];
    g_assert_nonnull(connection);
    g_assert_true(connection->thread == thread);
    g_assert_cmpint(connection->stage, ==, READY);
    connection->stage = ASSIGNED;
    connection->waiter = action->waiter;
    connection->offered = connection->recalled = FALSE;
    model->assigned++;
    if (action->borrower == POSTERN_BORROWER_PROBE) {
        g_assert_true(model->probe_waits);
        model->probe_waits = FALSE;
        return;
    }
    g_assert_true(waiter->waits);
    /* In order within its client and thread; and no client has more than it leaves to others. */
    for (guint i = 1; i <= WAITERS; i++)
        g_assert_false(thread->waiters[i].waits && client_of(i) == client_of(action->waiter) &&
                       thread->waiters[i].turn < waiter->turn);
    waiter->waits = FALSE;
    waiter->connection = action->connection;
    guint held = count_held(model, client_of(action->waiter));
    g_assert_cmpuint(held, <=, MAX(1, (model->limit + 1) / 2));
}

static inline void take_refuse(Thread *thread, const PosternPoolAction *action)
{
    Model *model = thread->model;
    gboolean is_probe = action->borrower == POSTERN_BORROWER_PROBE;
    g_assert_true(action->reason != NULL || (is_probe && thread->draining)); /* then another thread probes */
    model->refused++;
    if (is_probe) {
        g_assert_true(model->probe_waits);
        model->probe_waits = FALSE;
        postern_pool_retry_later(thread->pool, action->server, 1 + any_of(model, 100), model->now);
        return;
    }
    g_assert_true(thread->waiters[action->waiter].waits);
    thread->waiters[action->waiter].waits = FALSE;
}

static inline void take_recall(Thread *thread, const PosternPoolAction *action)
{
    Connection *connection = find(thread->model, action->connection);
    g_assert_nonnull(connection);
    g_assert_cmpint(connection->stage, ==, ASSIGNED);
    g_assert_cmpuint(connection->waiter, ==, action->waiter);
    g_assert_true(connection->offered && !connection->recalled);
    connection->recalled = TRUE;
    thread->model->recalled++;
}

static inline void take_quit(Thread *thread, const PosternPoolAction *action)
{
    Connection *connection = find(thread->model, action->connection);
    g_assert_nonnull(connection);
    g_assert_cmpint(connection->stage, ==, READY);
    connection->stage = ENDING;
}

static inline void take_probe(Thread *thread, const PosternPoolAction *action)
{
    Model *model = thread->model;
    g_assert_true(thread == model->threads);
    g_assert_true(model->server == NULL || model->server == action->server);
    if (model->server == NULL)
        model->server = postern_server_ref(action->server);
    if (model->probe_waits)
        return;
    model->probe_waits = TRUE;
    postern_pool_request_probe(thread->pool, action->server, model->now);
}

static inline void take_actions(Thread *thread)
{
    PosternPoolAction action;
    thread->woken = FALSE;
    while (postern_pool_next_action(thread->pool, &action)) {
        switch (action.kind) {
        case POSTERN_POOL_OPEN:
            take_open(thread, &action);
            break;
        case POSTERN_POOL_ASSIGN:
            take_assign(thread, &action);
            break;
        case POSTERN_POOL_REFUSE:
            take_refuse(thread, &action);
            break;
        case POSTERN_POOL_RECALL:
            take_recall(thread, &action);
            break;
        case POSTERN_POOL_QUIT:
            take_quit(thread, &action);
            break;
        case POSTERN_POOL_PROBE:
            take_probe(thread, &action);
            break;
        case POSTERN_POOL_LOOK_UP:
        case POSTERN_POOL_ANNOUNCE:
            break;
        }
    }
    thread->timer = postern_pool_deadline(thread->pool);
}
