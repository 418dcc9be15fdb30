#include "pool_model.h"

#define WORLDS 1000
#define STEPS 1000
/* Who acted looks, then those that were woken by it, in any order. */
static void run_woken(Model *model, Thread *thread)
{
    take_actions(thread);
    for (guint i = any_of(model, model->count), idle = 0; idle < model->count; i = (i + 1) % model->count) {
        idle = model->threads[i].woken ? 0 : idle + 1;
        if (model->threads[i].woken)
            take_actions(&model->threads[i]);
    }
}

/* Whoever has none does not wait beside one that is ready; and where it has to wait, what was offered, or is
 * unused elsewhere, is on its way. */
static void check_client(Model *model, guint64 client)
{
    gboolean waits = FALSE;
    guint on_their_way = count_stage(model, OPENING) + count_stage(model, ENDING);
    guint offered = 0;
    for (guint t = 0; t < model->count; t++)
        for (guint i = 1; i <= WAITERS; i++)
            waits = waits || (client_of(i) == client && model->threads[t].waiters[i].waits);
    if (!waits || count_held(model, client) > 0)
        return;
    for (guint i = 0; i < model->connections->len; i++) {
        const Connection *connection = &g_array_index(model->connections, Connection, i);
        on_their_way += connection->stage == ASSIGNED && connection->recalled;
        offered += connection->stage == ASSIGNED && connection->offered && !connection->recalled;
    }
    guint unused = model->now >= model->paused_until ? count_stage(model, READY) : 0;
    if (offered + unused > 0)
        g_assert_cmpuint(on_their_way, >, 0);
    /* Its turn may be on another thread, for which one is on its way. */
    if (model->count == 1)
        g_assert_cmpuint(count_stage(model, READY), ==, 0);
}

static gboolean is_settled(const Model *model)
{
    for (guint i = 0; i < model->count; i++)
        if (model->threads[i].generation != model->generation || model->threads[i].draining)
            return FALSE;
    return model->health == POSTERN_SERVER_UP;
}

static void check_thread(Thread *thread)
{
    PosternPoolAction action;
    guint waiting = 0;
    g_assert_false(postern_pool_next_action(thread->pool, &action)); /* or it should have been woken */
    g_assert_cmpint(postern_pool_deadline(thread->pool), >=, thread->timer);
    for (guint i = 1; i <= WAITERS; i++) {
        const Waiter *waiter = &thread->waiters[i];
        waiting += waiter->waits;
        if (waiter->waits) {
            g_assert_cmpint(thread->timer, <=, waiter->since + MODEL_WAIT_MS);
            g_assert_false(thread->draining);
        }
    }
    g_assert_cmpuint(postern_pool_waiting(thread->pool), ==, waiting);
}

/* True after every step and its actions. */
static void check(Model *model)
{
    for (guint i = 0; i < model->count; i++)
        check_thread(&model->threads[i]);
    g_assert_cmpuint(postern_server_group_used(model->group), ==, model->connections->len);
    g_assert_cmpuint(model->connections->len, <=, model->limit);
    if (model->probe_waits && is_settled(model) && model->now >= model->paused_until)
        g_assert_true(count_stage(model, READY) == 0 ||
                      count_stage(model, OPENING) + count_stage(model, ENDING) > 0);
    for (guint64 client = 1; client <= CLIENTS && is_settled(model); client++)
        check_client(model, client);
}

static void step_request(Model *model, Thread *thread)
{
    guint i = 1 + any_of(model, WAITERS);
    Waiter *waiter = &thread->waiters[i];
    if (waiter->waits || waiter->connection != 0)
        return;
    *waiter = (Waiter){.waits = TRUE, .since = model->now, .turn = ++model->turns};
    want(thread->pool, i, client_of(i), model->now);
}

static void step_cancel(Model *model, Thread *thread)
{
    guint i = 1 + any_of(model, WAITERS);
    if (!thread->waiters[i].waits)
        return;
    thread->waiters[i].waits = FALSE;
    postern_pool_cancel(thread->pool, i, model->now);
}

