#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/build.h"
#include "base/configuration.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/option.h"
#include "base/privileges.h"
#include "checks/rules/engine.h"
#include "daemon/daemon.h"
#include "daemon/directory.h"
#include "daemon/inspector_process.h"
#include "daemon/notify.h"
#include "inspector/keeper.h"
#include "inspector/listener.h"
#include "inspector/offline.h"
#include "inspector/options.h"
#include "inspector/template.h"
#include "inspector/worker_pool.h"
#include "inspector_client/packet.h"

#define PROGRAM "postern-inspector"
#define BEAT_MS 250

/* Where a template finds what the pool hands it (template_process.c). */
#define TEMPLATE_CONTROL 3
#define TEMPLATE_CONFIGURATION 4

typedef struct {
    PosternDaemon common;
    const PosternInspectorOptions *options;
    struct event_base *loop;
    PosternListener *listener;
    PosternWorkerPool *pool;
    const char *program; /* ourselves */
    const char *worker_user;
    gboolean draining;
} Daemon;

/* The pool's configuration, as it was when the pool started us. */
static int run_template(const PosternInspectorOptions *options)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) text =
        postern_sealed_memfd_read(TEMPLATE_CONFIGURATION, POSTERN_CONFIGURATION_FILE_MAX_OCTETS, &error);
    g_autoptr(PosternConfiguration) configuration = NULL;
    PosternRole role = POSTERN_ROLES;
    if (text != NULL && options->directory != NULL && postern_role_parse(&role, options->role)) {
        gsize length = 0;
        const char *start = g_bytes_get_data(text, &length);
        configuration = postern_configuration_parse(start, length, "the pool's configuration", &error);
    }
    if (configuration == NULL) {
        g_printerr(PROGRAM ": %s\n", error != NULL ? error->message : "--template is for its own use only");
        return EX_USAGE;
    }
    const PosternTemplateOptions template = {.role = role,
                                             .configuration = configuration,
                                             .worker_user = options->worker_user,
                                             .control = TEMPLATE_CONTROL,
                                             .directory = options->directory,
                                             .at_least = (guint64)MAX(options->at_least, 0),
                                             .background = options->background,
                                             .held = (guint)MAX(options->held, 0),
                                             .only_held = options->only_held};
    postern_template_run(&template);
}

/*
 * TRUE if user can run program, with all the libraries that it needs. Built below a folder that is closed
 * to others, as /root is, it cannot be.
 */
static gboolean can_be_run_by(const char *program, const char *user)
{
    int status = 0;
    GPid process = fork();
    if (process == 0) {
        int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
        char *const arguments[] = {(char[]){PROGRAM}, (char[]){"--version"}, NULL};
        (void)dup2(nothing, STDOUT_FILENO);
        (void)dup2(nothing, STDERR_FILENO);
        if (postern_privileges_drop(user, NULL))
            execv(program, arguments);
        _exit(EX_OSERR);
    }
    while (process > 0 && waitpid(process, &status, 0) < 0 && errno == EINTR) {
    }
    return process > 0 && status == 0;
}

/* *ret_worker_user: who workers become, for we could not; or NULL. */
static gboolean drop_privileges(const Daemon *daemon, const PosternConfiguration *configuration,
                                const char **ret_worker_user, GError **error)
{
    const char *user = postern_daemon_user("inspector", configuration->inspector.user);
    const char *asking = postern_privileges_user("proxy", configuration->proxy.user);
    if (!postern_listener_give_to(daemon->listener, user, configuration->inspector.socket_group, asking,
                                  error))
        return FALSE;
    if (geteuid() == 0 && !can_be_run_by(daemon->program, user)) {
        postern_log(
            POSTERN_LOG_WARNING,
            "user '%s' cannot run %s, for a folder above it is closed to others: only the workers, which "
            "read mail, become that user, and the processes that start them stay root's; install it, or "
            "open the folder",
            user, daemon->program);
        *ret_worker_user = user;
    } else if (!postern_privileges_drop(user, error)) {
        return FALSE;
    }
    return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ||
           postern_error_set_system(error, errno, "refusing to be traced");
}

static void end_loop(gpointer user_data)
{
    Daemon *daemon = user_data;
    event_base_loopbreak(daemon->loop);
}

