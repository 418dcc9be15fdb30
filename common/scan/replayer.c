#include "scan/replayer.h"

#include <event2/event.h>
#include <unistd.h>

#include "base/error.h"
#include "embed/services.h"
#include "scan/replay.h"

#define TICK_MS 200

typedef struct {
    const PosternScanOptions *options;
    const PosternConfiguration *configuration;
    const PosternScannerCallbacks *callbacks;
    PosternServices services;
    PosternScanWalk *walk;
    char *inspector_configuration; /* a file of ours */
    guint engines;                 /* the inspector's */
    PosternReplay *replay;         /* at hand */
    PosternScanResult *result;     /* of it */
    gint64 started;
    guint64 done;
    guint64 octets; /* of their messages */
    GError *error;  /* why no more can be replayed */
} Replayer;

static void report(Replayer *replayer)
{
    PosternScanProgress progress = {.messages = ++replayer->done,
                                    .octets = replayer->octets,
                                    .fraction = postern_scan_walk_fraction(replayer->walk, 1)};
    replayer->callbacks->report(g_steal_pointer(&replayer->result), &progress,
                                replayer->callbacks->user_data);
    g_clear_pointer(&replayer->replay, postern_replay_free);
}

static void on_judged(PosternFindings *findings, const GError *error, gpointer user_data)
{
    Replayer *replayer = user_data;
    postern_replay_conclude(replayer->replay, findings, error, replayer->result);
    replayer->octets += postern_replay_size(replayer->replay);
    replayer->result->milliseconds = (double)(g_get_monotonic_time() - replayer->started) / 1000.0;
    event_base_loopbreak(replayer->services.loop);
}

/* The shared inspector will do if its SPF engine is the one of then; signatures are today's anyway. */
static gboolean find_inspector(Replayer *replayer)
{
    const PosternConfiguration *configuration = replayer->configuration;
    g_autofree char *note = NULL;
    if (replayer->services.client != NULL)
        return TRUE;
    replayer->engines = postern_replay_engines(replayer->replay);
    replayer->inspector_configuration = postern_replay_configuration(
        replayer->replay, configuration, replayer->options->rescan, &replayer->error);
    if (replayer->inspector_configuration == NULL)
        return FALSE;
    gboolean shared = postern_replay_engines_of(configuration) == replayer->engines;
    gboolean found =
        postern_services_inspect(&replayer->services, configuration, replayer->inspector_configuration,
                                 shared, &note, &replayer->error);
    if (note != NULL)
        replayer->callbacks->notice(note, replayer->callbacks->user_data);
    return found;
}

static void run_one(Replayer *replayer)
{
    PosternReplayOptions options = {
        .client = replayer->services.client,
        .deadline_ms = replayer->configuration->proxy.inspection_timeout_ms,
        .rescan = replayer->options->rescan,
        .explain = replayer->options->explain,
    };
    postern_replay_run(replayer->replay, &options, on_judged, replayer);
    event_base_dispatch(replayer->services.loop);
}

/* FALSE: no more can be replayed. */
static gboolean replay(Replayer *replayer, const char *path)
{
    replayer->started = g_get_monotonic_time();
    replayer->result = postern_scan_result_new(path);
    g_autoptr(GError) problem = NULL;
    replayer->replay = postern_replay_open(path, &problem);
    if (replayer->replay != NULL) {
        if (!find_inspector(replayer))
            return FALSE;
        if (postern_replay_engines(replayer->replay) == replayer->engines) {
            run_one(replayer);
            if (replayer->error != NULL || replayer->services.interrupted != 0)
                return FALSE;
        } else {
            problem = g_error_new(POSTERN_ERROR, POSTERN_ERROR_INPUT,
                                  "%s: was judged with another [inspector] spf_engine or dkim_partial_body "
                                  "than those before it: replay it apart",
                                  path);
        }
    }
    if (problem != NULL)
        replayer->result->error = g_strdup(problem->message);
    report(replayer);
    return TRUE;
}

static void on_tick(evutil_socket_t socket, short what, void *data)
{
    (void)socket, (void)what;
    Replayer *replayer = data;
    if (replayer->error == NULL && !postern_services_check(&replayer->services, &replayer->error))
        event_base_loopbreak(replayer->services.loop);
}

static void clear(Replayer *replayer)
{
    g_clear_pointer(&replayer->result, postern_scan_result_free);
    g_clear_pointer(&replayer->replay, postern_replay_free);
    g_clear_pointer(&replayer->walk, postern_scan_walk_free);
    postern_services_clear(&replayer->services);
    if (replayer->inspector_configuration != NULL)
        (void)unlink(replayer->inspector_configuration);
    g_free(replayer->inspector_configuration);
}

gboolean postern_replayer_run(const PosternScanOptions *options, const PosternConfiguration *configuration,
                              const PosternScannerCallbacks *callbacks, int *ret_signal, GError **error)
{
    Replayer replayer = {.options = options, .configuration = configuration, .callbacks = callbacks};
    struct timeval interval = {.tv_usec = TICK_MS * 1000};
    postern_services_init(&replayer.services);
    postern_services_catch_signals(&replayer.services);
    replayer.walk = postern_scan_walk_new(options->replay, callbacks->complain, callbacks->user_data);
    struct event *tick = event_new(replayer.services.loop, -1, EV_PERSIST, on_tick, &replayer);
    event_add(tick, &interval);
    const char *path;
    while ((path = postern_scan_walk_next(replayer.walk)) != NULL)
        if (!replay(&replayer, path))
            break;
    event_free(tick);
    *ret_signal = replayer.services.interrupted;
    clear(&replayer);
    if (replayer.error == NULL)
        return TRUE;
    g_propagate_error(error, replayer.error);
    return FALSE;
}