/* One of thread's in stage, or NULL. */
static Connection *any_connection(Model *model, const Thread *thread, Stage stage)
{
    guint first = model->connections->len > 0 ? any_of(model, model->connections->len) : 0;
    for (guint i = 0; i < model->connections->len; i++) {
        Connection *connection =
            &g_array_index(model->connections, Connection, (first + i) % model->connections->len);
        if (connection->thread == thread && connection->stage == stage)
            return connection;
    }
    return NULL;
}

static void step_opened(Model *model, Thread *thread)
{
    Connection *connection = any_connection(model, thread, OPENING);
    if (connection == NULL)
        return;
    connection->stage = READY;
    model->paused_until = 0;
    opened(thread->pool, connection->number, model->now);
}

static void step_offer(Model *model, Thread *thread)
{
    Connection *connection = any_connection(model, thread, ASSIGNED);
    if (connection == NULL)
        return;
    connection->offered = connection->offered || connection->waiter != 0;
    postern_pool_offer(thread->pool, connection->number, model->now);
}

static void set_health(Model *model, Thread *thread)
{
    guint again_ms = 200 + any_of(model, 2000);
    if (model->server == NULL)
        return;
    if (any_of(model, 4) > 0) {
        postern_pool_mark_up(thread->pool, model->server, again_ms, model->now);
        if (thread->generation == model->generation)
            model->health = POSTERN_SERVER_UP;
    } else {
        postern_pool_mark_down(thread->pool, model->server, "it relays", again_ms, model->now);
        if (thread->generation == model->generation)
            model->health = POSTERN_SERVER_DOWN;
    }
}

static void step_returned(Model *model, Thread *thread)
{
    Connection *connection = any_connection(model, thread, ASSIGNED);
    if (connection == NULL)
        return;
    guint64 number = connection->number;
    gboolean probe = connection->waiter == 0;
    thread->waiters[connection->waiter].connection = 0;
    connection->stage = READY;
    postern_pool_returned(thread->pool, number, any_of(model, 4) > 0, model->now);
    if (probe)
        set_health(model, thread);
}

static void step_closed(Model *model, Thread *thread)
{
    Connection *connection = any_connection(model, thread, any_of(model, ENDING + 1));
    if (connection == NULL)
        return;
    guint64 number = connection->number;
    gboolean opening = connection->stage == OPENING;
    if (connection->stage == ASSIGNED) {
        thread->waiters[connection->waiter].connection = 0;
        if (connection->waiter == 0 && model->server != NULL)
            postern_pool_retry_later(thread->pool, model->server, 1 + any_of(model, 100), model->now);
    }
    g_array_remove_index_fast(model->connections,
                              (guint)(connection - (Connection *)(void *)model->connections->data));
    if (opening)
        model->paused_until = model->now + POSTERN_BACKEND_RETRY_MS;
    postern_pool_closed(thread->pool, number, opening ? "refused" : NULL, model->now);
}

static void step_ended(Model *model, Thread *thread)
{
    const Connection *connection = any_connection(model, thread, ENDING);
    if (connection == NULL)
        return;
    guint64 number = connection->number;
    g_array_remove_index_fast(model->connections,
                              (guint)(connection - (const Connection *)(void *)model->connections->data));
    postern_pool_closed(thread->pool, number, NULL, model->now);
}

/* Each thread takes a new configuration in its own time. */
static void step_reload(Model *model, Thread *thread)
{
    if (thread->generation == model->generation && any_of(model, 8) == 0) {
        model->generation++;
        model->health = POSTERN_SERVER_UNKNOWN;
    }
    if (thread->generation == model->generation)
        return;
    gboolean is_first = TRUE;
    for (guint i = 0; i < model->count; i++)
        is_first = is_first && model->threads[i].generation != model->generation;
    if (is_first)
        model->health = POSTERN_SERVER_UNKNOWN;
    thread->generation = model->generation;
    const PosternGroupSettings settings = {.servers = model->settings,
                                           .wait_ms = MODEL_WAIT_MS,
                                           .idle_ms = MODEL_IDLE_MS,
                                           .serial = model->generation,
                                           .generation = model->generation};
    postern_pool_reload(thread->pool, &settings, model->now);
}