static void on_end(evutil_socket_t number, short what, void *data)
{
    (void)what;
    Daemon *daemon = data;
    if (daemon->draining || daemon->pool == NULL) {
        end_loop(daemon);
        return;
    }
    daemon->draining = TRUE;
    postern_notify("STOPPING=1");
    postern_log(POSTERN_LOG_NOTICE, "ending, on signal %d, once all requests are answered", (int)number);
    postern_worker_pool_drain(daemon->pool);
}

static void on_hangup(evutil_socket_t number, short what, void *data)
{
    (void)number, (void)what;
    Daemon *daemon = data;
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration =
        postern_daemon_load(&daemon->common, postern_worker_pool_configuration(daemon->pool), &error);
    if (configuration != NULL && !postern_offline_check_rules(configuration, &error))
        g_clear_pointer(&configuration, postern_configuration_free);
    postern_daemon_reloaded(&daemon->common, configuration, error);
    if (configuration == NULL)
        return;
    postern_worker_pool_reload(daemon->pool, configuration);
    postern_log(POSTERN_LOG_NOTICE, "reloading configuration, signatures, content rules and keys");
}

static void on_reopen(evutil_socket_t number, short what, void *data)
{
    (void)number, (void)what, (void)data;
    g_autoptr(GError) error = NULL;
    if (!postern_log_reopen(&error))
        postern_log(POSTERN_LOG_ERROR, "%s", error->message);
}

static void on_lifeline(evutil_socket_t descriptor, short what, void *data)
{
    (void)what;
    Daemon *daemon = data;
    char order = 0;
    int passed = -1;
    int received = postern_descriptor_receive(descriptor, &order, &passed);
    if (received == 0) {
        postern_listener_remove(daemon->listener);
        end_loop(daemon);
    } else if (received > 0 && order == POSTERN_LIFELINE_LOG && passed >= 0) {
        postern_daemon_adopt_log(passed);
    } else if (received > 0) {
        on_hangup(SIGHUP, 0, daemon);
    }
}

/* The signals of a terminal are for the program that started us; we end with it. */
static void add_events(Daemon *daemon, GPtrArray *events)
{
    gboolean private = daemon->options->lifeline_descriptor >= 0;
    g_ptr_array_add(events, evsignal_new(daemon->loop, SIGTERM, on_end, daemon));
    g_ptr_array_add(events, evsignal_new(daemon->loop, SIGHUP, on_hangup, daemon));
    g_ptr_array_add(events, evsignal_new(daemon->loop, SIGUSR1, on_reopen, daemon));
    if (private) {
        int lifeline = daemon->options->lifeline_descriptor;
        signal(SIGINT, SIG_IGN);
        fcntl(lifeline, F_SETFD, FD_CLOEXEC);
        g_ptr_array_add(events, event_new(daemon->loop, lifeline, EV_READ | EV_PERSIST, on_lifeline, daemon));
    } else {
        g_ptr_array_add(events, evsignal_new(daemon->loop, SIGINT, on_end, daemon));
    }
    for (guint i = 0; i < events->len; i++)
        event_add(g_ptr_array_index(events, i), NULL);
}

static void tell(PosternStatus *status, gpointer user_data)
{
    const Daemon *daemon = user_data;
    postern_worker_pool_tell(daemon->pool, status);
    postern_daemon_add_status(&daemon->common, status);
}

/* That nobody can read of it is no reason not to inspect. */
static void open_http(Daemon *daemon, const PosternConfiguration *configuration)
{
    const char *user = postern_daemon_user("inspector", configuration->inspector.user);
    g_autoptr(GError) error = NULL;
    if (!postern_http_open(configuration, configuration->http.inspector_listen, user, daemon->common.counters,
                           &daemon->common.http, &error))
        postern_log(POSTERN_LOG_WARNING, "%s", error->message);
}

static void on_beat(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    Daemon *daemon = data;
    g_autofree char *status = postern_worker_pool_describe(daemon->pool);
    postern_daemon_tell(&daemon->common, status, TRUE);
}

