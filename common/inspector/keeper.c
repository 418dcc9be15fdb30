#include "inspector/keeper.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "daemon/daemon.h"
#include "daemon/execute.h"
#include "daemon/inspector_process.h"
#include "daemon/restart.h"

#define TICK_MS 250
#define ENDING_US (10 * G_USEC_PER_SEC)
#define END_MS (POSTERN_INSPECTOR_END_MS - 500) /* the program waits for us as long as that */

typedef struct {
    const PosternKeeperOptions *options;
    GPid process;   /* 0: down */
    int descriptor; /* of the process, or -1 */
    int lifeline;   /* to it, or -1 */
    PosternRestart restart;
    gint64 ending_until; /* monotonic, microseconds */
} Keeper;

static void close_descriptor(int *descriptor)
{
    if (*descriptor >= 0)
        close(*descriptor);
    *descriptor = -1;
}

static gboolean start(Keeper *keeper, GError **error)
{
    int lifeline[2];
    int log = postern_log_descriptor();
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, lifeline) != 0)
        return postern_error_set_system(error, errno, "making a pair of sockets");
    const int descriptors[] = {keeper->options->listener->descriptor, lifeline[0],
                               log >= 0 ? log : STDERR_FILENO};
    GPid started = postern_execute(keeper->options->program, keeper->options->arguments, descriptors,
                                   G_N_ELEMENTS(descriptors), error);
    close(lifeline[0]);
    if (started <= 0) {
        close(lifeline[1]);
        return FALSE;
    }
    keeper->process = started;
    keeper->lifeline = lifeline[1];
    keeper->descriptor = pidfd_open(started, 0);
    return TRUE;
}

static void tell(Keeper *keeper, const char *how)
{
    g_autofree char *text = postern_restart_note_end(&keeper->restart, how, g_get_monotonic_time());
    if (text != NULL)
        postern_log(POSTERN_LOG_ERROR, "the inspector has ended (%s) and is started again", text);
}

static void start_if_due(Keeper *keeper)
{
    g_autoptr(GError) error = NULL;
    gint64 now = g_get_monotonic_time();
    if (keeper->process != 0 || !postern_restart_is_due(&keeper->restart, now))
        return;
    postern_restart_note_start(&keeper->restart, now);
    if (!start(keeper, &error))
        tell(keeper, error->message);
}

static void reap(Keeper *keeper)
{
    int status = 0;
    if (keeper->process == 0 || waitpid(keeper->process, &status, WNOHANG) <= 0)
        return;
    g_autofree char *how = postern_wait_status_describe(status);
    keeper->process = 0;
    close_descriptor(&keeper->descriptor);
    close_descriptor(&keeper->lifeline);
    tell(keeper, how);
}

/* FALSE: the program is gone. */
static gboolean take_order(Keeper *keeper)
{
    char order = 0;
    int passed = -1;
    int received = postern_descriptor_receive(keeper->options->lifeline, &order, &passed);
    if (received < 0)
        return TRUE;
    if (received > 0 && keeper->lifeline >= 0)
        (void)postern_descriptor_send(keeper->lifeline, order, passed);
    if (received > 0 && order == POSTERN_LIFELINE_LOG && passed >= 0)
        postern_daemon_adopt_log(passed);
    else
        close_descriptor(&passed);
    return received > 0;
}

static void end(Keeper *keeper)
{
    struct pollfd ended = {.fd = keeper->descriptor, .events = POLLIN};
    close_descriptor(&keeper->lifeline);
    if (keeper->process != 0 && (keeper->descriptor < 0 || poll(&ended, 1, END_MS) <= 0))
        kill(keeper->process, SIGKILL);
    while (keeper->process != 0 && waitpid(keeper->process, NULL, 0) < 0 && errno == EINTR) {
    }
    close_descriptor(&keeper->descriptor);
    postern_listener_remove(keeper->options->listener);
}

/* The program's end is what ends us; SIGTERM waits until it is asked for. */
static void take_signals(void)
{
    static const int ignored[] = {SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
    sigset_t term;
    for (gsize i = 0; i < G_N_ELEMENTS(ignored); i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, NULL);
}

/*
 * A SIGTERM that we get too is one to all processes, and has ended the inspector: while the program is about
 * to end as well, that is not told, nor is it started again. If the program goes on, both are made up for.
 */
static gboolean is_ending(Keeper *keeper, gint64 now)
{
    static const struct timespec at_once = {0};
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    if (sigtimedwait(&term, NULL, &at_once) == SIGTERM)
        keeper->ending_until = now + ENDING_US;
    return now < keeper->ending_until;
}

void postern_keeper_run(const PosternKeeperOptions *options)
{
    Keeper keeper = {.options = options, .descriptor = -1, .lifeline = -1};
    take_signals();
    for (;;) {
        gboolean ending = is_ending(&keeper, g_get_monotonic_time());
        if (!ending) {
            reap(&keeper);
            start_if_due(&keeper);
        }
        /* An end that is not told of stays readable: it is looked for no more. */
        struct pollfd sources[] = {{.fd = options->lifeline, .events = POLLIN},
                                   {.fd = ending ? -1 : keeper.descriptor, .events = POLLIN}};
        if (poll(sources, G_N_ELEMENTS(sources), TICK_MS) > 0 && sources[0].revents != 0 &&
            !take_order(&keeper))
            break;
    }
    end(&keeper);
}
