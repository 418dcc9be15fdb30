#include "proxy/server.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <malloc.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/option.h"
#include "base/privileges.h"
#include "daemon/daemon.h"
#include "daemon/notify.h"
#include "proxy/connection/listener.h"
#include "proxy/connection/loop.h"
#include "proxy/control.h"
#include "proxy/drain.h"
#include "proxy/screen/report.h"
#include "proxy/session/session.h"
#include "proxy/settings/groups.h"
#include "proxy/settings/settings.h"
#include "proxy/status.h"
#include "proxy/tls_watch.h"

#define TICK_MS 250
#define AT_ONCE_MS 1000 /* for the closing lines of what is cut off */

typedef struct {
    PosternDaemon daemon;
    struct event_base *loop;
    PosternProxySettings *settings;
    PosternClientTable *clients;
    PosternGreylist *greylist;                    /* or NULL: nobody is greylisted */
    GPtrArray *threads;                           /* of PosternProxyLoop * */
    GPtrArray *listeners[POSTERN_LISTENER_KINDS]; /* [thread], until it has them */
    PosternSpread *spread;                        /* of these */
    PosternTlsWatch *certificates;
    PosternDrain *drain;
    PosternControl *control; /* or NULL */
    gboolean draining;
    gint64 at_once_until; /* monotonic, microseconds: told twice to end; 0: not so */
    gboolean at_once;     /* threads still run */
} Server;

static void open_listeners_close(gpointer sockets)
{
    g_array_unref(sockets);
}

/* [thread] -> its listening sockets for addresses, which are in all too. NULL and error if one cannot be had.
 */
static GPtrArray *open_listeners(char **addresses, PosternSpread *spread, guint threads, GArray *passed,
                                 GArray *all, GError **error)
{
    g_autoptr(GPtrArray) of_threads = g_ptr_array_new_with_free_func(open_listeners_close);
    for (guint i = 0; i < MAX(threads, 1); i++)
        g_ptr_array_add(of_threads, g_array_new(FALSE, FALSE, sizeof(int)));
    for (char **address = addresses; *address != NULL; address++) {
        g_autoptr(GArray) sockets = g_array_new(FALSE, FALSE, sizeof(int));
        gboolean ok = postern_listener_open(*address, threads, passed, sockets, error);
        for (guint i = 0; i < sockets->len; i++)
            g_array_append_val((GArray *)g_ptr_array_index(of_threads, i % of_threads->len),
                               g_array_index(sockets, int, i));
        g_array_append_vals(all, sockets->data, sockets->len);
        if (!ok)
            return NULL; /* the program ends: the kernel closes what was opened */
        postern_spread_add(spread, sockets);
    }
    return g_steal_pointer(&of_threads);
}

static void check_descriptors(const PosternProxySettings *settings)
{
    const PosternConfiguration *configuration = settings->configuration;
    guint64 available = postern_privileges_raise_descriptors();
    /* A client, its message and its back-end are three; some more are ours. */
    guint64 wanted =
        (guint64)configuration->proxy.max_connections + 2 * postern_proxy_groups_limit(settings) + 64;
    if (wanted > available)
        postern_log(POSTERN_LOG_WARNING,
                    "[proxy] max_connections = %u needs about %" G_GUINT64_FORMAT
                    " open files, the limit is %" G_GUINT64_FORMAT
                    ": raise it (LimitNOFILE= in the systemd unit), or clients will be made to wait",
                    configuration->proxy.max_connections, wanted, available);
}

/* The first time that it is asked for. */
static void start_greylist(Server *server, const PosternProxySettings *settings)
{
    if (server->greylist == NULL && postern_policies_greylist(settings->policies))
        server->greylist = postern_greylist_new(settings->configuration);
}

static gboolean start_threads(Server *server, GError **error)
{
    start_greylist(server, server->settings);
    server->settings->tally = server->daemon.tally = postern_tally_start(server->settings->configuration);
    for (guint i = 0; i < server->settings->threads; i++) {
        PosternProxyLoopOptions options = {
            .settings = server->settings,
            .clients = server->clients,
            .health = server->daemon.health,
            .inspector_path = server->daemon.inspector_path,
            .answers = server->daemon.answers,
            .greylist = server->greylist,
            .spread = server->spread,
            .number = i,
        };
        for (guint kind = 0; kind < POSTERN_LISTENER_KINDS; kind++)
            options.listeners[kind] = g_ptr_array_index(server->listeners[kind], i);
        PosternProxyLoop *thread = postern_proxy_loop_new(&options, error);
        if (thread == NULL)
            return FALSE;
        g_ptr_array_add(server->threads, thread);
    }
    return TRUE;
}

