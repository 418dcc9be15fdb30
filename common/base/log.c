#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log_file.h"
#include "base/log_form.h"
#include "base/log_repeat.h"
#include "base/log_writer.h"
#include "base/privileges.h"

#define ROOM_MS 1000
#define NATIVE 0x100 /* beside a level: the line is a text, for journald itself */

/* A log is the process's, as its descriptors are. What is not atomic is set before threads exist. */
typedef struct {
    const char *program;
    char *path; /* a file's, else NULL */
    PosternLogForm form;
    gboolean native; /* the journal is told by its own protocol */
    gboolean json;
    int descriptor;
    gint level;               /* atomic */
    gint torn;                /* atomic: the last line could not be written to its end */
    gint problem;             /* atomic: errno of the last line that could not be written; 0: there is none */
    PosternLogWriter *writer; /* atomic; NULL: lines are written by who says them */
    PosternLogRepeats *repeats;
    pthread_mutex_t repeats_lock;
    gboolean watches_forks;
    struct sigaction before[NSIG]; /* of the signals of a crash */
} Log;

static Log *the_log(void)
{
    static Log log = {.program = "postern",
                      .form = POSTERN_LOG_FORM_STAMPED,
                      .descriptor = STDERR_FILENO,
                      .level = POSTERN_LOG_NOTICE};
    return &log;
}

/* systemd.exec(5): $JOURNAL_STREAM is DEVICE:INODE, and is inherited by what has another stderr too. */
static gboolean is_journal(int descriptor)
{
    const char *stream = g_getenv("JOURNAL_STREAM");
    struct stat status;
    if (stream == NULL || fstat(descriptor, &status) < 0)
        return FALSE;
    g_autofree char *own = g_strdup_printf("%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT, (guint64)status.st_dev,
                                           (guint64)status.st_ino);
    return strcmp(own, stream) == 0;
}

static void close_destination(Log *log)
{
    if (log->path != NULL)
        close(log->descriptor);
    if (log->form == POSTERN_LOG_FORM_SYSLOG)
        closelog();
    g_clear_pointer(&log->path, g_free);
}

/* path (taken) and descriptor: a file's, or what stands for one, else NULL and standard error. */
static void take_destination(const char *program, PosternLogForm form, int descriptor, char *path)
{
    Log *log = the_log();
    close_destination(log);
    log->program = program;
    log->form = form;
    log->native = form == POSTERN_LOG_FORM_JOURNAL && !log->json && postern_log_journal_is_there();
    log->descriptor = descriptor;
    log->path = path;
    if (form == POSTERN_LOG_FORM_SYSLOG)
        openlog(program, LOG_PID | LOG_NDELAY, LOG_MAIL);
    /* The time zone is a file; it may be out of reach once privileges are given up. */
    tzset();
}

gboolean postern_log_open(const char *program, const char *destination, PosternLogLevel level, GError **error)
{
    int descriptor = STDERR_FILENO;
    PosternLogForm form = POSTERN_LOG_FORM_STAMPED;
    gboolean is_file = g_path_is_absolute(destination);

    if (is_file) {
        descriptor = postern_log_file_open(destination, error);
        if (descriptor < 0)
            return FALSE;
    } else if (strcmp(destination, "syslog") == 0) {
        form = POSTERN_LOG_FORM_SYSLOG;
    } else if (strcmp(destination, "stderr") == 0) {
        form = is_journal(STDERR_FILENO) ? POSTERN_LOG_FORM_JOURNAL : POSTERN_LOG_FORM_STAMPED;
    } else {
        return postern_error_set(
            error, POSTERN_ERROR_USAGE,
            "'%s' is no log destination: use stderr, syslog or the absolute path of a file", destination);
    }
    take_destination(program, form, descriptor, is_file ? g_strdup(destination) : NULL);
    postern_log_set_level(level);
    return TRUE;
}

gboolean postern_log_open_descriptor(const char *program, int descriptor, PosternLogLevel level,
                                     GError **error)
{
    struct stat status;
    if (fstat(descriptor, &status) != 0 || fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0)
        return postern_error_set_system(error, errno, "no log can be written to descriptor %d", descriptor);
    PosternLogForm form = is_journal(descriptor) ? POSTERN_LOG_FORM_JOURNAL : POSTERN_LOG_FORM_STAMPED;
    take_destination(program, form, descriptor, NULL);
    postern_log_set_level(level);
    return TRUE;
}

int postern_log_descriptor(void)
{
    const Log *log = the_log();
    return log->form != POSTERN_LOG_FORM_SYSLOG ? log->descriptor : -1;
}

gboolean postern_log_give(const char *user, GError **error)
{
    const Log *log = the_log();
    struct stat status;
    uid_t uid = 0;
    /* lstat: what a link points to stays whose it is. */
    if (geteuid() != 0 || log->path == NULL || lstat(log->path, &status) != 0 || !S_ISREG(status.st_mode))
        return TRUE;
    if (!postern_privileges_user_id(user, &uid, error))
        return FALSE;
    return fchown(log->descriptor, uid, (gid_t)-1) == 0 ||
           postern_error_set_system(error, errno, "cannot give the log file %s to the user '%s'", log->path,
                                    user);
}

