#include "milter/server.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "base/privileges.h"
#include "base/thread.h"
#include "daemon/notify.h"
#include "milter/libmilter/libmilter.h"
#include "milter/runtime.h"

#define TICK_MS 100
#define BEAT_MS 250

typedef struct {
    const PosternMilterServerOptions *options;
    PosternDaemon *daemon;
    struct event_base *loop;
    PosternMilterSettings *settings;
    PosternMilterBridge *bridge;
    PosternMilterListener listener;
    PosternMilterWakeUp *wake_up;
    PosternGreylistPort *greylist; /* or NULL: it was never asked for */
    struct event *orders;
    struct event *beat;
    struct event *tick; /* while draining */
    gint64 drain_until; /* monotonic, microseconds */
    guint idle_ticks;
} Server;

/* The process ends here: libmilter's own end waits for its listener, and stops sessions where they stand. */
static void end(int status)
{
    postern_log_finish();
    _exit(status);
}

/* The first time that it is asked for; it ends with the process. */
static gboolean start_greylist(Server *server, const PosternMilterSettings *settings, GError **error)
{
    if (server->greylist == NULL && postern_policies_greylist(settings->policies)) {
        g_autoptr(PosternGreylist) greylist = postern_greylist_new(settings->configuration);
        server->greylist = postern_greylist_port_new(server->loop, greylist, error);
        if (server->greylist == NULL)
            return FALSE;
        (void)g_steal_pointer(&greylist);
        postern_milter_bridge_set_greylist(server->bridge, server->greylist);
    }
    return TRUE;
}

static void reload(Server *server)
{
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration =
        postern_daemon_load(server->daemon, server->settings->configuration, &error);
    PosternMilterSettings *settings =
        configuration != NULL ? postern_milter_settings_new(configuration, server->settings->budget, &error)
                              : NULL;
    if (settings != NULL && !start_greylist(server, settings, &error))
        g_clear_pointer(&settings, postern_milter_settings_unref);
    postern_daemon_reloaded(server->daemon, configuration, error);
    if (settings == NULL)
        return;
    postern_milter_settings_keep(settings, server->daemon->capsules, server->daemon->counters);
    settings->tally = server->daemon->tally;
    postern_milter_settings_unref(server->settings);
    server->settings = postern_milter_settings_ref(settings);
    postern_milter_runtime_set_settings(postern_milter_runtime(), settings);
    postern_log(POSTERN_LOG_NOTICE, "the configuration was read again; new messages go by it");
}

/* After the last message its reply still has to get out: what is idle must be so for two ticks. */
static void on_tick(evutil_socket_t descriptor, short what, void *data)
{
    Server *server = data;
    server->idle_ticks =
        postern_milter_runtime_under_way(postern_milter_runtime()) == 0 ? server->idle_ticks + 1 : 0;
    if (server->idle_ticks < 2 && g_get_monotonic_time() < server->drain_until)
        return;
    if (server->idle_ticks >= 2) { /* else sessions that are cut off still use them */
        postern_capsule_store_free(server->daemon->capsules);
        postern_tally_free(server->daemon->tally);
    }
    postern_log(POSTERN_LOG_NOTICE, "ended");
    end(0);
}

static void drain(Server *server)
{
    guint timeout_ms = server->settings->configuration->milter.drain_timeout_ms;
    struct timeval tick = {.tv_sec = 0, .tv_usec = TICK_MS * 1000};
    if (postern_milter_runtime_is_draining(postern_milter_runtime()))
        return;
    postern_milter_runtime_drain(postern_milter_runtime());
    postern_notify("STOPPING=1");
    PosternMilterSocket *place =
        postern_notify_is_heard() ? postern_milter_listener_leave(&server->listener) : NULL;
    if (place != NULL) /* who connects waits for the next process */
        postern_milter_wake_up_move(server->wake_up, place);
    server->drain_until = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    postern_log(POSTERN_LOG_NOTICE, "draining: %u messages have %u s to get their verdict",
                postern_milter_runtime_under_way(postern_milter_runtime()), timeout_ms / 1000);
    server->tick = event_new(server->loop, -1, EV_PERSIST, on_tick, server);
    event_add(server->tick, &tick);
}

static void on_orders(evutil_socket_t descriptor, short what, void *data)
{
    Server *server = data;
    char order = POSTERN_MILTER_AT_ONCE;
    int passed = -1;
    if (postern_descriptor_receive(descriptor, &order, &passed) <= 0)
        order = POSTERN_MILTER_AT_ONCE;
    switch ((PosternMilterOrder)order) {
    case POSTERN_MILTER_RELOAD:
        reload(server);
        break;
    case POSTERN_MILTER_REOPEN:
        postern_daemon_adopt_log(passed);
        break;
    case POSTERN_MILTER_DRAIN:
        drain(server);
        break;
    case POSTERN_MILTER_AT_ONCE:
        postern_log(POSTERN_LOG_NOTICE, "ending at once: %u messages are cut off",
                    postern_milter_runtime_under_way(postern_milter_runtime()));
        end(0);
        break;
    }
}

/* It ends with the process. */
static PosternResolver *make_resolver(Server *server, GError **error)
{
    PosternResolver *resolver = postern_resolver_from_configuration(
        server->loop, server->settings->configuration, server->daemon->answers, 1, error);
    if (resolver != NULL)
        postern_resolver_set_health(resolver, server->daemon->health);
    return resolver;
}

