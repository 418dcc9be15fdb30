/*
 * A thread that writes lines, so that a reader who stalls (a pipe, the journal, a full disk) stops nobody but
 * it. What does not fit into its queue is dropped and counted, and the count is told as soon as a line gets
 * out again. GLib's and journald's own functions write in the caller's thread.
 */
#pragma once

#include <glib.h>

typedef struct {
    /* Writes a line, as long as it takes. FALSE: it is lost. In the thread. */
    gboolean (*write)(int priority, const char *line);
    int dropped_priority;
    /* The line (freed by the writer) that tells how many lines were dropped. In the thread. */
    char *(*dropped)(guint64 count);
    /*
     * Called at most each POSTERN_LOG_TICK_MS while the thread has nothing to write, with the monotonic time
     * in milliseconds; may call postern_log_writer_put(). In the thread, without its lock.
     */
    void (*tick)(gint64 now);
} PosternLogWriterCalls;

typedef struct PosternLogWriter PosternLogWriter;

/* Starts the thread, which blocks all signals and ends with the process. calls outlive it. Never freed. */
PosternLogWriter *postern_log_writer_new(const PosternLogWriterCalls *calls);

/* Hands a line over; copied. FALSE: the queue (POSTERN_LOG_QUEUE_MAX_OCTETS) is full, or it has ended. */
gboolean postern_log_writer_put(PosternLogWriter *writer, int priority, const char *line);

/* TRUE if lines have not been written yet, unless the thread itself asks. In a signal handler, too. */
gboolean postern_log_writer_is_behind(PosternLogWriter *writer);

/* Waits until all is written, at most timeout_ms, and lets nothing more in. TRUE: all is out. */
gboolean postern_log_writer_finish(PosternLogWriter *writer, guint timeout_ms);

/*
 * Lets nothing more be written until postern_log_writer_release(), and waits until nothing is, at most
 * timeout_ms: around a fork, for what the thread holds inside a library at that moment (the lock of
 * syslog(3), the time zone) the child could never have. FALSE: something still is.
 */
gboolean postern_log_writer_hold(PosternLogWriter *writer, guint timeout_ms);
void postern_log_writer_release(PosternLogWriter *writer);
