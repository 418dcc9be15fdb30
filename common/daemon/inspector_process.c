#include "daemon/inspector_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/build.h"
#include "base/descriptor.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "daemon/directory.h"
#include "daemon/execute.h"
#include "daemon/restart.h"

#define PROGRAM "postern-inspector"
#define DIRECTORY_PREFIX "postern-socket-"
#define SOCKET_NAME "socket"
#define BACKLOG 256

struct PosternInspectorProcess {
    char *program;
    GPtrArray *arguments; /* of char *, NULL-terminated */
    PosternDirectory *directory;
    char *path;
    int listening;
    int lifeline[2]; /* a socket pair: its end is ours, and orders go through it */
    GPid process;    /* 0: down */
    PosternRestart restart;
};

static char *find_program(GError **error)
{
    g_autofree char *own = postern_program_directory(error);
    if (own == NULL)
        return NULL;
    g_autofree char *beside = g_build_filename(own, PROGRAM, NULL);
    if (access(beside, X_OK) == 0)
        return g_steal_pointer(&beside);
    /* Installed under another prefix than it was built for. */
    g_autofree char *relative = g_build_filename(own, "..", "libexec", "postern", PROGRAM, NULL);
    if (access(relative, X_OK) == 0)
        return g_steal_pointer(&relative);
    g_autofree char *installed = g_build_filename(POSTERN_LIBEXECDIR, PROGRAM, NULL);
    if (access(installed, X_OK) == 0)
        return g_steal_pointer(&installed);
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                PROGRAM " is neither %s nor %s; install it, or name a shared one with [inspector] socket",
                beside, installed);
    return NULL;
}

/* systemd's directory of this service, else the user's own, else the common temporary one. */
static const char *parent_directory(void)
{
    const char *service = g_getenv("RUNTIME_DIRECTORY");
    if (service != NULL && g_path_is_absolute(service) && strchr(service, ':') == NULL)
        return service;
    const char *user = geteuid() != 0 ? g_getenv("XDG_RUNTIME_DIR") : NULL;
    return user != NULL && access(user, W_OK | X_OK) == 0 ? user : g_get_tmp_dir();
}

static gboolean make_directory(PosternInspectorProcess *process, GError **error)
{
    process->directory = postern_directory_new(parent_directory(), DIRECTORY_PREFIX, error);
    if (process->directory == NULL)
        return FALSE;
    process->path = g_build_filename(process->directory->path, SOCKET_NAME, NULL);
    return TRUE;
}

static gboolean listen_there(PosternInspectorProcess *process, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, process->path, sizeof address.sun_path) >= sizeof address.sun_path)
        return postern_error_set(error, POSTERN_ERROR_USAGE, "the path %s is too long for a socket",
                                 process->path);
    process->listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (process->listening < 0 ||
        bind(process->listening, (const struct sockaddr *)&address, sizeof address) != 0 ||
        chmod(process->path, 0600) != 0 || listen(process->listening, BACKLOG) != 0)
        return postern_error_set_system(error, errno, "listening on %s", process->path);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, process->lifeline) != 0)
        return postern_error_set_system(error, errno, "making a pair of sockets");
    return TRUE;
}

static gboolean start(PosternInspectorProcess *process, GError **error)
{
    int log = postern_log_descriptor();
    const int descriptors[] = {process->listening, process->lifeline[0], log >= 0 ? log : STDERR_FILENO};
    postern_restart_note_start(&process->restart, g_get_monotonic_time());
    GPid started = postern_execute(process->program, (char *const *)process->arguments->pdata, descriptors,
                                   G_N_ELEMENTS(descriptors), error);
    process->process = started > 0 ? started : 0;
    return started > 0;
}

static void set_arguments(PosternInspectorProcess *process, const char *configuration_path,
                          const char *const *extra_arguments)
{
    static const char *const own[] = {PROGRAM, "--listen-descriptor=3", "--lifeline-descriptor=4",
                                      "--log-descriptor=5"};
    process->arguments = g_ptr_array_new_with_free_func(g_free);
    /* To the system log each speaks for itself. */
    gsize count = postern_log_descriptor() >= 0 ? G_N_ELEMENTS(own) : G_N_ELEMENTS(own) - 1;
    for (gsize i = 0; i < count; i++)
        g_ptr_array_add(process->arguments, g_strdup(own[i]));
    if (configuration_path != NULL) {
        g_ptr_array_add(process->arguments, g_strdup("--config"));
        g_ptr_array_add(process->arguments, g_strdup(configuration_path));
    }
    for (; extra_arguments != NULL && *extra_arguments != NULL; extra_arguments++)
        g_ptr_array_add(process->arguments, g_strdup(*extra_arguments));
    g_ptr_array_add(process->arguments, NULL);
}

