#include "proxy/servers/pool.h"

#define STEPS 100000
#define WAITERS 12
#define CONNECTIONS_MAX 8
#define WAIT_MS 400
#define IDLE_MS 700

/* What the user of a pool knows of one connection, and of one waiter: kept apart from the pool, to judge it
 * by. */
typedef enum { OPENING, READY, ASSIGNED, ENDING } Stage;

#define CLIENTS 3 /* of the waiters, in turn */

typedef struct {
    guint64 number;
    Stage stage;
    guint64 waiter; /* ASSIGNED */
    gboolean offered, recalled;
} Connection;

typedef struct {
    gboolean waits;
    gint64 since;
    guint64 turn;       /* of its request; a smaller one was earlier */
    guint64 connection; /* served by; 0: none */
} Waiter;

typedef struct {
    PosternPool *pool;
    GRand *random;
    gint64 now;
    guint limit;
    GArray *connections;
    Waiter waiters[WAITERS + 1]; /* 0 is the probe */
    guint64 turns;
    PosternServerHealth health;
    gboolean draining;
    guint assigned, refused, opened, recalled;
} Model;

static Connection *find(Model *model, guint64 number)
{
    for (guint i = 0; i < model->connections->len; i++) {
        Connection *connection = &g_array_index(model->connections, Connection, i);
        if (connection->number == number)
            return connection;
    }
    return NULL;
}

static guint64 client_of(guint64 waiter)
{
    return 1 + waiter % CLIENTS;
}

static guint count_held(Model *model, guint64 client)
{
    guint count = 0;
    for (guint i = 0; i < model->connections->len; i++) {
        const Connection *connection = &g_array_index(model->connections, Connection, i);
        count += connection->stage == ASSIGNED && connection->waiter != POSTERN_POOL_PROBE &&
                 client_of(connection->waiter) == client;
    }
    return count;
}

static void take_open(Model *model, const PosternPoolAction *action)
{
    Connection connection = {.number = action->connection, .stage = OPENING};
    g_assert_null(find(model, action->connection));
    g_assert_false(model->draining);
    g_array_append_val(model->connections, connection);
    model->opened++;
}

static void take_assign(Model *model, const PosternPoolAction *action)
{
    Connection *connection = find(model, action->connection);
    Waiter *waiter = &model->waiters[action->waiter];
    g_assert_nonnull(connection);
    g_assert_cmpint(connection->stage, ==, READY);
    g_assert_true(waiter->waits);
    /* In order within its client; and no client has more than it leaves to others. */
    for (guint i = 1; i <= WAITERS && action->waiter != POSTERN_POOL_PROBE; i++)
        g_assert_false(model->waiters[i].waits && client_of(i) == client_of(action->waiter) &&
                       model->waiters[i].turn < waiter->turn);
    waiter->waits = FALSE;
    waiter->connection = action->connection;
    connection->stage = ASSIGNED;
    connection->waiter = action->waiter;
    connection->offered = connection->recalled = FALSE;
    model->assigned++;
    if (action->waiter != POSTERN_POOL_PROBE) {
        guint held = count_held(model, client_of(action->waiter));
        g_assert_cmpuint(held, <=, MAX(1, (model->limit + 1) / 2));
    }
}

static void take_refuse(Model *model, const PosternPoolAction *action)
{
    g_assert_true(model->waiters[action->waiter].waits);
    g_assert_nonnull(action->reason);
    model->waiters[action->waiter].waits = FALSE;
    model->refused++;
}

static void take_recall(Model *model, const PosternPoolAction *action)
{
    Connection *connection = find(model, action->connection);
    g_assert_nonnull(connection);
    g_assert_cmpint(connection->stage, ==, ASSIGNED);
    g_assert_cmpuint(connection->waiter, ==, action->waiter);
    g_assert_true(connection->offered && !connection->recalled);
    g_assert_cmpuint(postern_pool_waiting(model->pool), >, 0);
    connection->recalled = TRUE;
    model->recalled++;
}

static void take_quit(Model *model, const PosternPoolAction *action)
{
    Connection *connection = find(model, action->connection);
    g_assert_nonnull(connection);
    g_assert_cmpint(connection->stage, ==, READY);
    connection->stage = ENDING;
}

