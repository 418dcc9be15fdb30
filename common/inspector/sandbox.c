#include "inspector/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/privileges.h"

/* Not fewer: the kernel holds the descriptors that are on their way between all processes of a user against
 * the limit of the one that sends (ETOOMANYREFS). */
#define DESCRIPTORS_MAX 8192
#define OOM_SCORE "900"

/*
 * What libclamav, GMime, libopendkim, GLib and we ourselves were seen to need over all kinds of mail, and the
 * near relations of those calls that another version of a library may take instead.
 */
static const int allowed_calls[] = {
    /* the socket, and the memfds of requests and responses; no socket can be made */
    SCMP_SYS(recvmsg),
    SCMP_SYS(poll),
    SCMP_SYS(sendmsg),
    SCMP_SYS(fstatfs),
    /* descriptors; fstat() of the C library is newfstatat */
    SCMP_SYS(close),
    SCMP_SYS(dup),
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(preadv),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(pwrite64),
    SCMP_SYS(lseek),
    SCMP_SYS(ftruncate),
    SCMP_SYS(fstat),
    SCMP_SYS(newfstatat),
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    /* the process itself */
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(times),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getrusage),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/* Of a worker that has a directory. */
static const int file_calls[] = {
    SCMP_SYS(openat),   SCMP_SYS(open),    SCMP_SYS(stat),       SCMP_SYS(lstat),
    SCMP_SYS(statx),    SCMP_SYS(statfs),  SCMP_SYS(access),     SCMP_SYS(faccessat),
    SCMP_SYS(mkdir),    SCMP_SYS(mkdirat), SCMP_SYS(rmdir),      SCMP_SYS(unlink),
    SCMP_SYS(unlinkat), SCMP_SYS(umask),   SCMP_SYS(getdents64), SCMP_SYS(getcwd),
};

/*
 * A call that does many things is allowed for those that are needed, and kills for all else: fcntl() alone
 * can have the kernel send any signal to another process of the same user (F_SETOWN with F_SETSIG,
 * F_SETLEASE, F_NOTIFY), and futex() and madvise() lead into parts of the kernel that no library here asks
 * for. An argument must be one of the numbers that stand here for it, in the bits of mask.
 */
#define EVERY_BIT (~(scmp_datum_t)0)
#define PROTECTION_BITS ((scmp_datum_t)PROT_EXEC)
#define FUTEX_COMMAND_BITS (~(scmp_datum_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME))

