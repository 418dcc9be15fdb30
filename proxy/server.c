#include "proxy/server.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/build.h"
#include "base/configuration_reload.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/privileges.h"
#include "inspector_client/confinement.h"
#include "inspector_client/monitor.h"
#include "inspector_client/spawn.h"
#include "proxy/connection/listener.h"
#include "proxy/connection/loop.h"

#define TICK_MS 250
#define AT_ONCE_MS 1000 /* for the closing lines of what is cut off */

typedef struct {
    struct event_base *loop;
    const char *path;
    PosternProxySettings *settings;
    PosternAnswersFile *answers;
    PosternClientTable *clients;
    PosternCapsuleStore *capsules; /* or NULL */
    PosternBackendStatus *problem;
    PosternResolverHealth *health;
    PosternInspectorProcess *inspector; /* a private one, or NULL */
    PosternInspectorMonitor *monitor;   /* or NULL: nothing is inspected */
    GPtrArray *threads;                 /* of PosternProxyLoop * */
    GPtrArray *listeners;               /* [thread], until it has them */
    GPtrArray *submission_listeners;
    gboolean inspects; /* there is an inspector to ask */
    gboolean draining;
    gint64 at_once_until; /* monotonic, microseconds: told twice to end; 0: not so */
    gboolean at_once;     /* threads still run */
} Server;

static void open_listeners_close(gpointer sockets)
{
    g_array_unref(sockets);
}

/* [thread] -> its listening sockets for addresses. NULL and error where one cannot be had. */
static GPtrArray *open_listeners(char **addresses, guint threads, GError **error)
{
    g_autoptr(GPtrArray) of_threads = g_ptr_array_new_with_free_func(open_listeners_close);
    for (guint i = 0; i < threads; i++)
        g_ptr_array_add(of_threads, g_array_new(FALSE, FALSE, sizeof(int)));
    for (char **address = addresses; *address != NULL; address++) {
        g_autoptr(GArray) sockets = g_array_new(FALSE, FALSE, sizeof(int));
        gboolean ok = postern_listener_open(*address, threads, sockets, error);
        for (guint i = 0; i < sockets->len; i++)
            g_array_append_val((GArray *)g_ptr_array_index(of_threads, i), g_array_index(sockets, int, i));
        if (!ok)
            return NULL; /* the program ends: the kernel closes what was opened */
    }
    return g_steal_pointer(&of_threads);
}

static const char *user_of(const PosternConfiguration *configuration)
{
    return postern_privileges_user("proxy", configuration->proxy.user);
}

static gboolean start_inspector(Server *server, GError **error)
{
    const PosternConfiguration *configuration = server->settings->configuration;
    if (!configuration->proxy.inspect || configuration->inspector.socket[0] != '\0')
        return TRUE;
    /* Once we are not root any more, who starts it again has to have stayed so: it becomes its own user. */
    static const char *const keep[] = {"--keep", NULL};
    server->inspector = postern_inspector_process_new(server->path, geteuid() == 0 ? keep : NULL, error);
    if (server->inspector == NULL)
        return FALSE;
    return geteuid() != 0 ||
           postern_inspector_process_give_to(server->inspector, user_of(configuration), error);
}

static gboolean confine(Server *server, GError **error)
{
    g_autofree char *directory = server->inspector != NULL
                                     ? g_path_get_dirname(postern_inspector_process_path(server->inspector))
                                     : NULL;
    PosternConfinement confinement = {.configuration = server->settings->configuration,
                                      .configuration_path = server->path,
                                      .inspector_directory = directory};
    gboolean confined = FALSE;
    if (!postern_confinement_enter(&confinement, &confined, error))
        return FALSE;
    if (!confined)
        postern_log(POSTERN_LOG_NOTICE,
                    "this kernel has no Landlock: files are protected by the user's rights alone");
    return TRUE;
}

static void check_descriptors(const PosternConfiguration *configuration)
{
    guint64 available = postern_privileges_raise_descriptors();
    /* A client, its message and its back-end are three; some more are ours. */
    guint64 wanted = (guint64)configuration->proxy.max_connections +
                     2 * (guint64)configuration->proxy.backend_connections + 64;
    if (wanted > available)
        postern_log(POSTERN_LOG_WARNING,
                    "[proxy] max_connections = %u needs about %" G_GUINT64_FORMAT
                    " open files, the limit is %" G_GUINT64_FORMAT
                    ": raise it (LimitNOFILE= in the systemd unit), or clients will be made to wait",
                    configuration->proxy.max_connections, wanted, available);
}

static const char *inspector_path(const Server *server)
{
    return server->inspector != NULL ? postern_inspector_process_path(server->inspector)
                                     : server->settings->configuration->inspector.socket;
}

