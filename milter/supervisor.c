#include "milter/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/log.h"
#include "base/option.h"
#include "daemon/execute.h"
#include "daemon/notify.h"
#include "daemon/restart.h"
#include "milter/libmilter/libmilter.h"
#include "milter/server.h"
#include "verdict/policies.h"

#define TICK_MS 250

typedef struct {
    PosternDaemon daemon;
    PosternConfiguration *configuration;
    GPid process;   /* the serving process; 0: down */
    int orders;     /* to it; -1: down */
    int ready;      /* from it: an octet, with its listening socket if that is kept, then nothing more */
    GArray *passed; /* of int: listening sockets for it */
    gboolean of_unit;
    gboolean served; /* the process that runs, or ran last, got as far as serving */
    gboolean ever_served;
    gboolean ending;
    PosternRestart restart; /* of the serving process */
} Supervisor;

static void take_signals(sigset_t *ret_signals)
{
    static const int numbers[] = {SIGHUP, SIGTERM, SIGINT, SIGUSR1, SIGCHLD};
    sigemptyset(ret_signals);
    for (guint i = 0; i < G_N_ELEMENTS(numbers); i++)
        sigaddset(ret_signals, numbers[i]);
    sigprocmask(SIG_BLOCK, ret_signals, NULL);
}

/* Of the supervisor's the serving process keeps nothing but what it is given. */
static void become_server(Supervisor *supervisor, int orders, int ready)
{
    g_autoptr(GError) error = NULL;
    sigset_t none;
    PosternDaemon daemon = supervisor->daemon;
    PosternMilterServerOptions options = {
        .configuration = supervisor->configuration,
        .daemon = &daemon,
        .orders = orders,
        .ready = ready,
        .passed = supervisor->passed,
        .of_unit = supervisor->of_unit,
    };
    daemon.inspector = NULL;
    daemon.passes_on = FALSE;
    /* The keys of a terminal are for the supervisor, and so is who looks for the program by its name. */
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_NAME, "milter-serving");
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (!postern_milter_server_run(&options, &error))
        postern_log(POSTERN_LOG_ERROR, "cannot serve: %s", error->message);
    postern_log_finish();
    _exit(EXIT_FAILURE);
}

static gboolean start_server(Supervisor *supervisor, GError **error)
{
    int orders[2];
    int ready[2];
    postern_restart_note_start(&supervisor->restart, g_get_monotonic_time());
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, orders) != 0)
        return postern_error_set_system(error, errno, "cannot make a pair of sockets");
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ready) != 0) {
        close(orders[0]);
        close(orders[1]);
        return postern_error_set_system(error, errno, "cannot make a pair of sockets");
    }
    GPid process = fork();
    if (process == 0) {
        close(orders[1]);
        close(ready[0]);
        become_server(supervisor, orders[0], ready[1]);
    }
    int number = errno;
    close(orders[0]);
    close(ready[1]);
    if (process < 0) {
        close(orders[1]);
        close(ready[0]);
        return postern_error_set_system(error, number, "cannot start the serving process");
    }
    supervisor->process = process;
    supervisor->orders = orders[1];
    supervisor->ready = ready[0];
    supervisor->served = FALSE;
    return TRUE;
}

static void close_passed(Supervisor *supervisor)
{
    for (guint i = 0; i < supervisor->passed->len; i++)
        close(g_array_index(supervisor->passed, int, i));
    g_array_set_size(supervisor->passed, 0);
}

static void note_ready(Supervisor *supervisor)
{
    char octet;
    int listening = -1;
    if (supervisor->process == 0 || supervisor->served ||
        postern_descriptor_receive(supervisor->ready, &octet, &listening) <= 0)
        return;
    close_passed(supervisor);
    if (listening >= 0)
        g_array_append_val(supervisor->passed, listening);
    supervisor->served = supervisor->ever_served = TRUE;
}

static void order(Supervisor *supervisor, PosternMilterOrder what, int descriptor)
{
    if (supervisor->process != 0)
        (void)postern_descriptor_send(supervisor->orders, (char)what, descriptor);
}

/* Also what the serving process makes of it: one that could not start with it is no configuration to keep. */
static PosternConfiguration *load(const Supervisor *supervisor, GError **error)
{
    g_autoptr(PosternConfiguration) configuration =
        postern_daemon_load(&supervisor->daemon, supervisor->configuration, error);
    if (configuration == NULL)
        return NULL;
    g_autoptr(PosternPolicies) policies = postern_policies_new(configuration, NULL, FALSE, error);
    return policies != NULL ? g_steal_pointer(&configuration) : NULL;
}