static const struct {
    int call;
    guint argument;
    scmp_datum_t mask;
    scmp_datum_t value;
} guarded_calls[] = {
    {SCMP_SYS(fcntl), 1, EVERY_BIT, F_DUPFD},
    {SCMP_SYS(fcntl), 1, EVERY_BIT, F_DUPFD_CLOEXEC},
    {SCMP_SYS(fcntl), 1, EVERY_BIT, F_GETFD},
    {SCMP_SYS(fcntl), 1, EVERY_BIT, F_SETFD},
    {SCMP_SYS(fcntl), 1, EVERY_BIT, F_GETFL},
    {SCMP_SYS(fcntl), 1, EVERY_BIT, F_GET_SEALS},
    {SCMP_SYS(fcntl), 1, EVERY_BIT, F_ADD_SEALS},
    {SCMP_SYS(futex), 1, FUTEX_COMMAND_BITS, FUTEX_WAIT},
    {SCMP_SYS(futex), 1, FUTEX_COMMAND_BITS, FUTEX_WAKE},
    {SCMP_SYS(futex), 1, FUTEX_COMMAND_BITS, FUTEX_WAIT_BITSET},
    {SCMP_SYS(futex), 1, FUTEX_COMMAND_BITS, FUTEX_WAKE_BITSET},
    {SCMP_SYS(madvise), 2, EVERY_BIT, MADV_NORMAL},
    {SCMP_SYS(madvise), 2, EVERY_BIT, MADV_RANDOM},
    {SCMP_SYS(madvise), 2, EVERY_BIT, MADV_SEQUENTIAL},
    {SCMP_SYS(madvise), 2, EVERY_BIT, MADV_WILLNEED},
    {SCMP_SYS(madvise), 2, EVERY_BIT, MADV_DONTNEED},
    {SCMP_SYS(madvise), 2, EVERY_BIT, MADV_FREE},
    {SCMP_SYS(madvise), 2, EVERY_BIT, MADV_HUGEPAGE},
    {SCMP_SYS(madvise), 2, EVERY_BIT, MADV_NOHUGEPAGE},
#ifdef POSTERN_SANITIZED
    {SCMP_SYS(madvise), 2, EVERY_BIT, MADV_DONTDUMP}, /* of large allocations, such as those of libbz2 */
#endif
    /* nothing that can be executed */
    {SCMP_SYS(mmap), 2, PROTECTION_BITS, 0},
    {SCMP_SYS(mprotect), 2, PROTECTION_BITS, 0},
    {SCMP_SYS(memfd_create), 1, EVERY_BIT, MFD_CLOEXEC | MFD_ALLOW_SEALING},
    {SCMP_SYS(memfd_create), 1, EVERY_BIT, MFD_CLOEXEC},
    {SCMP_SYS(fallocate), 1, EVERY_BIT, 0},
    /* negative ones are those of other processes */
    {SCMP_SYS(clock_gettime), 0, EVERY_BIT, CLOCK_REALTIME},
    {SCMP_SYS(clock_gettime), 0, EVERY_BIT, CLOCK_MONOTONIC},
    {SCMP_SYS(clock_gettime), 0, EVERY_BIT, CLOCK_PROCESS_CPUTIME_ID},
    {SCMP_SYS(clock_gettime), 0, EVERY_BIT, CLOCK_THREAD_CPUTIME_ID},
    {SCMP_SYS(clock_gettime), 0, EVERY_BIT, CLOCK_MONOTONIC_RAW},
    {SCMP_SYS(clock_gettime), 0, EVERY_BIT, CLOCK_REALTIME_COARSE},
    {SCMP_SYS(clock_gettime), 0, EVERY_BIT, CLOCK_MONOTONIC_COARSE},
    {SCMP_SYS(clock_gettime), 0, EVERY_BIT, CLOCK_BOOTTIME},
};

#ifdef POSTERN_SANITIZED
static const int sanitizer_calls[] = {
    SCMP_SYS(mmap),         SCMP_SYS(mprotect),  SCMP_SYS(sched_yield),     SCMP_SYS(sigaltstack),
    SCMP_SYS(rt_sigaction), SCMP_SYS(readlink),  SCMP_SYS(tgkill),          SCMP_SYS(getuid),
    SCMP_SYS(uname),        SCMP_SYS(nanosleep), SCMP_SYS(clock_nanosleep), SCMP_SYS(prctl),
    SCMP_SYS(ioctl),
};
#endif

static gboolean allow_calls(scmp_filter_ctx filter, const int *calls, gsize count)
{
    for (gsize i = 0; i < count; i++) {
        /* A name that this architecture lacks has a negative number. */
        if (calls[i] >= 0 && seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0) != 0)
            return FALSE;
    }
    return TRUE;
}

/* Limits may be read, but only that of processor time set, and only our own. */
static gboolean allow_guarded_calls(scmp_filter_ctx filter)
{
    for (gsize i = 0; i < G_N_ELEMENTS(guarded_calls); i++) {
        struct scmp_arg_cmp condition = {.arg = guarded_calls[i].argument,
                                         .op = SCMP_CMP_MASKED_EQ,
                                         .datum_a = guarded_calls[i].mask,
                                         .datum_b = guarded_calls[i].value};
        if (seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, guarded_calls[i].call, 1, &condition) != 0)
            return FALSE;
    }
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0),
                            SCMP_A2(SCMP_CMP_EQ, 0)) == 0 &&
           seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, SCMP_A0(SCMP_CMP_EQ, 0),
                            SCMP_A1(SCMP_CMP_EQ, RLIMIT_CPU)) == 0;
}

/*
 * libclamav gives each folder that it removes the mode which it was made with. That is told to have been
 * done, and no mode is ever changed: Landlock does not keep it to the directory, and the socket and the
 * directories of other workers belong to the same user.
 */
