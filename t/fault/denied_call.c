/*
 * Enters the sandbox of a worker that inspects, or of one that signs, and makes the one call that is named,
 * or "CALL NUMBER", a call that takes a command, with that command.
 * Exit status 0: the call was allowed and did its work; 3: it came back with an error; death by SIGSYS or
 * SIGXFSZ is what the test looks for.
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/privileges.h"
#include "inspector/sandbox.h"

#define FILE_OCTETS 65536

typedef struct {
    const char *directory;
    const char *outside;
} Places;

static long call_nothing(const Places *places)
{
    (void)places;
    return 0;
}

static long call_socket(const Places *places)
{
    (void)places;
    return socket(AF_INET, SOCK_STREAM, 0);
}

static long call_unix_socket(const Places *places)
{
    (void)places;
    return socket(AF_UNIX, SOCK_STREAM, 0);
}

static long call_connect(const Places *places)
{
    (void)places;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(25)};
    return connect(0, (const struct sockaddr *)&address, sizeof address);
}

static long call_execve(const Places *places)
{
    (void)places;
    char name[] = "true";
    char *const arguments[] = {name, NULL};
    return execve("/bin/true", arguments, NULL);
}

static long call_fork(const Places *places)
{
    (void)places;
    return fork();
}

static long call_kill(const Places *places)
{
    (void)places;
    return kill(getppid(), 0);
}

static long call_ptrace(const Places *places)
{
    (void)places;
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static long call_io_uring(const Places *places)
{
    (void)places;
    char parameters[256] = {0};
    return syscall(SYS_io_uring_setup, 1, parameters);
}

static long call_executable_memory(const Places *places)
{
    (void)places;
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? -1 : 0;
}

static long call_raise_file_size(const Places *places)
{
    (void)places;
    const struct {
        unsigned long soft, hard;
    } limit = {~0UL, ~0UL};
    return syscall(SYS_prlimit64, 0, 1 /* RLIMIT_FSIZE */, &limit, NULL);
}

static long call_rename(const Places *places)
{
    return rename(places->directory, places->outside);
}

static long call_symlink(const Places *places)
{
    return symlink("/etc/passwd", places->outside);
}

static long call_change_mode(const Places *places)
{
    return chmod(places->outside, 0777);
}

/* The one mode that libclamav asks for. */
static long call_pretend_mode(const Places *places)
{
    return chmod(places->directory, 0700) == 0 && chmod(places->outside, 0700) == 0 ? 0 : -1;
}

static long call_change_mode_of_file(const Places *places)
{
    (void)places;
    return fchmod(STDERR_FILENO, 0700);
}

static long call_unshare(const Places *places)
{
    (void)places;
    return syscall(SYS_unshare, 0x10000000 /* CLONE_NEWUSER */);
}

static long call_read_outside(const Places *places)
{
    (void)places;
    return open("/etc/passwd", O_RDONLY);
}

static long call_write_outside(const Places *places)
{
    return open(places->outside, O_WRONLY | O_CREAT, 0600);
}

static int file_inside(const Places *places)
{
    g_autofree char *path = g_build_filename(places->directory, "file", NULL);
    return open(path, O_RDWR | O_CREAT, 0600);
}

static long call_write_inside(const Places *places)
{
    return write(file_inside(places), "x", 1) == 1 ? 0 : -1;
}

static long call_write_much(const Places *places)
{
    char block[4096] = {0};
    int file = file_inside(places);
    for (int i = 0; i <= FILE_OCTETS / 4096; i++)
        if (write(file, block, sizeof block) != sizeof block)
            return -1;
    return 0;
}

static long call_spin(const Places *places)
{
    (void)places;
    postern_sandbox_allow_processor_time(0);
    for (volatile unsigned long i = 0; i < ~0UL; i++) {
    }
    return 0;
}