/*
 * What the running sockets and processes cannot follow. listen is among them for a reason: whether
 * recipient_domains may be empty hangs on it, and must not be judged by addresses that nobody listens on.
 */
static PosternProxySettings *load(Server *server, GError **error)
{
    PosternConfiguration *configuration =
        postern_daemon_load(&server->daemon, server->settings->configuration, error);
    if (configuration == NULL)
        return NULL;
    gboolean wants_inspector = configuration->proxy.inspect && server->daemon.inspector_path == NULL;
    g_autoptr(PosternProxySettings) settings =
        postern_proxy_settings_new(configuration, server->settings, error);
    if (settings != NULL && wants_inspector) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                    "a new [proxy] inspect needs a restart: there is no inspector to ask");
        return NULL;
    }
    if (settings != NULL)
        start_greylist(server, settings);
    return g_steal_pointer(&settings);
}

static void on_reload(evutil_socket_t number, short what, void *data)
{
    Server *server = data;
    g_autoptr(GError) error = NULL;
    PosternProxySettings *settings = load(server, &error);
    postern_daemon_reloaded(&server->daemon, settings != NULL ? settings->configuration : NULL, error);
    if (settings == NULL)
        return;
    gboolean ends_sessions = !postern_proxy_settings_same_relaying(server->settings, settings);
    postern_proxy_settings_keep(settings, server->daemon.capsules, server->daemon.counters);
    postern_session_place_states(settings);
    settings->tally = server->daemon.tally;
    postern_proxy_settings_count_in(settings, server->clients);
    for (guint i = 0; i < server->threads->len; i++)
        postern_proxy_loop_reload(g_ptr_array_index(server->threads, i), settings, server->greylist);
    postern_proxy_settings_unref(server->settings);
    server->settings = settings;
    postern_tls_watch_reset(server->certificates, settings);
    postern_drain_reset(server->drain, settings);
    postern_log(POSTERN_LOG_NOTICE, "the configuration was read again; new sessions go by it%s",
                ends_sessions ? ", those of before end after their message" : "");
}

/* Sessions are cut off, but each says in the log how it ends; a third signal does not wait even for that. */
static void end_at_once(Server *server)
{
    if (server->at_once_until != 0) {
        server->at_once = TRUE;
        event_base_loopbreak(server->loop);
        return;
    }
    postern_log(POSTERN_LOG_NOTICE, "ending at once");
    server->at_once_until = g_get_monotonic_time() + AT_ONCE_MS * 1000;
    for (guint i = 0; i < server->threads->len; i++)
        postern_proxy_loop_drain(g_ptr_array_index(server->threads, i), 0);
}

static void on_end(evutil_socket_t number, short what, void *data)
{
    Server *server = data;
    if (server->draining) {
        end_at_once(server);
        return;
    }
    server->draining = TRUE;
    postern_notify("STOPPING=1");
    guint timeout_ms = server->settings->configuration->proxy.drain_timeout_ms;
    postern_log(POSTERN_LOG_NOTICE, "draining: %u clients have %u s to finish their message",
                postern_client_table_total(server->clients), timeout_ms / 1000);
    for (guint i = 0; i < server->threads->len; i++)
        postern_proxy_loop_drain(g_ptr_array_index(server->threads, i), timeout_ms);
}

static void on_reopen(evutil_socket_t number, short what, void *data)
{
    Server *server = data;
    (void)postern_daemon_reopen_log(&server->daemon);
}

static void tell(Server *server)
{
    gboolean alive = server->daemon.watchdog_us > 0;
    g_autofree char *status = g_strdup_printf("%s%u clients", server->draining ? "draining: " : "serving ",
                                              postern_client_table_total(server->clients));
    for (guint i = 0; i < server->threads->len && alive; i++)
        alive = postern_proxy_loop_is_alive(g_ptr_array_index(server->threads, i));
    postern_daemon_tell(&server->daemon, status, alive);
}

static void on_tick(evutil_socket_t number, short what, void *data)
{
    Server *server = data;
    tell(server);
    if (!server->draining) {
        postern_daemon_check_inspector(&server->daemon);
        postern_tls_watch_look(server->certificates, server->settings);
        postern_drain_look(server->drain, server->settings);
        return;
    }
    server->at_once = server->at_once_until != 0 && g_get_monotonic_time() >= server->at_once_until;
    for (guint i = 0; i < server->threads->len && !server->at_once; i++)
        if (!postern_proxy_loop_has_ended(g_ptr_array_index(server->threads, i)))
            return;
    event_base_loopbreak(server->loop);
}

