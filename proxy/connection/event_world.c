#include "proxy/connection/event_world.h"

#include <event2/event_struct.h>
#include <unistd.h>

#include "capsule/store.h"
#include "inspector_client/inspection.h"
#include "proxy/connection/socket_transport.h"

struct PosternTimer {
    PosternWorldCallback callback;
    gpointer user_data;
    gint64 deadline;
    gint64 fires_at; /* not after deadline; G_MAXINT64: the event is not pending */
    struct event event;
};

typedef struct {
    PosternInspection *inspection;
    PosternWorldInspected inspected;
    gpointer user_data;
} Inspection;

static PosternEventWorld *of(PosternWorld *world)
{
    return (PosternEventWorld *)world;
}

static gint64 clock_now(PosternWorld *world)
{
    return g_get_monotonic_time() / 1000;
}

static void schedule(PosternTimer *timer)
{
    gint64 wait = MAX(0, timer->deadline - clock_now(NULL));
    const struct timeval time = {.tv_sec = wait / 1000, .tv_usec = (wait % 1000) * 1000};
    timer->fires_at = timer->deadline;
    evtimer_add(&timer->event, &time);
}

static void on_timer(evutil_socket_t descriptor, short what, void *data)
{
    PosternTimer *timer = data;
    timer->fires_at = G_MAXINT64;
    if (clock_now(NULL) < timer->deadline) {
        if (timer->deadline != G_MAXINT64)
            schedule(timer);
        return;
    }
    timer->deadline = G_MAXINT64;
    timer->callback(timer->user_data);
}

static PosternTimer *timer_new(PosternWorld *world, PosternWorldCallback callback, gpointer user_data)
{
    PosternTimer *timer = g_new0(PosternTimer, 1);
    timer->callback = callback;
    timer->user_data = user_data;
    timer->deadline = timer->fires_at = G_MAXINT64;
    evtimer_assign(&timer->event, of(world)->loop, on_timer, timer);
    return timer;
}

/* A deadline that moves away needs no new event: the old one looks again when it fires. */
static void timer_set(PosternTimer *timer, gint64 deadline)
{
    timer->deadline = deadline;
    if (deadline < timer->fires_at)
        schedule(timer);
}

static void timer_free(PosternTimer *timer)
{
    if (timer == NULL)
        return;
    event_del(&timer->event);
    g_free(timer);
}

static PosternTransport *connect_socket(PosternWorld *world, const PosternAddress *address, GError **error)
{
    return postern_socket_transport_connect(of(world)->loop, address, error);
}

static gpointer ask(PosternWorld *world, guint64 client, PosternAnswers *answers, PosternWorldCallback done,
                    gpointer user_data)
{
    return postern_resolver_ask(of(world)->resolver, client, answers, done, user_data);
}

static void ask_cancel(gpointer handle)
{
    postern_resolver_cancel(handle);
}

static void inspection_free(gpointer data)
{
    Inspection *self = data;
    if (self == NULL)
        return;
    postern_inspection_free(self->inspection);
    g_free(self);
}

static Inspection *inspection_new(PosternEventWorld *world, const PosternProxySettings *settings,
                                  const PosternSessionAction *action, const PosternEnvelope *envelope)
{
    const PosternConfiguration *configuration = settings->configuration;
    const PosternInspectionOptions options = {
        .client = world->inspector,
        .resolver = world->resolver,
        .receiver = configuration->proxy.hostname,
        .checks = action->checks,
        .scan_octets = configuration->virus.scan_octets,
        .deadline_ms = configuration->proxy.inspection_timeout_ms,
        .remember = TRUE,
        .client_rules = settings->client_rules,
        .history = action->history,
        .greylist = world->greylist,
    };
    Inspection *self = g_new0(Inspection, 1);
    self->inspection = postern_inspection_new(&options, envelope);
    return self;
}

static void on_inspected(PosternFindings *findings, const GError *error, gpointer user_data)
{
    const Inspection *self = user_data;
    self->inspected(findings, error != NULL ? error->message : NULL, self->user_data);
    postern_findings_free(findings);
}

static void keep(const Inspection *self, PosternSessionAction *action, const PosternProxySettings *settings)
{
    postern_capsule_set_inspection(action->capsule, self->inspection);
    g_autofree char *name = g_strdup(action->capsule->name);
    postern_capsule_store_put(settings->capsules, g_steal_pointer(&action->capsule), name);
}

static void inspect(PosternWorld *world, gpointer *inspection, PosternSessionAction *action,
                    const PosternProxySettings *settings, const PosternEnvelope *envelope,
                    PosternWorldInspected inspected, gpointer user_data)
{
    Inspection *self = *inspection;
    if (action->kind == POSTERN_SESSION_INSPECT_ENVELOPE) {
        inspection_free(self);
        *inspection = inspection_new(of(world), settings, action, envelope);
        return;
    }
    if (self == NULL)
        return;
    switch (action->kind) {
    case POSTERN_SESSION_INSPECT_ORIGIN:
        postern_inspection_set_envelope(self->inspection, action->envelope);
        break;
    case POSTERN_SESSION_INSPECT_HEADER:
        postern_inspection_header(self->inspection, action->message);
        break;
    case POSTERN_SESSION_INSPECT_MESSAGE:
        self->inspected = inspected;
        self->user_data = user_data;
        postern_inspection_limit(self->inspection, action->checks);
        postern_inspection_finish(self->inspection, action->message, on_inspected, self);
        break;
    case POSTERN_SESSION_KEEP:
        keep(self, action, settings);
        break;
    case POSTERN_SESSION_INSPECT_CANCEL:
        g_clear_pointer(inspection, inspection_free);
        break;
    default:
        break;
    }
}

static void write_line(PosternWorld *world, PosternLogLine *line)
{
    postern_log_line_write(line, POSTERN_LOG_INFO);
}

static void wake(PosternWorld *world)
{
    (void)!write(of(world)->wake, "", 1);
}

static void break_loop(PosternWorld *world)
{
    event_base_loopbreak(of(world)->loop);
}

const PosternWorldFunctions postern_event_world_functions = {
    .now = clock_now,
    .timer_new = timer_new,
    .timer_set = timer_set,
    .timer_free = timer_free,
    .connect = connect_socket,
    .ask = ask,
    .ask_cancel = ask_cancel,
    .inspect = inspect,
    .inspection_free = inspection_free,
    .log = write_line,
    .wake = wake,
    .drained = break_loop,
};