static gboolean serve(Daemon *daemon, PosternConfiguration *configuration, GError **error)
{
    const struct timeval beat = {.tv_usec = BEAT_MS * 1000};
    g_autoptr(GPtrArray) events = g_ptr_array_new_with_free_func((GDestroyNotify)event_free);
    PosternWorkerPoolOptions options = {.loop = daemon->loop,
                                        .program = daemon->program,
                                        .worker_user = daemon->worker_user,
                                        .counters = daemon->common.counters,
                                        .configuration = configuration,
                                        .listening = g_steal_fd(&daemon->listener->descriptor),
                                        .drained = end_loop,
                                        .user_data = daemon};
    add_events(daemon, events);
    daemon->pool = postern_worker_pool_new(&options, error);
    if (daemon->pool == NULL)
        return FALSE;
    g_ptr_array_add(events, event_new(daemon->loop, -1, EV_PERSIST, on_beat, daemon));
    event_add(g_ptr_array_index(events, events->len - 1), &beat);
    postern_http_serve(daemon->common.http, daemon->loop, PROGRAM, tell, daemon);
    event_base_dispatch(daemon->loop);
    g_clear_pointer(&daemon->common.http, postern_http_free);
    g_clear_pointer(&daemon->pool, postern_worker_pool_free);
    return TRUE;
}

/* Who started us has a descriptor for us; what the configuration names, this user may be unable to open. */
static gboolean open_log(const PosternInspectorOptions *options, const PosternConfiguration *configuration,
                         GError **error)
{
    PosternLogLevel level = (PosternLogLevel)configuration->log.level;
    postern_log_set_json(configuration->log.format == POSTERN_LOG_FORMAT_JSON);
    if (options->log_descriptor >= 0)
        return postern_log_open_descriptor(PROGRAM, options->log_descriptor, level, error);
    return postern_log_open(PROGRAM, configuration->log.destination, level, error);
}

/* A shared one may be the first that writes to the file of the programs that ask it. */
static gboolean give_log(const PosternInspectorOptions *options, const PosternConfiguration *configuration,
                         GError **error)
{
    return options->log_descriptor >= 0 ||
           postern_log_give(postern_privileges_user("proxy", configuration->proxy.user), error);
}

/* Takes configuration. */
static gboolean run(const PosternInspectorOptions *options, PosternConfiguration *configuration,
                    GError **error)
{
    if (options->quiet)
        configuration->log.level = MIN(configuration->log.level, POSTERN_LOG_WARNING);
    const char *path = options->socket != NULL ? options->socket : configuration->inspector.socket;
    g_autofree char *program = g_file_read_link("/proc/self/exe", error);
    g_autoptr(PosternListener) listener = NULL;
    Daemon daemon = {.options = options, .program = program};
    postern_daemon_init(&daemon.common, PROGRAM, options->configuration_path,
                        POSTERN_RELOAD_RESTARTS_INSPECTOR);
    if (options->lifeline_descriptor >= 0)
        g_unsetenv("NOTIFY_SOCKET"); /* it is for the program that started us */
    if (program != NULL && open_log(options, configuration, error))
        daemon.listener = listener = postern_listener_new(options->listen_descriptor, path, error);
    if (listener != NULL)
        open_http(&daemon, configuration);
    if (listener == NULL || !give_log(options, configuration, error) ||
        !drop_privileges(&daemon, configuration, &daemon.worker_user, error)) {
        postern_configuration_free(configuration);
        postern_daemon_clear(&daemon.common);
        return FALSE;
    }
    daemon.loop = event_base_new();
    postern_log_start();
    gboolean served = serve(&daemon, configuration, error);
    event_base_free(daemon.loop);
    postern_daemon_clear(&daemon.common);
    return served;
}

/* The arguments of the inspector that a keeper starts: its own, without --keep. */
static char **arguments_of_kept(char **argv)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    for (; *argv != NULL; argv++)
        if (!g_str_equal(*argv, "--keep"))
            g_strv_builder_add(builder, *argv);
    return g_strv_builder_end(builder);
}