static void announce(Server *server)
{
    const PosternConfiguration *configuration = server->settings->configuration;
    g_autofree char *listen = g_strjoinv(" ", configuration->proxy.listen);
    g_autofree char *backend = g_strjoinv("; ", configuration->proxy.backend);
    g_autofree char *where = g_strdup_printf(
        "%s for back-end %s, %u threads%s%s", listen, backend, server->settings->threads,
        configuration->proxy.inspect ? "" : ", inspecting nothing",
        configuration->proxy.mode == POSTERN_MODE_OBSERVE ? ", observing only: nothing is refused by policy"
                                                          : "");
    postern_daemon_announce(&server->daemon, server->loop, where);
}

static gboolean on_request(const char *request, GString *out, gpointer user_data)
{
    const Server *server = user_data;
    guint serial = postern_client_table_order_serial(server->clients);
    int drained = postern_drain_request(server->drain, server->settings, request, out);
    if (drained != 0)
        return drained > 0;
    if (!postern_report(server->clients, server->settings->screen, request, g_get_monotonic_time() / 1000,
                        out))
        return FALSE;
    for (guint i = 0; i < server->settings->groups->len && g_str_equal(request, "status"); i++) {
        const PosternProxyGroup *group = g_ptr_array_index(server->settings->groups, i);
        postern_server_group_describe(group->servers, group->name, out);
    }
    if (serial == postern_client_table_order_serial(server->clients))
        return TRUE;
    postern_log(POSTERN_LOG_NOTICE, "control: %s", request);
    for (guint i = 0; i < server->threads->len; i++)
        postern_proxy_loop_wake(g_ptr_array_index(server->threads, i));
    return TRUE;
}

static void add_status(PosternStatus *status, gpointer user_data)
{
    const Server *server = user_data;
    postern_proxy_tell(server->settings, server->clients, status);
    postern_daemon_add_status(&server->daemon, status);
}

static void serve(Server *server)
{
    struct timeval tick = {.tv_sec = 0, .tv_usec = TICK_MS * 1000};
    struct event *events[] = {
        evsignal_new(server->loop, SIGHUP, on_reload, server),
        evsignal_new(server->loop, SIGTERM, on_end, server),
        evsignal_new(server->loop, SIGINT, on_end, server),
        evsignal_new(server->loop, SIGUSR1, on_reopen, server),
        event_new(server->loop, -1, EV_PERSIST, on_tick, server),
    };
    for (guint i = 0; i < G_N_ELEMENTS(events); i++)
        event_add(events[i], i + 1 == G_N_ELEMENTS(events) ? &tick : NULL);
    if (server->control != NULL)
        postern_control_serve(server->control, server->loop, on_request, server);
    postern_http_serve(server->daemon.http, server->loop, "postern-proxy", add_status, server);
    announce(server);
    event_base_dispatch(server->loop);
    for (guint i = 0; i < G_N_ELEMENTS(events); i++)
        event_free(events[i]);
}

static gboolean listen_everywhere(Server *server, GError **error)
{
    const PosternConfiguration *configuration = server->settings->configuration;
    guint threads = server->settings->threads;
    char **const addresses[] = {
        [POSTERN_LISTENER_MAIL] = configuration->proxy.listen,
        [POSTERN_LISTENER_SUBMISSION] = configuration->proxy.submission_listen,
        [POSTERN_LISTENER_TLS] = configuration->proxy.tls_listen,
        [POSTERN_LISTENER_SUBMISSION_TLS] = configuration->proxy.submission_tls_listen,
    };
    guint kept = 0;
    server->spread = postern_spread_new(threads, configuration->proxy.gather_clients);
    g_autoptr(GArray) passed = postern_notify_take_sockets(&kept);
    g_autoptr(GArray) all = g_array_new(FALSE, FALSE, sizeof(int));
    const gboolean of_unit = passed->len > 0 && kept == 0;
    for (guint kind = 0; kind < POSTERN_LISTENER_KINDS; kind++) {
        server->listeners[kind] =
            open_listeners(addresses[kind], server->spread, threads, passed, all, error);
        if (server->listeners[kind] == NULL)
            return FALSE;
    }
    if (of_unit && passed->len > 0)
        postern_log(POSTERN_LOG_WARNING,
                    "the socket unit has %u sockets that are at no address of [proxy] listen: not served",
                    passed->len);
    for (guint i = 0; i < passed->len; i++)
        close(g_array_index(passed, int, i));
    if (!of_unit)
        postern_notify_keep(all, kept);
    return TRUE;
}