static gboolean pretend_to_change_modes(scmp_filter_ctx filter)
{
    const int chmod_call = SCMP_SYS(chmod);
    return (chmod_call < 0 ||
            seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), chmod_call, 1, SCMP_A1(SCMP_CMP_EQ, S_IRWXU)) == 0) &&
           seccomp_rule_add(filter, SCMP_ACT_ERRNO(0), SCMP_SYS(fchmodat), 1,
                            SCMP_A2(SCMP_CMP_EQ, S_IRWXU)) == 0;
}

static gboolean filter_calls(const PosternSandboxOptions *options, GError **error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    int number = ENOMEM;
    if (filter != NULL && allow_calls(filter, allowed_calls, G_N_ELEMENTS(allowed_calls)) &&
        (options->directory == NULL ||
         (allow_calls(filter, file_calls, G_N_ELEMENTS(file_calls)) && pretend_to_change_modes(filter))) &&
#ifdef POSTERN_SANITIZED
        allow_calls(filter, sanitizer_calls, G_N_ELEMENTS(sanitizer_calls)) &&
#endif
        allow_guarded_calls(filter)) {
        number = -seccomp_load(filter);
    }
    if (filter != NULL)
        seccomp_release(filter);
    return number == 0 || postern_error_set_system(error, number, "filtering system calls");
}

static gboolean set_limit(__rlimit_resource_t resource, guint64 soft, guint64 hard)
{
    struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
    return setrlimit(resource, &limit) == 0;
}

#ifndef POSTERN_SANITIZED
/* Octets of address space in use. */
static gboolean mapped_octets(guint64 *ret_octets)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/self/statm", &text, NULL, NULL))
        return FALSE;
    *ret_octets = g_ascii_strtoull(text, NULL, 10) * (guint64)sysconf(_SC_PAGESIZE);
    return *ret_octets > 0;
}
#endif

static gboolean limit_descriptors(void)
{
    struct rlimit present;
    if (getrlimit(RLIMIT_NOFILE, &present) != 0)
        return FALSE;
    rlim_t wanted = MIN(DESCRIPTORS_MAX, present.rlim_max);
    return set_limit(RLIMIT_NOFILE, wanted, wanted);
}

static gboolean limit_resources(const PosternSandboxOptions *options, GError **error)
{
    gboolean set = set_limit(RLIMIT_FSIZE, options->file_octets, options->file_octets) &&
                   limit_descriptors() && set_limit(RLIMIT_CORE, 0, 0) && set_limit(RLIMIT_NPROC, 0, 0) &&
                   set_limit(RLIMIT_MEMLOCK, 0, 0) && set_limit(RLIMIT_MSGQUEUE, 0, 0);
#ifndef POSTERN_SANITIZED
    guint64 mapped = 0;
    set = set && mapped_octets(&mapped) &&
          set_limit(RLIMIT_AS, mapped + options->memory_octets, mapped + options->memory_octets);
#endif
    return set || postern_error_set_system(error, errno, "limiting the resources of a worker");
}

/* The kernel takes a worker before anybody else when memory runs out; if it may not be said, no harm. */
static void offer_to_the_oom_killer(void)
{
    int descriptor = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (descriptor >= 0) {
        gssize written = write(descriptor, OOM_SCORE, sizeof OOM_SCORE - 1);
        (void)written;
        close(descriptor);
    }
}

gboolean postern_sandbox_allow_processor_time(guint seconds)
{
    struct rusage used;
    struct rlimit present;
    if (getrusage(RUSAGE_SELF, &used) != 0 || getrlimit(RLIMIT_CPU, &present) != 0)
        return FALSE;
    rlim_t limit = (rlim_t)used.ru_utime.tv_sec + (rlim_t)used.ru_stime.tv_sec + seconds + 1;
    return set_limit(RLIMIT_CPU, MIN(limit, present.rlim_max), present.rlim_max);
}

gboolean postern_sandbox_enter(const PosternSandboxOptions *options, gboolean *ret_confined, GError **error)
{
    const char *const directories[] = {options->directory, NULL};
    const PosternPrivilegesPaths paths = {.read_write = directories};
    offer_to_the_oom_killer();
    umask(077);
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return postern_error_set_system(error, errno, "refusing to be traced");
    return limit_resources(options, error) && postern_privileges_confine(&paths, ret_confined, error) &&
           filter_calls(options, error);
}