static gpointer run_loop(gpointer data)
{
    Server *server = data;
    event_base_loop(server->loop, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

static void announce(Server *server)
{
    const PosternConfiguration *configuration = server->settings->configuration;
    g_autofree char *where = g_strconcat(configuration->milter.socket,
                                         configuration->milter.mode == POSTERN_MODE_OBSERVE
                                             ? ", observing only: nothing is refused by policy"
                                             : "",
                                         NULL);
    postern_daemon_announce(server->daemon, server->loop, where);
}

static void tell(PosternStatus *status, gpointer user_data)
{
    const Server *server = user_data;
    PosternMilterRuntime *filter = postern_milter_runtime();
    PosternBudget *budget = server->settings->budget;
    status->has_messages = TRUE;
    status->observes = server->settings->observe;
    const PosternGauge gauges[] = {
        {"messages_under_way", "Messages from MAIL to their end.", "messages under way",
         .value = postern_milter_runtime_under_way(filter)},
        {"memory_used_octets", "Octets of messages in memory.", "of messages in memory", POSTERN_UNIT_OCTETS,
         .value = (double)postern_budget_used(budget)},
        {"memory_limit_octets", "Octets of messages that may be in memory.", NULL, POSTERN_UNIT_OCTETS,
         .value = (double)server->settings->configuration->milter.message_memory},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(gauges); i++)
        postern_status_add(status, &gauges[i]);
    postern_daemon_add_status(server->daemon, status);
}

/* That the loop comes around, for a watchdog; what is done, for people. */
static void on_beat(evutil_socket_t descriptor, short what, void *data)
{
    Server *server = data;
    PosternMilterRuntime *runtime = postern_milter_runtime();
    g_autofree char *status = g_strdup_printf(
        "%s%u messages under way", postern_milter_runtime_is_draining(runtime) ? "draining: " : "serving: ",
        postern_milter_runtime_under_way(runtime));
    postern_daemon_tell(server->daemon, status, TRUE);
}

static gboolean start(Server *server, GError **error)
{
    const struct timeval beat = {.tv_usec = BEAT_MS * 1000};
    server->loop = event_base_new();
    postern_log_start();
    PosternResolver *resolver = make_resolver(server, error);
    if (resolver == NULL)
        return FALSE;
    PosternInspectorClient *client =
        postern_inspector_client_new(server->loop, server->daemon->inspector_path);
    server->wake_up =
        postern_milter_wake_up_new(server->loop, server->settings->configuration->milter.socket);
    server->bridge = postern_milter_bridge_new(server->loop, client, resolver, server->wake_up, error);
    if (server->bridge == NULL || !start_greylist(server, server->settings, error))
        return FALSE;
    server->settings->tally = server->daemon->tally = postern_tally_start(server->settings->configuration);
    postern_milter_runtime_start(server->bridge, postern_milter_settings_ref(server->settings));
    server->orders =
        event_new(server->loop, server->options->orders, EV_READ | EV_PERSIST, on_orders, server);
    event_add(server->orders, NULL);
    server->beat = event_new(server->loop, -1, EV_PERSIST, on_beat, server);
    event_add(server->beat, &beat);
    announce(server);
    postern_http_serve(server->daemon->http, server->loop, "postern-milter", tell, server);
    g_thread_unref(postern_thread_new("loop", run_loop, server));
    postern_capsule_store_start(server->daemon->capsules);
    return TRUE;
}

/* What is at no address of ours any more is given up. */
static gboolean open_listener(Server *server, GError **error)
{
    GArray *passed = server->options->passed;
    gboolean open = postern_milter_listener_open(server->settings->configuration, server->daemon->user,
                                                 passed, &server->listener, error);
    for (guint i = 0; i < passed->len; i++)
        close(g_array_index(passed, int, i));
    g_array_set_size(passed, 0);
    return open;
}

static gboolean prepare(Server *server, GError **error)
{
    PosternDaemon *daemon = server->daemon;
    const PosternConfiguration *configuration = server->settings->configuration;
    if (!open_listener(server, error) || !postern_daemon_open_files(daemon, configuration, error))
        return FALSE;
    postern_milter_settings_keep(server->settings, daemon->capsules, daemon->counters);
    return postern_http_open(configuration, configuration->http.milter_listen, daemon->user, daemon->counters,
                             &daemon->http, error) &&
           postern_daemon_give_up_rights(daemon, configuration, error);
}

/* With the service manager, and with the supervisor, for the next process. */
static void keep_listener(const Server *server)
{
    g_autoptr(GArray) sockets = g_array_new(FALSE, FALSE, sizeof(int));
    gboolean kept = postern_notify_is_heard() && server->listener.descriptor >= 0;
    g_array_append_val(sockets, server->listener.descriptor);
    if (kept && !server->options->of_unit)
        postern_notify_keep(sockets, 1);
    (void)postern_descriptor_send(server->options->ready, '\0', kept ? server->listener.descriptor : -1);
}

gboolean postern_milter_server_run(const PosternMilterServerOptions *options, GError **error)
{
    Server server = {.options = options, .daemon = options->daemon};
    evthread_use_pthreads();
    postern_privileges_raise_descriptors();
    server.settings = postern_milter_settings_new(options->configuration, NULL, error);
    if (server.settings == NULL || !prepare(&server, error) || !start(&server, error))
        return FALSE;
    keep_listener(&server);
    postern_milter_serve();
    return postern_error_set(error, POSTERN_ERROR_SYSTEM,
                             "libmilter has ended; the system log (facility mail) tells why");
}