static void take_actions(Model *model)
{
    PosternPoolAction action;
    while (postern_pool_next_action(model->pool, &action)) {
        switch (action.kind) {
        case POSTERN_POOL_OPEN:
            take_open(model, &action);
            break;
        case POSTERN_POOL_ASSIGN:
            take_assign(model, &action);
            break;
        case POSTERN_POOL_REFUSE:
            take_refuse(model, &action);
            break;
        case POSTERN_POOL_RECALL:
            take_recall(model, &action);
            break;
        case POSTERN_POOL_QUIT:
            take_quit(model, &action);
            break;
        }
    }
}

static guint count_stage(Model *model, Stage stage)
{
    guint count = 0;
    for (guint i = 0; i < model->connections->len; i++)
        count += g_array_index(model->connections, Connection, i).stage == stage;
    return count;
}

/* Who has none gets one that is ready; and where it has to wait, what was offered is on its way back. */
static void check_client(Model *model, guint64 client)
{
    gboolean waits = FALSE;
    guint on_their_way = count_stage(model, OPENING);
    guint offered = 0;
    for (guint i = 1; i <= WAITERS; i++)
        waits = waits || (client_of(i) == client && model->waiters[i].waits);
    if (!waits || count_held(model, client) > 0)
        return;
    g_assert_cmpuint(count_stage(model, READY), ==, 0);
    for (guint i = 0; i < model->connections->len; i++) {
        const Connection *connection = &g_array_index(model->connections, Connection, i);
        on_their_way += connection->stage == ASSIGNED && connection->recalled;
        offered += connection->stage == ASSIGNED && connection->offered && !connection->recalled;
    }
    if (offered > 0)
        g_assert_cmpuint(on_their_way, >, 0);
}

/* True after every step and its actions. */
static void check(Model *model)
{
    guint waiting = 0;
    for (guint i = 0; i <= WAITERS; i++) {
        const Waiter *waiter = &model->waiters[i];
        waiting += waiter->waits;
        if (waiter->waits) {
            gint64 latest = waiter->since + WAIT_MS;
            g_assert_cmpint(postern_pool_deadline(model->pool), <=, latest);
            g_assert_false(model->draining);
        }
    }
    g_assert_cmpuint(postern_pool_waiting(model->pool), ==, waiting);
    g_assert_cmpuint(postern_pool_used(model->pool), ==, model->connections->len);
    g_assert_cmpuint(postern_pool_used(model->pool), <=, model->limit);
    if (model->waiters[POSTERN_POOL_PROBE].waits)
        g_assert_cmpuint(count_stage(model, READY), ==, 0);
    for (guint client = 1; client <= CLIENTS && model->health == POSTERN_SERVER_UP; client++)
        check_client(model, client);
    if (count_stage(model, READY) > 0)
        g_assert_cmpint(postern_pool_deadline(model->pool), <=, model->now + IDLE_MS);
}

static void step_request(Model *model, guint i)
{
    Waiter *waiter = &model->waiters[i];
    if (waiter->waits || waiter->connection != 0)
        return;
    *waiter = (Waiter){.waits = TRUE, .since = model->now, .turn = ++model->turns};
    postern_pool_request(model->pool, i, i == POSTERN_POOL_PROBE ? 0 : client_of(i), model->now);
}

static void step_cancel(Model *model, guint i)
{
    if (!model->waiters[i].waits)
        return;
    model->waiters[i].waits = FALSE;
    postern_pool_cancel(model->pool, i, model->now);
}

static Connection *any_connection(Model *model)
{
    if (model->connections->len == 0)
        return NULL;
    gint32 which = g_rand_int_range(model->random, 0, (gint32)model->connections->len);
    return &g_array_index(model->connections, Connection, (guint)which);
}

static void step_opened(Model *model)
{
    Connection *connection = any_connection(model);
    if (connection == NULL || connection->stage != OPENING)
        return;
    connection->stage = READY;
    postern_pool_opened(model->pool, connection->number, model->now);
}

static void step_offer(Model *model)
{
    Connection *connection = any_connection(model);
    if (connection == NULL || connection->stage != ASSIGNED)
        return;
    connection->offered = connection->offered || connection->waiter != POSTERN_POOL_PROBE;
    postern_pool_offer(model->pool, connection->number, model->now);
}