static gboolean start_threads(Server *server, GError **error)
{
    const PosternConfiguration *configuration = server->settings->configuration;
    const char *path = NULL;
    if (configuration->proxy.inspect)
        path = inspector_path(server);
    server->inspects = path != NULL;
    for (guint i = 0; i < server->settings->threads; i++) {
        PosternProxyLoopOptions options = {
            .settings = server->settings,
            .clients = server->clients,
            .problem = server->problem,
            .health = server->health,
            .inspector_path = path,
            .answers = server->answers,
            .listeners = g_ptr_array_index(server->listeners, i),
            .submission_listeners = g_ptr_array_index(server->submission_listeners, i),
            .index = i,
        };
        PosternProxyLoop *thread = postern_proxy_loop_new(&options, error);
        if (thread == NULL)
            return FALSE;
        g_ptr_array_add(server->threads, thread);
    }
    return TRUE;
}

/* Signals are this thread's alone: those that are made inherit a mask of all. */
static gboolean start_threads_without_signals(Server *server, GError **error)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    gboolean started = start_threads(server, error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return started;
}

/*
 * What the running sockets and processes cannot follow. listen is among them for a reason: whether
 * recipient_domains may be empty hangs on it, and must not be judged by addresses that nobody listens on.
 */
static gboolean can_reload(const Server *server, const PosternConfiguration *wanted, GError **error)
{
    guint programs =
        POSTERN_RELOAD_RESTARTS_PROXY | (server->inspector != NULL ? POSTERN_RELOAD_RESTARTS_INSPECTOR : 0);
    if (!postern_configuration_can_reload(server->settings->configuration, wanted, programs, error))
        return FALSE;
    if (!wanted->proxy.inspect || server->inspects)
        return TRUE;
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                "a new [proxy] inspect needs a restart: there is no inspector to ask");
    return FALSE;
}

static void on_reload(evutil_socket_t number, short what, void *data)
{
    Server *server = data;
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_load(server->path, &error);
    g_autoptr(PosternProxySettings) settings =
        configuration != NULL ? postern_proxy_settings_new(configuration, server->settings->budget, &error)
                              : NULL;
    if (settings == NULL || !can_reload(server, configuration, &error)) {
        postern_log(POSTERN_LOG_ERROR, "nothing was changed by the reload: %s", error->message);
        return;
    }
    gboolean ends_sessions = !postern_proxy_settings_same_relaying(server->settings, settings);
    postern_log_set_level(configuration->log.level);
    postern_proxy_settings_keep(settings, server->capsules);
    settings->threads = server->settings->threads;
    for (guint i = 0; i < server->threads->len; i++)
        postern_proxy_loop_reload(g_ptr_array_index(server->threads, i), settings);
    postern_proxy_settings_unref(server->settings);
    server->settings = g_steal_pointer(&settings);
    postern_capsule_store_reload(server->capsules, configuration);
    if (server->inspector != NULL)
        postern_inspector_process_reload(server->inspector);
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
    guint timeout_ms = server->settings->configuration->proxy.drain_timeout_ms;
    postern_log(POSTERN_LOG_NOTICE, "draining: %u clients have %u s to finish their message",
                postern_client_table_total(server->clients), timeout_ms / 1000);
    for (guint i = 0; i < server->threads->len; i++)
        postern_proxy_loop_drain(g_ptr_array_index(server->threads, i), timeout_ms);
}

static void on_reopen(evutil_socket_t number, short what, void *data)
{
    g_autoptr(GError) error = NULL;
    const Server *server = data;
    if (!postern_log_reopen(&error))
        postern_log(POSTERN_LOG_ERROR, "%s", error->message);
    else if (server->inspector != NULL)
        postern_inspector_process_reopen(server->inspector);
}

static void check_inspector(Server *server)
{
    g_autofree char *text = NULL;
    if (server->inspector != NULL && !server->draining &&
        postern_inspector_process_check(server->inspector, &text) && text != NULL)
        postern_log(POSTERN_LOG_ERROR, "postern-inspector has ended (%s) and is started again", text);
}

static void on_tick(evutil_socket_t number, short what, void *data)
{
    Server *server = data;
    check_inspector(server);
    if (!server->draining)
        return;
    server->at_once = server->at_once_until != 0 && g_get_monotonic_time() >= server->at_once_until;
    for (guint i = 0; i < server->threads->len && !server->at_once; i++)
        if (!postern_proxy_loop_has_ended(g_ptr_array_index(server->threads, i)))
            return;
    event_base_loopbreak(server->loop);
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
    event_base_dispatch(server->loop);
    for (guint i = 0; i < G_N_ELEMENTS(events); i++)
        event_free(events[i]);
}