static void reload(Supervisor *supervisor)
{
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = load(supervisor, &error);
    supervisor->daemon.passes_on = supervisor->process != 0;
    postern_daemon_reloaded(&supervisor->daemon, configuration, error);
    if (configuration == NULL)
        return;
    postern_configuration_free(supervisor->configuration);
    supervisor->configuration = configuration;
    order(supervisor, POSTERN_MILTER_RELOAD, -1);
}

static void reopen(Supervisor *supervisor)
{
    if (postern_daemon_reopen_log(&supervisor->daemon))
        order(supervisor, POSTERN_MILTER_REOPEN, postern_log_descriptor());
}

static void take(Supervisor *supervisor, int number)
{
    if (number == SIGHUP)
        reload(supervisor);
    else if (number == SIGUSR1)
        reopen(supervisor);
    else if (number == SIGTERM || number == SIGINT)
        order(supervisor, supervisor->ending ? POSTERN_MILTER_AT_ONCE : POSTERN_MILTER_DRAIN, -1);
    supervisor->ending = supervisor->ending || number == SIGTERM || number == SIGINT;
}

static void check_server(Supervisor *supervisor)
{
    int status = 0;
    if (supervisor->process == 0 || waitpid(supervisor->process, &status, WNOHANG) != supervisor->process)
        return;
    note_ready(supervisor);
    close(supervisor->orders);
    close(supervisor->ready);
    supervisor->process = 0;
    if (supervisor->ending || !supervisor->ever_served)
        return;
    g_autofree char *how = postern_wait_status_describe(status);
    g_autofree char *text = postern_restart_note_end(&supervisor->restart, how, g_get_monotonic_time());
    if (text != NULL)
        postern_log(POSTERN_LOG_ERROR, "the serving process has ended (%s) and is started again", text);
}

static void start_again(Supervisor *supervisor)
{
    g_autoptr(GError) error = NULL;
    if (supervisor->process != 0 || !postern_restart_is_due(&supervisor->restart, g_get_monotonic_time()) ||
        start_server(supervisor, &error))
        return;
    g_autofree char *text =
        postern_restart_note_end(&supervisor->restart, error->message, g_get_monotonic_time());
    if (text != NULL)
        postern_log(POSTERN_LOG_ERROR, "%s", text);
}

/* TRUE: ended as told. */
static gboolean supervise(Supervisor *supervisor, const sigset_t *signals)
{
    const struct timespec tick = {.tv_sec = 0, .tv_nsec = TICK_MS * 1000000L};
    for (;;) {
        int number = sigtimedwait(signals, NULL, &tick);
        note_ready(supervisor);
        if (number > 0)
            take(supervisor, number);
        check_server(supervisor);
        if (supervisor->process == 0 && (supervisor->ending || !supervisor->ever_served))
            return supervisor->ending;
        if (supervisor->ending)
            continue;
        if (supervisor->process == 0) /* else that process tells */
            postern_daemon_tell(&supervisor->daemon, "the serving process has ended and is started again",
                                TRUE);
        start_again(supervisor);
        postern_daemon_check_inspector(&supervisor->daemon);
    }
}

gboolean postern_milter_supervisor_run(PosternConfiguration *configuration, const char *path, GError **error)
{
    Supervisor supervisor = {.configuration = configuration, .orders = -1, .ready = -1};
    PosternDaemon *daemon = &supervisor.daemon;
    sigset_t signals;
    guint kept = 0;
    postern_daemon_init(daemon, "postern-milter", path, POSTERN_RELOAD_RESTARTS_MILTER);
    daemon->user = g_strdup(postern_daemon_user("milter", configuration->milter.user));
    take_signals(&signals);
    supervisor.passed = postern_notify_take_sockets(&kept);
    supervisor.of_unit = supervisor.passed->len > 0 && kept == 0;
    postern_log_start();
    gboolean ended = postern_log_give(daemon->user, error) &&
                     postern_daemon_start_inspector(daemon, configuration, FALSE, error) &&
                     start_server(&supervisor, error) && supervise(&supervisor, &signals);
    close_passed(&supervisor);
    g_array_unref(supervisor.passed);
    if (supervisor.ever_served && !postern_notify_is_heard()) /* else the manager keeps what listens there */
        postern_milter_listener_remove(supervisor.configuration);
    postern_daemon_clear(daemon);
    g_clear_pointer(&supervisor.configuration, postern_configuration_free);
    return ended;
}
