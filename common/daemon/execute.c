#include "daemon/execute.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

#define FIRST_DESCRIPTOR 3
#define DESCRIPTORS_MAX 8

char *postern_program_directory(GError **error)
{
    g_autofree char *program = g_file_read_link("/proc/self/exe", error);
    return program != NULL ? g_path_get_dirname(program) : NULL;
}

char *postern_wait_status_describe(int status)
{
    if (WIFSIGNALED(status))
        return g_strdup_printf("by signal %d (%s)", WTERMSIG(status), g_strsignal(WTERMSIG(status)));
    return g_strdup_printf("with status %d", WEXITSTATUS(status));
}

static int set_signals(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int number = posix_spawnattr_setsigmask(attributes, &none);
    if (number == 0)
        number = posix_spawnattr_setsigdefault(attributes, &all);
    if (number == 0)
        number = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return number;
}

/* The descriptors stand above all their final places, so that none is overwritten before its turn. */
static int set_descriptors(posix_spawn_file_actions_t *actions, const int *high, guint count)
{
    int number = posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (number == 0)
        number = posix_spawn_file_actions_adddup2(actions, STDERR_FILENO, STDOUT_FILENO);
    for (guint i = 0; i < count && number == 0; i++)
        number = posix_spawn_file_actions_adddup2(actions, high[i], FIRST_DESCRIPTOR + (int)i);
    if (number == 0)
        number = posix_spawn_file_actions_addclosefrom_np(actions, FIRST_DESCRIPTOR + (int)count);
    return number;
}

static int start(GPid *ret_process, const char *program, char *const *arguments, const int *high, guint count)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int number = posix_spawn_file_actions_init(&actions);
    if (number != 0)
        return number;
    number = posix_spawnattr_init(&attributes);
    if (number == 0) {
        number = set_signals(&attributes);
        if (number == 0)
            number = set_descriptors(&actions, high, count);
        if (number == 0)
            number = posix_spawn(ret_process, program, &actions, &attributes, arguments, environ);
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&actions);
    return number;
}

GPid postern_execute(const char *program, char *const *arguments, const int *descriptors, guint count,
                     GError **error)
{
    int high[DESCRIPTORS_MAX] = {0};
    guint copied = 0;
    int number = 0;
    GPid process = -1;
    g_return_val_if_fail(count <= DESCRIPTORS_MAX, -1);
    while (copied < count && number == 0) {
        high[copied] = fcntl(descriptors[copied], F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR + DESCRIPTORS_MAX);
        if (high[copied] < 0)
            number = errno;
        else
            copied++;
    }
    if (number == 0)
        number = start(&process, program, arguments, high, count);
    while (copied > 0)
        close(high[--copied]);
    if (number != 0) {
        postern_error_set_system(error, number, "starting %s", program);
        return -1;
    }
    return process;
}
