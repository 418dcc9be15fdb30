#include "support/world.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"

/* At one instant of the clock. More is a loop that waits for nothing. */
#define STEPS_MAX 20000000

/* ---- the queue: a binary heap */

static PosternTimer *at_place(const World *world, gsize place)
{
    return g_ptr_array_index(world->queue, place - 1);
}

static gboolean is_before(const PosternTimer *a, const PosternTimer *b)
{
    return a->at != b->at ? a->at < b->at : a->turn < b->turn;
}

static void put(World *world, gsize place, PosternTimer *timer)
{
    world->queue->pdata[place - 1] = timer;
    timer->place = place;
}

static void rise(World *world, PosternTimer *timer)
{
    gsize place = timer->place;
    for (; place > 1 && is_before(timer, at_place(world, place / 2)); place /= 2)
        put(world, place, at_place(world, place / 2));
    put(world, place, timer);
}

static void sink(World *world, PosternTimer *timer)
{
    gsize place = timer->place;
    gsize count = world->queue->len;
    for (gsize child = 2 * place; child <= count; child = 2 * place) {
        if (child < count && is_before(at_place(world, child + 1), at_place(world, child)))
            child++;
        if (!is_before(at_place(world, child), timer))
            break;
        put(world, place, at_place(world, child));
        place = child;
    }
    put(world, place, timer);
}

static void take_out(PosternTimer *timer)
{
    World *world = timer->world;
    PosternTimer *last = at_place(world, world->queue->len);
    gsize place = timer->place;
    g_ptr_array_set_size(world->queue, (gint)world->queue->len - 1);
    timer->place = 0;
    if (last == timer)
        return;
    put(world, place, last);
    rise(world, last);
    sink(world, last);
}

void world_timer_init(World *world, PosternTimer *timer, PosternWorldCallback callback, gpointer user_data)
{
    *timer = (PosternTimer){.world = world, .callback = callback, .user_data = user_data};
}

void world_timer_set(PosternTimer *timer, gint64 at)
{
    World *world = timer->world;
    if (timer->place > 0)
        take_out(timer);
    if (at == NEVER)
        return;
    timer->at = MAX(at, world->now);
    timer->turn = ++world->turn;
    g_ptr_array_add(world->queue, timer);
    timer->place = world->queue->len;
    rise(world, timer);
}

gboolean world_step(World *world, gint64 until)
{
    if (world->queue->len == 0 || at_place(world, 1)->at > until)
        return FALSE;
    PosternTimer *timer = at_place(world, 1);
    take_out(timer);
    world->steps = timer->at > world->now ? 0 : world->steps + 1;
    g_assert_cmpuint(world->steps, <, STEPS_MAX);
    world->now = timer->at;
    timer->callback(timer->user_data);
    return TRUE;
}

gint64 world_next(const World *world)
{
    return world->queue->len > 0 ? at_place(world, 1)->at : NEVER;
}

void world_run(World *world, gint64 until)
{
    while (world_step(world, until))
        ;
    world->now = MAX(world->now, until);
}

/* ---- what the threads see */

static World *world_of(PosternWorld *head)
{
    return ((WorldThread *)head)->world;
}

static gint64 world_now(PosternWorld *head)
{
    return world_of(head)->now;
}

static PosternTimer *timer_new(PosternWorld *head, PosternWorldCallback callback, gpointer user_data)
{
    PosternTimer *timer = g_new(PosternTimer, 1);
    world_timer_init(world_of(head), timer, callback, user_data);
    timer->world->timers++;
    return timer;
}

static void timer_free(PosternTimer *timer)
{
    if (timer == NULL)
        return;
    world_timer_set(timer, NEVER);
    timer->world->timers--;
    g_free(timer);
}

static PosternTransport *world_connect(PosternWorld *head, const PosternAddress *address, GError **error)
{
    World *world = world_of(head);
    Wire *wire = wire_new(world, NULL, NULL);
    wire->connecting = TRUE;
    if (world->hooks->connect(world, wire, address))
        return &wire->transport;
    wire_functions.close(&wire->transport, FALSE);
    wire_leave(wire, FALSE);
    postern_error_set_system(error, EMFILE, "cannot make a socket");
    return NULL;
}

static void ask_free(WorldAsk *ask)
{
    world_timer_set(&ask->timer, NEVER);
    ask->timer.world->asks--;
    postern_answers_unref(ask->answers);
    g_free(ask);
}

static void on_answers(gpointer user_data)
{
    WorldAsk *ask = user_data;
    World *world = ask->timer.world;
    PosternWorldCallback done = ask->done;
    gpointer data = ask->user_data;
    GPtrArray *questions = postern_answers_questions(ask->answers);
    while (questions->len > 0) {
        const PosternQuestion *question = g_ptr_array_index(questions, 0);
        PosternAnswer *answer = world->hooks->answer != NULL ? world->hooks->answer(world, question)
                                                             : postern_answer_new(POSTERN_ANSWER_NXDOMAIN);
        postern_answers_add(ask->answers, question, answer);
    }
    ask_free(ask);
    done(data);
}

static gpointer world_ask(PosternWorld *head, guint64 client, PosternAnswers *answers,
                          PosternWorldCallback done, gpointer user_data)
{
    World *world = world_of(head);
    WorldAsk *ask = g_new0(WorldAsk, 1);
    world_timer_init(world, &ask->timer, on_answers, ask);
    ask->answers = postern_answers_ref(answers);
    ask->done = done;
    ask->user_data = user_data;
    world->asks++;
    world_timer_set(&ask->timer, world->hooks->ask != NULL ? world->hooks->ask(world, ask) : world->now);
    return ask;
}

static void ask_cancel(gpointer ask)
{
    if (ask != NULL)
        ask_free(ask);
}

