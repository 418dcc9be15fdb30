#include "milter/server.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <fcntl.h>
#include <libmilter/mfapi.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/build.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "base/privileges.h"
#include "dns/answers_file.h"
#include "inspector_client/confinement.h"
#include "inspector_client/monitor.h"
#include "milter/listener.h"
#include "milter/runtime.h"

/* libmilter's threads need little, and there may be thousands; a sanitizer's need more. */
#ifdef POSTERN_SANITIZED
#define STACK_OCTETS (8 * 1024 * 1024)
#else
#define STACK_OCTETS (256 * 1024)
#endif
#define TICK_MS 100

typedef struct {
    const PosternMilterServerOptions *options;
    struct event_base *loop;
    PosternMilterSettings *settings;
    PosternCapsuleStore *capsules; /* or NULL */
    PosternAnswersFile *answers;
    PosternInspectorMonitor *monitor;
    struct event *orders;
    struct event *tick; /* while draining */
    gint64 drain_until; /* monotonic, microseconds */
    guint idle_ticks;
} Server;

const char *postern_milter_server_user(const PosternConfiguration *configuration)
{
    return postern_privileges_user("milter", configuration->milter.user);
}

/* The process ends here: libmilter's own end waits for its listener, and stops sessions where they stand. */
static void end(int status)
{
    postern_log_finish();
    _exit(status);
}

static void reload(Server *server)
{
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_load(server->options->path, &error);
    if (configuration == NULL) {
        postern_log(POSTERN_LOG_ERROR, "nothing was changed by the reload: %s", error->message);
        return;
    }
    PosternMilterSettings *settings =
        postern_milter_settings_new(configuration, server->settings->budget, &error);
    if (settings == NULL) {
        postern_log(POSTERN_LOG_ERROR, "nothing was changed by the reload: %s", error->message);
        return;
    }
    postern_log_set_level((PosternLogLevel)configuration->log.level);
    postern_milter_settings_keep(settings, server->capsules);
    postern_capsule_store_reload(server->capsules, configuration);
    postern_milter_settings_unref(server->settings);
    server->settings = postern_milter_settings_ref(settings);
    postern_milter_runtime_set_settings(postern_milter_runtime(), settings);
    postern_log(POSTERN_LOG_NOTICE, "the configuration was read again; new messages go by it");
}

/* The supervisor has opened the file, which this user might be unable to. */
static void reopen(int descriptor)
{
    g_autoptr(GError) error = NULL;
    if (descriptor >= 0 && !postern_log_adopt(descriptor, &error))
        postern_log(POSTERN_LOG_ERROR, "%s", error->message);
}