/* "CALL NUMBER": the call with that command, and arguments that are harmless should it be allowed. */
static long call_with_command(const char *name, long number)
{
    char room[4096] = {0};
    if (strcmp(name, "fcntl") == 0)
        return syscall(SYS_fcntl, 0, number, 0);
    if (strcmp(name, "futex") == 0)
        return syscall(SYS_futex, room, number, 1, NULL, NULL, 0);
    if (strcmp(name, "madvise") == 0)
        return syscall(SYS_madvise, NULL, 0, number);
    if (strcmp(name, "ioctl") == 0)
        return syscall(SYS_ioctl, 0, number, room);
    if (strcmp(name, "prctl") == 0)
        return syscall(SYS_prctl, number, 0, 0, 0, 0);
    if (strcmp(name, "seccomp") == 0)
        return syscall(SYS_seccomp, number, 0, room);
    if (strcmp(name, "clone") == 0)
        return syscall(SYS_clone, number, NULL, NULL, NULL, 0);
    if (strcmp(name, "memfd_create") == 0)
        return syscall(SYS_memfd_create, "x", number);
    if (strcmp(name, "fallocate") == 0)
        return syscall(SYS_fallocate, -1, number, 0, 1);
    if (strcmp(name, "clock_gettime") == 0)
        return syscall(SYS_clock_gettime, number, room);
    if (strcmp(name, "prlimit64") == 0)
        return syscall(SYS_prlimit64, 0, number, room, NULL);
    if (strcmp(name, "prlimit64-of") == 0)
        return syscall(SYS_prlimit64, number, 0, NULL, room);
    if (strcmp(name, "mmap") == 0)
        return syscall(SYS_mmap, NULL, 4096, number, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    _exit(2);
}

static const struct {
    const char *name;
    long (*call)(const Places *places);
} calls[] = {
    {"nothing", call_nothing},
    {"socket", call_socket},
    {"unix-socket", call_unix_socket},
    {"connect", call_connect},
    {"execve", call_execve},
    {"fork", call_fork},
    {"kill", call_kill},
    {"ptrace", call_ptrace},
    {"io_uring", call_io_uring},
    {"executable-memory", call_executable_memory},
    {"raise-file-size", call_raise_file_size},
    {"rename", call_rename},
    {"symlink", call_symlink},
    {"unshare", call_unshare},
    {"change-mode", call_change_mode},
    {"change-mode-of-file", call_change_mode_of_file},
    {"pretend-mode", call_pretend_mode},
    {"read-outside", call_read_outside},
    {"write-outside", call_write_outside},
    {"write-inside", call_write_inside},
    {"write-much", call_write_much},
    {"spin", call_spin},
};

int main(int argc, char **argv)
{
    gboolean signs = argc == 5 && strcmp(argv[4], "signs") == 0;
    if (argc != 4 && !signs) {
        fprintf(stderr, "usage: denied_call CALL DIRECTORY OUTSIDE [signs]\n");
        return 2;
    }
    const Places places = {.directory = argv[2], .outside = argv[3]};
    const PosternSandboxOptions options = {
        .directory = signs ? NULL : places.directory, .memory_octets = 64 << 20, .file_octets = FILE_OCTETS};
    gboolean confined = FALSE;
    g_autoptr(GError) error = NULL;
    if (!postern_privileges_drop("nobody", &error) || !postern_sandbox_enter(&options, &confined, &error)) {
        fprintf(stderr, "denied_call: %s\n", error->message);
        return 2;
    }
    const char *number = strchr(argv[1], ' ');
    if (number != NULL) {
        g_autofree char *name = g_strndup(argv[1], (gsize)(number - argv[1]));
        _exit(call_with_command(name, g_ascii_strtoll(number + 1, NULL, 0)) < 0 ? 3 : 0);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++)
        if (strcmp(calls[i].name, argv[1]) == 0)
            _exit(calls[i].call(&places) < 0 ? 3 : 0);
    _exit(2);
}