static void inspection_free(gpointer data)
{
    WorldInspection *inspection = data;
    if (inspection == NULL)
        return;
    world_timer_set(&inspection->timer, NEVER);
    inspection->timer.world->inspections--;
    postern_findings_free(inspection->findings);
    g_free(inspection->problem);
    g_free(inspection);
}

static void on_inspected(gpointer user_data)
{
    WorldInspection *inspection = user_data;
    PosternFindings *findings = g_steal_pointer(&inspection->findings);
    g_autofree char *problem = g_strdup(inspection->problem);
    const PosternFindings *told = inspection->told != NULL ? inspection->told : findings;
    inspection->inspected(told, problem, inspection->user_data); /* which may free it */
    postern_findings_free(findings);
}

static void world_inspect(PosternWorld *head, gpointer *inspection, PosternSessionAction *action,
                          const PosternProxySettings *settings, const PosternEnvelope *envelope,
                          PosternWorldInspected inspected, gpointer user_data)
{
    World *world = world_of(head);
    if (action->kind == POSTERN_SESSION_INSPECT_ENVELOPE) {
        inspection_free(*inspection);
        WorldInspection *new = g_new0(WorldInspection, 1);
        world_timer_init(world, &new->timer, on_inspected, new);
        world->inspections++;
        *inspection = new;
    }
    WorldInspection *current = *inspection;
    if (current == NULL)
        return;
    if (action->kind == POSTERN_SESSION_INSPECT_MESSAGE) {
        current->inspected = inspected;
        current->user_data = user_data;
        current->findings = postern_findings_new();
        postern_virus_finding_clean(&current->findings->virus);
    }
    gint64 at =
        world->hooks->inspect != NULL ? world->hooks->inspect(world, current, action, envelope) : world->now;
    if (action->kind == POSTERN_SESSION_INSPECT_MESSAGE)
        world_timer_set(&current->timer, at);
    if (action->kind == POSTERN_SESSION_INSPECT_CANCEL)
        inspection_free(g_steal_pointer(inspection));
}

static void world_log(PosternWorld *head, PosternLogLine *line)
{
    World *world = world_of(head);
    if (world->hooks->log != NULL)
        world->hooks->log(world, postern_log_line_text(line));
    postern_log_line_free(line);
}

static void world_wake(PosternWorld *head)
{
    WorldThread *thread = (WorldThread *)head;
    world_timer_set(&thread->woken, thread->world->now);
}

static void on_woken(gpointer user_data)
{
    postern_proxy_thread_look(((const WorldThread *)user_data)->thread);
}

static void world_drained(PosternWorld *head)
{
    ((WorldThread *)head)->drained = TRUE;
}

static const PosternWorldFunctions world_functions = {
    .now = world_now,
    .timer_new = timer_new,
    .timer_set = world_timer_set,
    .timer_free = timer_free,
    .connect = world_connect,
    .ask = world_ask,
    .ask_cancel = ask_cancel,
    .inspect = world_inspect,
    .inspection_free = inspection_free,
    .log = world_log,
    .wake = world_wake,
    .drained = world_drained,
};

/* ---- its life */

void world_start(World *world, const WorldHooks *hooks, gpointer user_data, PosternProxySettings *settings,
                 guint threads)
{
    if (!postern_log_enabled(POSTERN_LOG_INFO)) /* else no closing line is written down */
        postern_log_set_level(POSTERN_LOG_INFO);
    *world = (World){.hooks = hooks, .user_data = user_data, .now = 100000, .settings = settings};
    world->queue = g_ptr_array_new();
    world->clients = postern_client_table_new(settings->configuration);
    postern_proxy_settings_count_in(settings, world->clients);
    world->thread_count = threads;
    settings->threads = threads;
    for (guint i = 0; i < threads; i++) {
        WorldThread *thread = &world->threads[i];
        *thread = (WorldThread){.head = {&world_functions}, .world = world};
        const PosternProxyThreadOptions options = {
            .world = &thread->head, .settings = settings, .clients = world->clients};
        world_timer_init(world, &thread->woken, on_woken, thread);
        thread->thread = postern_proxy_thread_new(&options);
        postern_proxy_thread_look(thread->thread);
    }
}

void world_accept(World *world, guint thread, Wire *wire, const PosternAddress *client, gboolean submission)
{
    const PosternAddress server = {.family = AF_UNSPEC};
    postern_proxy_thread_accept(world->threads[thread].thread, &wire->transport, client, &server, submission);
}

void world_drain(World *world, guint timeout_ms)
{
    for (guint i = 0; i < world->thread_count; i++)
        postern_proxy_thread_drain(world->threads[i].thread, timeout_ms);
}

gboolean world_is_drained(const World *world)
{
    for (guint i = 0; i < world->thread_count; i++)
        if (!world->threads[i].drained)
            return FALSE;
    return TRUE;
}

void world_stop(World *world)
{
    for (guint i = 0; i < world->thread_count; i++)
        postern_proxy_thread_free(world->threads[i].thread);
    for (guint i = 0; i < world->thread_count; i++)
        world_timer_set(&world->threads[i].woken, NEVER);
    world_run(world, world->now + 1000); /* the peers hear of it */
    g_assert_cmpuint(world->wires, ==, 0);
    g_assert_cmpuint(world->timers, ==, 0);
    g_assert_cmpuint(world->asks, ==, 0);
    g_assert_cmpuint(world->inspections, ==, 0);
    g_assert_cmpuint(postern_client_table_total(world->clients), ==, 0);
    g_assert_cmpuint(postern_budget_used(world->settings->budget), ==, 0);
    postern_client_table_free(world->clients);
    postern_proxy_settings_unref(world->settings);
    g_ptr_array_unref(world->queue);
}