/* They were read as root, perhaps; renewed ones will be read as what the proxy is now. */
static void warn_of_certificates(const PosternProxySettings *settings)
{
    g_autoptr(GError) problem = NULL;
    if (settings->tls == NULL)
        return;
    g_autoptr(PosternTlsContext) again = postern_tls_context_new(settings->configuration, NULL, &problem);
    if (again == NULL)
        postern_log(
            POSTERN_LOG_WARNING,
            "user '%s' cannot read the certificates and keys again, so that a reload will not take new "
            "ones: %s",
            settings->configuration->proxy.user, problem->message);
}

static gboolean prepare(Server *server, GError **error)
{
    PosternDaemon *daemon = &server->daemon;
    const PosternConfiguration *configuration = server->settings->configuration;
    check_descriptors(server->settings);
    daemon->user = g_strdup(postern_daemon_user("proxy", configuration->proxy.user));
    if (!listen_everywhere(server, error) || !postern_daemon_open_files(daemon, configuration, error) ||
        (configuration->proxy.inspect && !postern_daemon_start_inspector(daemon, configuration, TRUE, error)))
        return FALSE;
    postern_proxy_settings_keep(server->settings, daemon->capsules, daemon->counters);
    postern_session_place_states(server->settings);
    postern_proxy_settings_count_in(server->settings, server->clients);
    if (configuration->screen.control[0] != '\0') {
        server->control = postern_control_open(configuration->screen.control, daemon->user, error);
        if (server->control == NULL)
            return FALSE;
    }
    if (!postern_http_open(configuration, configuration->http.listen, daemon->user, daemon->counters,
                           &daemon->http, error) ||
        !postern_daemon_give_up_rights(daemon, configuration, error))
        return FALSE;
    warn_of_certificates(server->settings);
    return TRUE;
}

static void server_clear(Server *server)
{
    g_ptr_array_unref(server->threads);
    for (guint kind = 0; kind < POSTERN_LISTENER_KINDS; kind++)
        g_clear_pointer(&server->listeners[kind], g_ptr_array_unref);
    postern_spread_free(server->spread);
    g_clear_pointer(&server->certificates, postern_tls_watch_free);
    postern_drain_free(server->drain);
    g_clear_pointer(&server->clients, postern_client_table_free);
    g_clear_pointer(&server->greylist, postern_greylist_free);
    g_clear_pointer(&server->settings, postern_proxy_settings_unref);
    postern_control_free(server->control);
    postern_daemon_clear(&server->daemon);
    g_clear_pointer(&server->loop, event_base_free);
}

gboolean postern_server_run(PosternConfiguration *configuration, const char *path, GError **error)
{
    Server server = {.threads = g_ptr_array_new(), .clients = postern_client_table_new(configuration)};
    evthread_use_pthreads();
    (void)mallopt(M_TRIM_THRESHOLD, POSTERN_HEAP_SPARE_OCTETS);
    postern_daemon_init(&server.daemon, "postern-proxy", path, POSTERN_RELOAD_RESTARTS_PROXY);
    server.settings = postern_proxy_settings_new(configuration, NULL, error);
    if (server.settings == NULL || !prepare(&server, error)) {
        server_clear(&server);
        return FALSE;
    }
    server.loop = event_base_new();
    server.certificates = postern_tls_watch_new(server.settings);
    server.drain = postern_drain_new();
    postern_drain_reset(server.drain, server.settings);
    postern_log_start();
    postern_capsule_store_start(server.daemon.capsules);
    gboolean started = start_threads(&server, error);
    if (started)
        serve(&server);
    else
        postern_log(POSTERN_LOG_ERROR, "cannot start: %s", (*error)->message);
    if (server.at_once || !started) {
        postern_log_finish();
        _exit(started ? 0 : 1); /* threads that run cannot be taken down safely */
    }
    for (guint i = 0; i < server.threads->len; i++)
        postern_proxy_loop_join(g_ptr_array_index(server.threads, i));
    postern_log(POSTERN_LOG_NOTICE, "ended");
    server_clear(&server);
    return TRUE;
}