PosternInspectorProcess *postern_inspector_process_new(const char *configuration_path,
                                                       const char *const *extra_arguments, GError **error)
{
    g_autoptr(PosternInspectorProcess) process = g_new0(PosternInspectorProcess, 1);
    process->listening = process->lifeline[0] = process->lifeline[1] = -1;
    set_arguments(process, configuration_path, extra_arguments);
    process->program = find_program(error);
    if (process->program == NULL || !make_directory(process, error) || !listen_there(process, error) ||
        !start(process, error))
        return NULL;
    return g_steal_pointer(&process);
}

gboolean postern_inspector_process_check_configuration(const char *path, GError **error)
{
    g_autofree char *program = find_program(error);
    g_autofree char *words = NULL;
    int status = 0;
    if (program == NULL)
        return FALSE;
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_strv_builder_add_many(builder, program, "--check-keys", NULL);
    if (path != NULL)
        g_strv_builder_add_many(builder, "--config", path, NULL);
    g_auto(GStrv) arguments = g_strv_builder_end(builder);
    if (!g_spawn_sync(NULL, arguments, NULL, G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL, NULL, &words, &status,
                      error))
        return FALSE;
    if (g_spawn_check_wait_status(status, NULL))
        return TRUE;
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "%s", g_strchomp(words));
}

const char *postern_inspector_process_path(const PosternInspectorProcess *process)
{
    return process->path;
}

GPid postern_inspector_process_pid(const PosternInspectorProcess *process)
{
    return process->process;
}

gboolean postern_inspector_process_give_to(PosternInspectorProcess *process, const char *user, GError **error)
{
    errno = 0;
    const struct passwd *entry = getpwnam(user);
    if (entry == NULL)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "there is no user %s", user);
    if (chown(process->path, entry->pw_uid, entry->pw_gid) != 0 ||
        chown(process->directory->path, entry->pw_uid, entry->pw_gid) != 0)
        return postern_error_set_system(error, errno, "giving %s to user %s", process->directory->path, user);
    return TRUE;
}

gboolean postern_inspector_process_check(PosternInspectorProcess *process, char **ret_text)
{
    int status = 0;
    gboolean over = FALSE;
    g_autofree char *text = NULL;
    if (process->process != 0) {
        GPid ended = waitpid(process->process, &status, WNOHANG);
        if (ended == 0 || (ended < 0 && errno == EINTR))
            return FALSE;
        g_autofree char *how = ended > 0 ? postern_wait_status_describe(status) : g_strdup("unnoticed");
        g_autofree char *what = g_strdup_printf("process %d ended %s", (int)process->process, how);
        process->process = 0;
        over = TRUE;
        text = postern_restart_note_end(&process->restart, what, g_get_monotonic_time());
    }
    if (postern_restart_is_due(&process->restart, g_get_monotonic_time())) {
        g_autoptr(GError) error = NULL;
        if (!start(process, &error)) {
            g_autofree char *why =
                postern_restart_note_end(&process->restart, error->message, g_get_monotonic_time());
            over = TRUE;
            if (text == NULL)
                text = g_steal_pointer(&why);
        }
    }
    if (ret_text != NULL)
        *ret_text = g_steal_pointer(&text);
    return over;
}

static void close_if_open(int descriptor)
{
    if (descriptor >= 0)
        close(descriptor);
}

/* It may run as another user, whom we can send no signal: the lifeline is what ends it. */
static void end_process(PosternInspectorProcess *process)
{
    int descriptor = pidfd_open(process->process, 0);
    struct pollfd ended = {.fd = descriptor, .events = POLLIN};
    close_if_open(process->lifeline[1]);
    process->lifeline[1] = -1;
    gboolean gone = descriptor >= 0 && poll(&ended, 1, POSTERN_INSPECTOR_END_MS) > 0;
    if (gone || kill(process->process, SIGKILL) == 0) {
        while (waitpid(process->process, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    close_if_open(descriptor);
}

void postern_inspector_process_reopen(PosternInspectorProcess *process)
{
    int descriptor = postern_log_descriptor();
    if (process->process != 0 && descriptor >= 0)
        (void)postern_descriptor_send(process->lifeline[1], POSTERN_LIFELINE_LOG, descriptor);
}

void postern_inspector_process_reload(PosternInspectorProcess *process)
{
    if (process->process != 0)
        (void)postern_descriptor_send(process->lifeline[1], POSTERN_LIFELINE_RELOAD, -1);
}

void postern_inspector_process_free(PosternInspectorProcess *process)
{
    if (process == NULL)
        return;
    if (process->process != 0)
        end_process(process);
    close_if_open(process->lifeline[1]);
    close_if_open(process->lifeline[0]);
    close_if_open(process->listening);
    postern_directory_free(process->directory);
    g_clear_pointer(&process->arguments, g_ptr_array_unref);
    g_free(process->program);
    g_free(process->path);
    g_free(process);
}