/* After the last message its reply still has to get out: what is idle must be so for two ticks. */
static void on_tick(evutil_socket_t descriptor, short what, void *data)
{
    Server *server = data;
    server->idle_ticks =
        postern_milter_runtime_under_way(postern_milter_runtime()) == 0 ? server->idle_ticks + 1 : 0;
    if (server->idle_ticks < 2 && g_get_monotonic_time() < server->drain_until)
        return;
    if (server->idle_ticks >= 2) /* else sessions that are cut off still use it */
        postern_capsule_store_free(server->capsules);
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
        reopen(passed);
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

static gboolean load_answers(Server *server, GError **error)
{
    const char *path = server->settings->configuration->dns.answers;
    if (path[0] == '\0')
        return TRUE;
    server->answers = postern_answers_file_load(path, error);
    if (server->answers == NULL)
        return FALSE;
    postern_log(POSTERN_LOG_WARNING, "[dns] answers: %s stands in for the DNS", path);
    return TRUE;
}

static void warn_of_capsules(const char *text, guint lost, gpointer user_data)
{
    postern_log(POSTERN_LOG_WARNING, "[capsule]: %u messages were not kept: %s", lost, text);
}

static gboolean open_capsules(Server *server, const char *user, GError **error)
{
    if (!postern_capsule_store_open(server->settings->configuration, user, warn_of_capsules, NULL,
                                    &server->capsules, error))
        return FALSE;
    postern_milter_settings_keep(server->settings, server->capsules);
    return TRUE;
}

static gboolean give_up_rights(Server *server, const char *user, GError **error)
{
    const PosternConfiguration *configuration = server->settings->configuration;
    PosternConfinement confinement = {.configuration = configuration,
                                      .configuration_path = server->options->path};
    gboolean confined = FALSE;
    if (!g_str_equal(user, configuration->milter.user))
        postern_log(POSTERN_LOG_NOTICE, "there is no user '%s' ([milter] user): running as '%s'",
                    configuration->milter.user, user);
    if (!postern_privileges_drop(user, error) || !postern_confinement_enter(&confinement, &confined, error))
        return FALSE;
    if (!confined)
        postern_log(POSTERN_LOG_NOTICE,
                    "this kernel has no Landlock: files are protected by the user's rights alone");
    return TRUE;
}

static void report_dns(gboolean answers, const char *text, gpointer user_data)
{
    postern_log(answers ? POSTERN_LOG_NOTICE : POSTERN_LOG_WARNING, "%s", text);
}

/* Both end with the process. */
static PosternResolver *make_resolver(Server *server, GError **error)
{
    PosternResolver *resolver = postern_resolver_from_configuration(
        server->loop, server->settings->configuration, server->answers, 1, error);
    if (resolver != NULL)
        postern_resolver_set_health(resolver, postern_resolver_health_new(report_dns, NULL));
    return resolver;
}

static gpointer run_loop(gpointer data)
{
    Server *server = data;
    event_base_loop(server->loop, EVLOOP_NO_EXIT_ON_EMPTY);
    return NULL;
}

/* Signals are not for the loop's thread, nor for what it starts. */
static void start_loop(Server *server)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    g_thread_unref(g_thread_new("loop", run_loop, server));
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* Ready is said once messages can be inspected. */
static void watch_inspector(Server *server)
{
    const PosternConfiguration *configuration = server->settings->configuration;
    g_autofree char *rest = g_strdup_printf("on %s%s", configuration->milter.socket,
                                            configuration->milter.mode == POSTERN_MODE_OBSERVE
                                                ? ", observing only: nothing is refused by policy"
                                                : "");
    g_autofree char *ready = g_strconcat("postern-milter " POSTERN_VERSION " is ready ", rest, NULL);
    postern_log(POSTERN_LOG_NOTICE,
                "postern-milter " POSTERN_VERSION " listens %s; it is ready once its inspector is", rest);
    server->monitor = postern_inspector_monitor_new(server->loop, server->options->inspector_path, ready);
}

static gboolean start(Server *server, GError **error)
{
    server->loop = event_base_new();
    postern_log_start();
    PosternResolver *resolver = make_resolver(server, error);
    if (resolver == NULL)
        return FALSE;
    PosternInspectorClient *client =
        postern_inspector_client_new(server->loop, server->options->inspector_path);
    PosternMilterWakeUp *wake_up =
        postern_milter_wake_up_new(server->loop, server->settings->configuration->milter.socket);
    PosternMilterBridge *bridge = postern_milter_bridge_new(server->loop, client, resolver, wake_up, error);
    if (bridge == NULL)
        return FALSE;
    postern_milter_runtime_start(bridge, postern_milter_settings_ref(server->settings));
    server->orders =
        event_new(server->loop, server->options->orders, EV_READ | EV_PERSIST, on_orders, server);
    event_add(server->orders, NULL);
    watch_inspector(server);
    start_loop(server);
    postern_capsule_store_start(server->capsules);
    return TRUE;
}

static void limit_stacks(void)
{
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    if (pthread_attr_setstacksize(&attributes, STACK_OCTETS) == 0)
        (void)pthread_setattr_default_np(&attributes);
    pthread_attr_destroy(&attributes);
}

gboolean postern_milter_server_run(const PosternMilterServerOptions *options, GError **error)
{
    Server server = {.options = options};
    const char *user = postern_milter_server_user(options->configuration);
    evthread_use_pthreads();
    signal(SIGPIPE, SIG_IGN);
    limit_stacks();
    postern_privileges_raise_descriptors();
    server.settings = postern_milter_settings_new(options->configuration, NULL, error);
    if (server.settings == NULL || !load_answers(&server, error) ||
        !postern_milter_listener_open(options->configuration, user, error) ||
        !open_capsules(&server, user, error) || !give_up_rights(&server, user, error) ||
        !start(&server, error))
        return FALSE;
    (void)!write(options->ready, "", 1);
    (void)smfi_main();
    g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_SYSTEM,
                        "libmilter has ended; the system log (facility mail) tells why");
    return FALSE;
}