static gboolean load_answers(Server *server, GError **error)
{
    const char *path = server->settings->configuration->dns.answers;
    if (path[0] == '\0')
        return TRUE;
    server->answers = postern_answers_file_load(path, error);
    if (server->answers == NULL) {
        g_prefix_error(error, "[dns] answers: ");
        return FALSE;
    }
    postern_log(POSTERN_LOG_WARNING, "[dns] answers: %s stands in for the DNS", path);
    return TRUE;
}

static gboolean listen_everywhere(Server *server, GError **error)
{
    const PosternConfiguration *configuration = server->settings->configuration;
    guint threads = server->settings->threads;
    server->listeners = open_listeners(configuration->proxy.listen, threads, error);
    if (server->listeners != NULL)
        server->submission_listeners = open_listeners(configuration->proxy.submission_listen, threads, error);
    return server->submission_listeners != NULL;
}

static void warn_of_capsules(const char *text, guint lost, gpointer user_data)
{
    postern_log(POSTERN_LOG_WARNING, "[capsule]: %u messages were not kept: %s", lost, text);
}

static gboolean prepare(Server *server, GError **error)
{
    const PosternConfiguration *configuration = server->settings->configuration;
    check_descriptors(configuration);
    const char *user = user_of(configuration);
    if (!load_answers(server, error) || !listen_everywhere(server, error) || !start_inspector(server, error))
        return FALSE;
    if (!g_str_equal(user, configuration->proxy.user))
        postern_log(POSTERN_LOG_NOTICE, "there is no user '%s' ([proxy] user): running as '%s'",
                    configuration->proxy.user, user);
    if (!postern_capsule_store_open(configuration, user, warn_of_capsules, NULL, &server->capsules, error))
        return FALSE;
    postern_proxy_settings_keep(server->settings, server->capsules);
    return postern_log_give(user, error) && postern_privileges_drop(user, error) && confine(server, error);
}

static void server_clear(Server *server)
{
    g_ptr_array_unref(server->threads);
    g_clear_pointer(&server->listeners, g_ptr_array_unref);
    g_clear_pointer(&server->submission_listeners, g_ptr_array_unref);
    g_clear_pointer(&server->monitor, postern_inspector_monitor_free);
    g_clear_pointer(&server->inspector, postern_inspector_process_free);
    g_clear_pointer(&server->clients, postern_client_table_free);
    g_clear_pointer(&server->problem, postern_backend_status_free);
    g_clear_pointer(&server->health, postern_resolver_health_free);
    g_clear_pointer(&server->answers, postern_answers_file_unref);
    g_clear_pointer(&server->settings, postern_proxy_settings_unref);
    g_clear_pointer(&server->capsules, postern_capsule_store_free);
    g_clear_pointer(&server->loop, event_base_free);
}

/* Ready is said when messages can be accepted: where they are inspected, once that can be done. */
static void announce(Server *server)
{
    const PosternConfiguration *configuration = server->settings->configuration;
    gboolean inspects = configuration->proxy.inspect;
    g_autofree char *listen = g_strjoinv(" ", configuration->proxy.listen);
    g_autofree char *rest = g_strdup_printf(
        "on %s for back-end %s, %u threads%s%s", listen, configuration->proxy.backend,
        server->settings->threads, inspects ? "" : ", inspecting nothing",
        configuration->proxy.mode == POSTERN_MODE_OBSERVE ? ", observing only: nothing is refused by policy"
                                                          : "");
    g_autofree char *ready = g_strconcat("postern-proxy " POSTERN_VERSION " is ready ", rest, NULL);
    if (inspects) {
        postern_log(POSTERN_LOG_NOTICE,
                    "postern-proxy " POSTERN_VERSION " listens %s; it is ready once its inspector is", rest);
        server->monitor = postern_inspector_monitor_new(server->loop, inspector_path(server), ready);
    } else {
        postern_log(POSTERN_LOG_NOTICE, "%s", ready);
    }
}

static void report_dns(gboolean answers, const char *text, gpointer user_data)
{
    postern_log(answers ? POSTERN_LOG_NOTICE : POSTERN_LOG_WARNING, "%s", text);
}

gboolean postern_server_run(PosternConfiguration *configuration, const char *path, GError **error)
{
    Server server = {.path = path,
                     .threads = g_ptr_array_new(),
                     .clients = postern_client_table_new(),
                     .problem = postern_backend_status_new(),
                     .health = postern_resolver_health_new(report_dns, NULL)};
    evthread_use_pthreads();
    signal(SIGPIPE, SIG_IGN);
    server.settings = postern_proxy_settings_new(configuration, NULL, error);
    if (server.settings == NULL || !prepare(&server, error)) {
        server_clear(&server);
        return FALSE;
    }
    server.loop = event_base_new();
    postern_log_start();
    postern_capsule_store_start(server.capsules);
    gboolean started = start_threads_without_signals(&server, error);
    if (started) {
        announce(&server);
        serve(&server);
    }
    if (!started)
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