static void step_returned(Model *model)
{
    Connection *connection = any_connection(model);
    if (connection == NULL || connection->stage != ASSIGNED)
        return;
    model->waiters[connection->waiter].connection = 0;
    connection->stage = READY;
    postern_pool_returned(model->pool, connection->number, g_rand_int_range(model->random, 0, 4) > 0,
                          model->now);
}

static void step_closed(Model *model)
{
    Connection *connection = any_connection(model);
    if (connection == NULL)
        return;
    guint64 number = connection->number;
    gboolean opening = connection->stage == OPENING;
    if (connection->stage == ASSIGNED)
        model->waiters[connection->waiter].connection = 0;
    g_array_remove_index_fast(model->connections,
                              (guint)(connection - (Connection *)(void *)model->connections->data));
    postern_pool_closed(model->pool, number, opening ? "refused" : NULL, model->now);
}

static void step_health(Model *model)
{
    static const PosternServerHealth healths[] = {POSTERN_SERVER_UNKNOWN, POSTERN_SERVER_DOWN,
                                                  POSTERN_SERVER_UP, POSTERN_SERVER_UP, POSTERN_SERVER_UP};
    model->health = healths[g_rand_int_range(model->random, 0, G_N_ELEMENTS(healths))];
    postern_pool_set_health(model->pool, model->health, "it relays", model->now);
}

static void step_time(Model *model)
{
    gint64 deadline = postern_pool_deadline(model->pool);
    model->now += g_rand_int_range(model->random, 0, 100);
    if (g_rand_int_range(model->random, 0, 3) == 0 && deadline != G_MAXINT64)
        model->now = MAX(model->now, deadline);
    postern_pool_timer(model->pool, model->now);
    gint64 next = postern_pool_deadline(model->pool);
    g_assert_cmpint(next, >, model->now); /* a timer that is late at once would spin */
}

static void step(Model *model)
{
    guint waiter = (guint)g_rand_int_range(model->random, 0, WAITERS + 1);
    switch (g_rand_int_range(model->random, 0, 26)) {
    case 24 ... 25:
        step_offer(model);
        break;
    case 0 ... 7:
        step_request(model, waiter);
        break;
    case 8 ... 9:
        step_cancel(model, waiter);
        break;
    case 10 ... 13:
        step_opened(model);
        break;
    case 14 ... 18:
        step_returned(model);
        break;
    case 19 ... 20:
        step_closed(model);
        break;
    case 21:
        if (g_rand_int_range(model->random, 0, 6) == 0)
            step_health(model);
        break;
    default:
        step_time(model);
        break;
    }
}

static void run(Model *model, guint steps)
{
    for (guint i = 0; i < steps; i++) {
        step(model);
        take_actions(model);
        check(model);
    }
}

/* All is let go; every waiter has its answer, and no slot is left. */
static void drain(Model *model)
{
    model->draining = TRUE;
    postern_pool_drain(model->pool, model->now);
    take_actions(model);
    for (guint i = 0; i < 2000 && model->connections->len > 0; i++) {
        step(model);
        take_actions(model);
        check(model);
    }
    g_assert_cmpuint(model->connections->len, ==, 0);
    g_assert_cmpuint(postern_pool_used(model->pool), ==, 0);
    g_assert_cmpuint(postern_pool_waiting(model->pool), ==, 0);
}

static void test_model(void)
{
    guint assigned = 0;
    guint refused = 0;
    guint recalled = 0;
    for (guint world = 0; world < STEPS / 1000; world++) {
        Model model = {.random = g_rand_new_with_seed(world), .limit = 1 + world % CONNECTIONS_MAX};
        model.connections = g_array_new(FALSE, FALSE, sizeof(Connection));
        model.pool = postern_pool_new(model.limit, WAIT_MS, IDLE_MS);
        run(&model, 1000);
        drain(&model);
        assigned += model.assigned;
        refused += model.refused;
        recalled += model.recalled;
        postern_pool_free(model.pool);
        g_array_unref(model.connections);
        g_rand_free(model.random);
    }
    g_test_message("%u assigned, %u refused, %u recalled", assigned, refused, recalled);
    g_assert_cmpuint(recalled, >, STEPS / 1000);
    g_assert_cmpuint(assigned, >, STEPS / 100);
    g_assert_cmpuint(refused, >, STEPS / 1000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pool/model", test_model);
    return g_test_run();
}