gboolean postern_log_adopt(int descriptor, GError **error)
{
    Log *log = the_log();
    /* Onto the old number, so that threads in the middle of a line need no lock. */
    gboolean moved = log->descriptor == STDERR_FILENO || dup3(descriptor, log->descriptor, O_CLOEXEC) >= 0;
    int number = errno;
    close(descriptor);
    return moved || postern_error_set_system(error, number, "cannot take over a log file");
}

gboolean postern_log_reopen(GError **error)
{
    const Log *log = the_log();
    if (log->path == NULL)
        return TRUE;
    int descriptor = postern_log_file_open(log->path, error);
    return descriptor >= 0 && postern_log_adopt(descriptor, error);
}

void postern_log_set_json(gboolean json)
{
    the_log()->json = json;
}

void postern_log_set_level(PosternLogLevel level)
{
    g_atomic_int_set(&the_log()->level, (gint)MIN(level, POSTERN_LOG_DEBUG));
}

gboolean postern_log_enabled(PosternLogLevel level)
{
    return (gint)level <= g_atomic_int_get(&the_log()->level);
}

/* A descriptor that somebody else has made non-blocking is waited for, by the writer without end. */
static gboolean wait_for_room(int descriptor)
{
    struct pollfd room = {.fd = descriptor, .events = POLLOUT};
    gboolean patient = g_atomic_pointer_get(&the_log()->writer) != NULL;
    return poll(&room, 1, patient ? -1 : ROOM_MS) == 1;
}

static gboolean write_octets(Log *log, const char *octets, gsize length)
{
    gsize written = 0;
    while (written < length) {
        gssize count = write(log->descriptor, octets + written, length - written);
        if (count > 0)
            written += (gsize)count;
        else if (count == 0 || (errno != EINTR && !(errno == EAGAIN && wait_for_room(log->descriptor))))
            break;
    }
    if (written < length)
        g_atomic_int_set(&log->problem, errno);
    g_atomic_int_set(&log->torn, written > 0 && written < length);
    return written == length;
}

/* A finished line, without its newline. FALSE: it is lost. */
static gboolean write_finished(int level, const char *line)
{
    Log *log = the_log();
    char octets[POSTERN_LOG_LINE_MAX_OCTETS + 2];
    if (log->form == POSTERN_LOG_FORM_SYSLOG) {
        syslog(postern_log_priority((PosternLogLevel)level), "%s", line);
        return TRUE;
    }
    if ((level & NATIVE) != 0) {
        level -= NATIVE;
        if (postern_log_journal_send(log->program, (PosternLogLevel)level, line))
            return TRUE;
        char formed[POSTERN_LOG_LINE_MAX_OCTETS];
        postern_log_form_line(formed, log->form, FALSE, log->program, (PosternLogLevel)level, line);
        return write_finished(level, formed);
    }
    /* All in one write, and it fits into PIPE_BUF: lines of threads and processes never mix in a pipe. */
    gsize used = 0;
    if (g_atomic_int_get(&log->torn))
        octets[used++] = '\n';
    gsize length = strnlen(line, POSTERN_LOG_LINE_MAX_OCTETS - 1);
    memcpy(octets + used, line, length);
    used += length;
    octets[used++] = '\n';
    return write_octets(log, octets, used);
}

static void finish_line(char line[POSTERN_LOG_LINE_MAX_OCTETS], PosternLogLevel level, const char *text)
{
    const Log *log = the_log();
    postern_log_form_line(line, log->form, log->json, log->program, level, text);
}

static void write_line(PosternLogLevel level, const char *text)
{
    Log *log = the_log();
    PosternLogWriter *writer = g_atomic_pointer_get(&log->writer);
    char line[POSTERN_LOG_LINE_MAX_OCTETS];
    int number = errno;
    if (writer != NULL && log->native) {
        postern_log_form_line(line, POSTERN_LOG_FORM_SYSLOG, FALSE, NULL, level, text);
        (void)postern_log_writer_put(writer, (int)level | NATIVE, line);
        errno = number;
        return;
    }
    finish_line(line, level, text);
    if (writer != NULL)
        (void)postern_log_writer_put(writer, (int)level, line);
    else
        (void)write_finished((int)level, line);
    errno = number;
}

/* FALSE: a line with this key is only counted. */
static gboolean admit(const char *key)
{
    Log *log = the_log();
    if (g_atomic_pointer_get(&log->writer) == NULL)
        return TRUE; /* nobody would tell the count */
    pthread_mutex_lock(&log->repeats_lock);
    gboolean admitted = postern_log_repeats_admit(log->repeats, key, g_get_monotonic_time() / 1000);
    pthread_mutex_unlock(&log->repeats_lock);
    return admitted;
}

void postern_log(PosternLogLevel level, const char *format, ...)
{
    char text[POSTERN_LOG_LINE_MAX_OCTETS];
    va_list arguments;

    if (!postern_log_enabled(level))
        return;
    va_start(arguments, format);
    int length = g_vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    /* Complaints come again and again; each notice and each step is news. */
    if (length >= 0 && (level > POSTERN_LOG_WARNING || admit(text)))
        write_line(level, text);
}