static void step_time(Model *model)
{
    gint64 next = G_MAXINT64;
    for (guint i = 0; i < model->count; i++)
        next = MIN(next, model->threads[i].timer);
    model->now += any_of(model, 100);
    if (any_of(model, 3) == 0 && next < model->now + MODEL_IDLE_MS)
        model->now = MAX(model->now, next);
    for (guint i = 0; i < model->count; i++) {
        Thread *thread = &model->threads[i];
        if (thread->timer > model->now)
            continue;
        postern_pool_timer(thread->pool, model->now);
        run_woken(model, thread);
        g_assert_cmpint(postern_pool_deadline(thread->pool), >, model->now); /* it would spin */
    }
}

static void step(Model *model)
{
    Thread *thread = &model->threads[any_of(model, model->count)];
    switch (any_of(model, 30)) {
    case 0 ... 7:
        step_request(model, thread);
        break;
    case 8 ... 9:
        step_cancel(model, thread);
        break;
    case 10 ... 13:
        step_opened(model, thread);
        break;
    case 14 ... 18:
        step_returned(model, thread);
        break;
    case 19:
        step_closed(model, thread);
        break;
    case 20 ... 22:
        step_ended(model, thread);
        break;
    case 23 ... 24:
        step_offer(model, thread);
        break;
    case 25:
        if (any_of(model, 6) == 0)
            set_health(model, thread);
        break;
    case 26:
        step_reload(model, thread);
        break;
    default:
        step_time(model);
        break;
    }
    run_woken(model, thread);
    check(model);
}

/* All is let go; every waiter has its answer, and no slot is left. */
static void drain(Model *model)
{
    for (guint i = 0; i < model->count; i++) {
        Thread *thread = &model->threads[i];
        thread->draining = TRUE;
        postern_pool_drain(thread->pool, model->now);
        run_woken(model, thread);
        check(model);
    }
    for (guint i = 0; i < 4000 && model->connections->len > 0; i++)
        step(model);
    g_assert_cmpuint(model->connections->len, ==, 0);
    g_assert_cmpuint(postern_server_group_used(model->group), ==, 0);
}

static void model_init(Model *model, guint32 seed)
{
    *model = (Model){.random = g_rand_new_with_seed(seed), .limit = 1 + seed % CONNECTIONS_MAX};
    model->count = 1 + any_of(model, POOLS_MAX);
    model->connections = g_array_new(FALSE, FALSE, sizeof(Connection));
    model->settings = server_settings_of(1, model->limit);
    model->group = new_group(model->settings);
    for (guint i = 0; i < model->count; i++) {
        Thread *thread = &model->threads[i];
        thread->model = model;
        thread->pool = postern_pool_new(model->group, MODEL_WAIT_MS, MODEL_IDLE_MS, on_wake, thread);
        take_actions(thread);
    }
}

static void model_clear(Model *model)
{
    for (guint i = 0; i < model->count; i++)
        postern_pool_free(model->threads[i].pool);
    postern_server_group_unref(model->group);
    postern_server_unref(model->server);
    g_ptr_array_unref(model->settings);
    g_array_unref(model->connections);
    g_rand_free(model->random);
}

static void test_model(void)
{
    guint assigned = 0, refused = 0, recalled = 0, full = 0;
    for (guint32 world = 0; world < WORLDS; world++) {
        Model model;
        model_init(&model, world);
        for (guint i = 0; i < STEPS; i++)
            step(&model);
        drain(&model);
        assigned += model.assigned;
        refused += model.refused;
        recalled += model.recalled;
        full += model.most == model.limit;
        model_clear(&model);
    }
    g_test_message("%u worlds: %u assigned, %u refused, %u recalled; %u were full", WORLDS, assigned, refused,
                   recalled, full);
    g_assert_cmpuint(recalled, >, WORLDS);
    g_assert_cmpuint(assigned, >, WORLDS * 10);
    g_assert_cmpuint(refused, >, WORLDS);
    g_assert_cmpuint(full, >, WORLDS / 2);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pool/model", test_model);
    return g_test_run();
}
