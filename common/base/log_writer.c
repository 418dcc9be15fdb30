#include "base/log_writer.h"

#include <string.h>

#include "base/limits.h"
#include "base/thread.h"

typedef struct {
    int priority;
    char text[];
} Line;

struct PosternLogWriter {
    const PosternLogWriterCalls *calls;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    GQueue lines; /* of Line * */
    gsize octets; /* in lines */
    guint64 dropped;
    gint behind;      /* atomic: lines that were put and have not been written */
    gboolean busy;    /* the thread begins, writes lines that have left the queue, or is in the tick */
    gboolean holding; /* nothing of that begins */
    gboolean ended;
};

static void drop(PosternLogWriter *writer, guint64 count)
{
    pthread_mutex_lock(&writer->lock);
    writer->dropped += count;
    pthread_mutex_unlock(&writer->lock);
}

/* A line got out: those that did not are told. */
static void tell_dropped(PosternLogWriter *writer)
{
    pthread_mutex_lock(&writer->lock);
    guint64 count = writer->dropped;
    writer->dropped = 0;
    pthread_mutex_unlock(&writer->lock);
    if (count == 0)
        return;
    g_autofree char *line = writer->calls->dropped(count);
    if (!writer->calls->write(writer->calls->dropped_priority, line))
        drop(writer, count);
}

static void write_lines(PosternLogWriter *writer, GQueue *lines)
{
    Line *line;
    while ((line = g_queue_pop_head(lines)) != NULL) {
        if (writer->calls->write(line->priority, line->text))
            tell_dropped(writer);
        else
            drop(writer, 1);
        g_atomic_int_add(&writer->behind, -1);
        g_free(line);
    }
}

static gpointer run(gpointer data)
{
    PosternLogWriter *writer = data;
    writer->thread = pthread_self();
    gint64 tick = g_get_monotonic_time();
    pthread_mutex_lock(&writer->lock);
    for (;;) {
        writer->busy = FALSE;
        pthread_cond_broadcast(&writer->changed);
        while (writer->holding)
            pthread_cond_wait(&writer->changed, &writer->lock);
        GQueue lines = writer->lines;
        g_queue_init(&writer->lines);
        writer->octets = 0;
        gint64 now = g_get_monotonic_time();
        writer->busy = lines.length > 0 || now >= tick;
        if (writer->busy) {
            pthread_mutex_unlock(&writer->lock);
            write_lines(writer, &lines);
            if (now >= tick) {
                writer->calls->tick(now / 1000);
                tick = now + POSTERN_LOG_TICK_MS * 1000;
            }
            pthread_mutex_lock(&writer->lock);
        } else {
            postern_condition_wait(&writer->changed, &writer->lock, tick);
        }
    }
    return NULL;
}

PosternLogWriter *postern_log_writer_new(const PosternLogWriterCalls *calls)
{
    PosternLogWriter *writer = g_new0(PosternLogWriter, 1);
    writer->calls = calls;
    writer->busy = TRUE; /* until the thread itself says otherwise: a fork waits for its beginning too */
    pthread_mutex_init(&writer->lock, NULL);
    postern_condition_init(&writer->changed);
    g_queue_init(&writer->lines);
    g_thread_unref(postern_thread_new("log", run, writer));
    return writer;
}

gboolean postern_log_writer_put(PosternLogWriter *writer, int priority, const char *text)
{
    gsize length = strlen(text) + 1;
    Line *line = g_malloc(sizeof *line + length);
    line->priority = priority;
    memcpy(line->text, text, length);
    pthread_mutex_lock(&writer->lock);
    gboolean fits = !writer->ended && writer->octets + length <= POSTERN_LOG_QUEUE_MAX_OCTETS;
    if (fits) {
        g_queue_push_tail(&writer->lines, line);
        g_atomic_int_inc(&writer->behind);
        writer->octets += length;
        pthread_cond_broadcast(&writer->changed);
    } else {
        writer->dropped++;
    }
    pthread_mutex_unlock(&writer->lock);
    if (!fits)
        g_free(line);
    return fits;
}

gboolean postern_log_writer_is_behind(PosternLogWriter *writer)
{
    return g_atomic_int_get(&writer->behind) > 0 && !pthread_equal(pthread_self(), writer->thread);
}

gboolean postern_log_writer_finish(PosternLogWriter *writer, guint timeout_ms)
{
    gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    gboolean waiting = TRUE;
    pthread_mutex_lock(&writer->lock);
    while ((writer->lines.length > 0 || writer->busy) && waiting)
        waiting = postern_condition_wait(&writer->changed, &writer->lock, end);
    writer->ended = TRUE;
    gboolean out = writer->lines.length == 0 && !writer->busy;
    pthread_mutex_unlock(&writer->lock);
    return out;
}

gboolean postern_log_writer_hold(PosternLogWriter *writer, guint timeout_ms)
{
    gint64 end = g_get_monotonic_time() + (gint64)timeout_ms * 1000;
    gboolean waiting = TRUE;
    pthread_mutex_lock(&writer->lock);
    writer->holding = TRUE;
    while (writer->busy && waiting)
        waiting = postern_condition_wait(&writer->changed, &writer->lock, end);
    gboolean held = !writer->busy;
    pthread_mutex_unlock(&writer->lock);
    return held;
}

void postern_log_writer_release(PosternLogWriter *writer)
{
    pthread_mutex_lock(&writer->lock);
    writer->holding = FALSE;
    pthread_cond_broadcast(&writer->changed);
    pthread_mutex_unlock(&writer->lock);
}