static gboolean keep(const PosternInspectorOptions *options, const PosternConfiguration *configuration,
                     char **arguments, GError **error)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", error);
    g_autoptr(PosternListener) listener = NULL;
    if (program != NULL && open_log(options, configuration, error))
        listener = postern_listener_new(options->listen_descriptor, NULL, error);
    if (listener == NULL)
        return FALSE;
    const PosternKeeperOptions kept = {.program = program,
                                       .arguments = arguments,
                                       .listener = listener,
                                       .lifeline = options->lifeline_descriptor};
    fcntl(kept.lifeline, F_SETFD, FD_CLOEXEC);
    postern_keeper_run(&kept);
    return TRUE;
}

/* Takes configuration. */
static gboolean run_or_keep(const PosternInspectorOptions *options, PosternConfiguration *configuration,
                            char **arguments, GError **error)
{
    if (!options->keep)
        return run(options, configuration, error);
    gboolean kept = keep(options, configuration, arguments, error);
    postern_configuration_free(configuration);
    return kept;
}

static int fail(const GError *error, int status)
{
    postern_log(POSTERN_LOG_ERROR, "%s", error->message);
    return status;
}

/* Whether this machine has what configuration names. */
static gboolean check_surroundings(const PosternInspectorOptions *options,
                                   const PosternConfiguration *configuration, GError **error)
{
    const char *path = options->configuration_path;
    if (!postern_configuration_check_surroundings(configuration, PROGRAM,
                                                  path != NULL ? path : POSTERN_CONFIGURATION_FILE, error))
        return FALSE;
    const char *table = configuration->sign.table;
    g_autoptr(PosternSignEngine) engine = table[0] != '\0' ? postern_offline_load_keys(table, error) : NULL;
    if (table[0] != '\0' && engine == NULL)
        return FALSE;
    /* As the user who will read the rules. */
    const char *user = postern_privileges_user("inspector", configuration->inspector.user);
    return postern_privileges_drop(user, error) && postern_offline_check_rules(configuration, error);
}

static int show(const PosternInspectorOptions *options, const PosternConfiguration *configuration)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = options->dump_changed ? postern_configuration_dump_changed(configuration)
                            : options->dump       ? postern_configuration_dump(configuration)
                                                  : g_strdup("");
    printf("%s", text);
    if ((options->check || options->check_keys) && !check_surroundings(options, configuration, &error)) {
        g_printerr(PROGRAM ": %s\n", error->message);
        return EX_CONFIG;
    }
    if (options->print_keys && !postern_offline_print_keys(configuration->sign.table, &error)) {
        g_printerr(PROGRAM ": %s\n", error->message);
        return EX_CONFIG;
    }
    if (options->check && configuration->virus.scan && configuration->virus.clamd[0] == '\0' &&
        !postern_offline_check_signatures(configuration, &error)) {
        g_printerr(PROGRAM ": %s\n", error->message);
        return EX_CONFIG;
    }
    if (options->check) {
        g_autofree char *approval = postern_configuration_ok_message(options->configuration_path);
        printf("%s\n", approval);
    }
    return 0;
}

int main(int argc, char **argv)
{
    g_auto(PosternInspectorOptions)
        options = {.listen_descriptor = -1, .lifeline_descriptor = -1, .log_descriptor = -1};
    g_autoptr(GError) error = NULL;
    setlocale(LC_ALL, "C.UTF-8");
    g_auto(GStrv) kept = arguments_of_kept(argv);
    gboolean done = FALSE;
    if (!postern_inspector_options_parse(&options, &argc, &argv, &done, &error)) {
        g_printerr(PROGRAM ": %s%s\n", error->message,
                   strstr(error->message, "--help") != NULL ? "" : "; see --help");
        return EX_USAGE;
    }
    if (done)
        return 0;
    if (options.version) {
        printf(PROGRAM " " POSTERN_VERSION "\n");
        return 0;
    }
    if (options.template)
        return run_template(&options);
    PosternConfiguration *configuration = postern_configuration_load(options.configuration_path, &error);
    if (configuration == NULL) {
        g_printerr(PROGRAM ": %s\n", error->message);
        return EX_CONFIG;
    }
    if (options.check || options.check_keys || options.dump || options.dump_changed || options.print_keys) {
        int status = show(&options, configuration);
        postern_configuration_free(configuration);
        return status;
    }
    int status = run_or_keep(&options, configuration, kept, &error) ? 0 : fail(error, EX_UNAVAILABLE);
    postern_log_finish();
    return status;
}