void postern_log_unless_repeated(PosternLogLevel level, const char *key, const char *text)
{
    if (postern_log_enabled(level) && admit(key))
        write_line(level, text);
}

void postern_log_state(const char *what, const char *id, const char *from, const char *to)
{
    if (from != to && postern_log_enabled(POSTERN_LOG_DEBUG))
        postern_log(POSTERN_LOG_DEBUG, "%s %s: %s -> %s", what, id, from, to);
}

void postern_log_numbered_state(const char *what, guint64 number, const char *from, const char *to)
{
    if (from != to && postern_log_enabled(POSTERN_LOG_DEBUG))
        postern_log(POSTERN_LOG_DEBUG, "%s %" G_GUINT64_FORMAT ": %s -> %s", what, number, from, to);
}

static char *tell_dropped(guint64 count)
{
    char *line = g_malloc(POSTERN_LOG_LINE_MAX_OCTETS);
    gint problem = g_atomic_int_get(&the_log()->problem);
    g_atomic_int_set(&the_log()->problem, 0);
    g_autofree char *text =
        g_strdup_printf("%" G_GUINT64_FORMAT " lines of this log were lost: %s", count,
                        problem != 0 ? g_strerror(problem) : "what takes it was too slow");
    finish_line(line, POSTERN_LOG_WARNING, text);
    return line;
}

static void tell_repeats(gint64 now)
{
    Log *log = the_log();
    for (;;) {
        guint64 count = 0;
        pthread_mutex_lock(&log->repeats_lock);
        g_autofree char *key = postern_log_repeats_next(log->repeats, now, &count);
        pthread_mutex_unlock(&log->repeats_lock);
        if (key == NULL)
            return;
        PosternLogLine *line = postern_log_line_new("repeated");
        postern_log_line_add_number(line, "times", (gint64)count);
        postern_log_line_add_number(line, "seconds", POSTERN_LOG_REPEAT_WINDOW_SECONDS);
        postern_log_line_add(line, "line", key);
        write_line(POSTERN_LOG_INFO, postern_log_line_text(line));
        postern_log_line_free(line);
    }
}

/* Before a fork, and after it in the parent. */
static void hold_writer(void)
{
    PosternLogWriter *writer = g_atomic_pointer_get(&the_log()->writer);
    if (writer != NULL)
        (void)postern_log_writer_hold(writer, POSTERN_LOG_FINISH_MS);
}

static void release_writer(void)
{
    PosternLogWriter *writer = g_atomic_pointer_get(&the_log()->writer);
    if (writer != NULL)
        postern_log_writer_release(writer);
}

/* A process that was forked has no writer, and nobody in it can let go of its parent's lock. */
static void forget_writer(void)
{
    Log *log = the_log();
    g_atomic_pointer_set(&log->writer, NULL);
    log->repeats = NULL;
}

#ifndef POSTERN_SANITIZED /* whose report is worth more */
/* A thread crashes: what waits gets out, by the log's own thread, before the process ends. Nothing here may
 * lock or allocate: the crash may have happened inside either. */
static void on_crash(int number)
{
    Log *log = the_log();
    const struct timespec pause = {.tv_nsec = 5 * 1000 * 1000};
    PosternLogWriter *writer = g_atomic_pointer_get(&log->writer);
    for (guint waited = 0;
         writer != NULL && waited < POSTERN_LOG_FINISH_MS && postern_log_writer_is_behind(writer);
         waited += 5)
        nanosleep(&pause, NULL);
    sigaction(number, &log->before[number], NULL);
    raise(number); /* on return from here */
}

static void watch_crashes(Log *log)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    struct sigaction action = {.sa_handler = on_crash};
    sigemptyset(&action.sa_mask);
    for (gsize i = 0; i < G_N_ELEMENTS(numbers); i++)
        sigaction(numbers[i], &action, &log->before[numbers[i]]);
}
#endif

void postern_log_start(void)
{
    static const PosternLogWriterCalls calls = {
        .write = write_finished,
        .dropped_priority = POSTERN_LOG_WARNING,
        .dropped = tell_dropped,
        .tick = tell_repeats,
    };
    Log *log = the_log();
    if (log->repeats == NULL) {
        pthread_mutex_init(&log->repeats_lock, NULL);
        log->repeats = postern_log_repeats_new();
    }
#ifndef POSTERN_SANITIZED
    if (!log->watches_forks)
        watch_crashes(log);
#endif
    if (!log->watches_forks)
        log->watches_forks = pthread_atfork(hold_writer, release_writer, forget_writer) == 0;
    if (log->writer == NULL)
        g_atomic_pointer_set(&log->writer, postern_log_writer_new(&calls));
}

void postern_log_finish(void)
{
    Log *log = the_log();
    PosternLogWriter *writer = g_atomic_pointer_get(&log->writer);
    if (writer == NULL)
        return;
    /* If the reader still stalls, what is said from now on is lost too. */
    if (postern_log_writer_finish(writer, POSTERN_LOG_FINISH_MS))
        g_atomic_pointer_set(&log->writer, NULL);
}
