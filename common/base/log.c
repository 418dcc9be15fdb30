#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
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

typedef enum {
    FORM_STAMPED, /* time stamp first: stderr of a terminal, or a file */
    FORM_JOURNAL, /* <N> first: sd-daemon(3) */
    FORM_SYSLOG,
} Form;

/* A log is the process's, as its descriptors are. All but level is set before threads exist. */
typedef struct {
    const char *program;
    char *path; /* a file's, else NULL */
    Form form;
    int descriptor;
    gint level; /* atomic */
} Log;

static const struct {
    const char *name;
    int priority;
} levels[] = {
    [POSTERN_LOG_ERROR] = {"error", LOG_ERR},      [POSTERN_LOG_WARNING] = {"warning", LOG_WARNING},
    [POSTERN_LOG_NOTICE] = {"notice", LOG_NOTICE}, [POSTERN_LOG_INFO] = {"info", LOG_INFO},
    [POSTERN_LOG_DEBUG] = {"debug", LOG_DEBUG},
};

static Log *the_log(void)
{
    static Log log = {
        .program = "postern", .form = FORM_STAMPED, .descriptor = STDERR_FILENO, .level = POSTERN_LOG_NOTICE};
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

static int open_file(const char *path, GError **error)
{
    int descriptor = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    if (descriptor < 0)
        postern_error_set_system(error, errno, "cannot open the log file %s (see [log] destination)", path);
    return descriptor;
}

static void close_destination(Log *log)
{
    if (log->path != NULL)
        close(log->descriptor);
    if (log->form == FORM_SYSLOG)
        closelog();
    g_clear_pointer(&log->path, g_free);
}

gboolean postern_log_open(const char *program, const char *destination, PosternLogLevel level, GError **error)
{
    Log *log = the_log();
    int descriptor = STDERR_FILENO;
    Form form = FORM_STAMPED;
    gboolean is_file = g_path_is_absolute(destination);

    if (is_file) {
        descriptor = open_file(destination, error);
        if (descriptor < 0)
            return FALSE;
    } else if (strcmp(destination, "syslog") == 0) {
        form = FORM_SYSLOG;
    } else if (strcmp(destination, "stderr") == 0) {
        form = is_journal(STDERR_FILENO) ? FORM_JOURNAL : FORM_STAMPED;
    } else {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_USAGE,
                    "'%s' is no log destination: use stderr, syslog or the absolute path of a file",
                    destination);
        return FALSE;
    }

    close_destination(log);
    *log = (Log){.program = program, .form = form, .descriptor = descriptor};
    log->path = is_file ? g_strdup(destination) : NULL;
    if (form == FORM_SYSLOG)
        openlog(program, LOG_PID | LOG_NDELAY, LOG_MAIL);
    /* The time zone is a file; it may be out of reach once privileges are given up. */
    tzset();
    postern_log_set_level(level);
    return TRUE;
}

int postern_log_descriptor(void)
{
    const Log *log = the_log();
    return log->path != NULL ? log->descriptor : -1;
}

gboolean postern_log_reopen(GError **error)
{
    Log *log = the_log();
    if (log->path == NULL)
        return TRUE;
    int descriptor = open_file(log->path, error);
    if (descriptor < 0)
        return FALSE;
    /* Onto the old number, so that threads in the middle of a line need no lock. */
    gboolean moved = dup3(descriptor, log->descriptor, O_CLOEXEC) >= 0;
    int number = errno;
    close(descriptor);
    return moved || postern_error_set_system(error, number, "cannot reopen the log file %s", log->path);
}

void postern_log_set_level(PosternLogLevel level)
{
    g_atomic_int_set(&the_log()->level, (gint)MIN(level, POSTERN_LOG_DEBUG));
}

gboolean postern_log_enabled(PosternLogLevel level)
{
    return (gint)level <= g_atomic_int_get(&the_log()->level);
}

static gsize format_stamp(char *out, gsize room)
{
    struct timespec now;
    struct tm local;
    char date[32], offset[8];

    clock_gettime(CLOCK_REALTIME, &now);
    if (localtime_r(&now.tv_sec, &local) == NULL ||
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &local) == 0 ||
        strftime(offset, sizeof offset, "%z", &local) != 5)
        return 0;
    /* %z is +hhmm; RFC 3339 has a colon in it. */
    return (gsize)g_snprintf(out, room, "%s.%03ld%.3s:%s ", date, now.tv_nsec / 1000000, offset, offset + 3);
}

static gsize format_prefix(const Log *log, PosternLogLevel level, char *out, gsize room)
{
    gsize length = 0;
    if (log->form == FORM_SYSLOG)
        return 0;
    if (log->form == FORM_JOURNAL)
        length = (gsize)g_snprintf(out, room, "<%d>%.64s: ", levels[level].priority, log->program);
    else {
        length = format_stamp(out, room);
        length += (gsize)g_snprintf(out + length, room - length, "%.64s[%d]: %s: ", log->program,
                                    (int)getpid(), levels[level].name);
    }
    return MIN(length, room - 1);
}

/* Nothing but printable ASCII leaves: the last guard, for callers who forgot to escape. */
static gsize append_safely(char *out, gsize used, gsize room, const char *text)
{
    static const char more[] = "...";

    gsize last = room - (sizeof more - 1);
    for (; *text != '\0'; text++) {
        guchar octet = (guchar)*text;
        gboolean printable = octet >= 0x20 && octet <= 0x7e;
        gsize need = printable ? 1 : 4;
        if (used + need > last) {
            memcpy(out + used, more, sizeof more - 1);
            return used + sizeof more - 1;
        }
        if (printable)
            out[used] = (char)octet;
        else {
            char hexadecimal[5];
            g_snprintf(hexadecimal, sizeof hexadecimal, "\\x%02x", octet);
            memcpy(out + used, hexadecimal, 4);
        }
        used += need;
    }
    return used;
}

static void write_line(PosternLogLevel level, const char *text)
{
    const Log *log = the_log();
    char line[POSTERN_LOG_LINE_MAX_OCTETS];
    int number = errno;

    /* The whole line fits into PIPE_BUF, so lines of threads and processes never mix in a pipe either. */
    gsize used = format_prefix(log, level, line, sizeof line);
    used = append_safely(line, used, sizeof line - 1, text);
    if (log->form == FORM_SYSLOG) {
        syslog(levels[level].priority, "%.*s", (int)used, line);
    } else {
        line[used++] = '\n';
        while (write(log->descriptor, line, used) < 0 && errno == EINTR)
            ;
    }
    errno = number;
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
    if (length >= 0)
        write_line(level, text);
}
