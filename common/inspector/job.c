#include "inspector/job.h"

#include "base/limits.h"

#define SHORT_US (5 * 1000)
#define LOOK_US (100 * 1000) /* at its processor time, no more often */

PosternJob *postern_job_new(PosternConnection *connection, PosternAccount *account, PosternPacket *request,
                            guint default_ms, guint64 *total)
{
    guint wanted = request->deadline_ms != 0 ? request->deadline_ms : default_ms;
    PosternJob *job = g_new0(PosternJob, 1);
    job->connection = connection;
    job->user = postern_connection_user(connection);
    job->account = account;
    job->packet = postern_packet_steal(request);
    job->octets = job->packet.octets != NULL ? g_bytes_get_size(job->packet.octets) : 0;
    job->total = total;
    *total += job->octets;
    job->deadline = g_get_monotonic_time() + (gint64)wanted * 1000;
    return job;
}

void postern_job_free(PosternJob *job)
{
    if (job == NULL)
        return;
    postern_job_leave(job);
    g_clear_pointer(&job->timer, event_free);
    postern_packet_clear(&job->packet);
    *job->total -= job->octets;
    g_free(job);
}

static void set_timer(PosternJob *job, gint64 at)
{
    gint64 wait = MAX(1000, at - g_get_monotonic_time());
    struct timeval time = {.tv_sec = wait / G_USEC_PER_SEC, .tv_usec = wait % G_USEC_PER_SEC};
    if (job->timer != NULL)
        evtimer_add(job->timer, &time);
}

void postern_job_wait(PosternJob *job)
{
    postern_job_leave(job);
    job->place = POSTERN_JOB_WAITS;
    job->account->waiting++;
    set_timer(job, job->deadline);
}

void postern_job_run(PosternJob *job, PosternWorkerProcess *worker, guint maximum_ms, guint notice_ms)
{
    gint64 now = g_get_monotonic_time();
    postern_job_leave(job);
    job->place = POSTERN_JOB_RUNS;
    job->worker = worker;
    worker->job = job;
    job->started = now;
    job->limit = now + (gint64)maximum_ms * 1000;
    job->processor_limit = (gint64)maximum_ms * 1000 / POSTERN_INSPECTOR_PROCESSOR_SHARE;
    if (!job->goes_on)
        job->limit = MIN(job->deadline, job->limit);
    postern_account_begin(job->account, now);
    set_timer(job, notice_ms != 0 ? MIN(job->limit, now + (gint64)notice_ms * 1000) : job->limit);
}

void postern_job_note_slow(PosternJob *job)
{
    if (!job->slow)
        job->account->slow++;
    job->slow = TRUE;
    job->slow_clock = postern_worker_process_clock(job->worker);
}

/* Processor time that it may still use; what it used before it was slow is taken to be all that there was. */
static gint64 processor_time_left(const PosternJob *job)
{
    gint64 clock = job->slow ? postern_worker_process_clock(job->worker) : -1;
    gint64 before = (gint64)POSTERN_INSPECTOR_SLOW_MS * 1000;
    return clock < 0 ? G_MAXINT64 : job->processor_limit - before - (clock - job->slow_clock);
}

gboolean postern_job_is_over(PosternJob *job)
{
    gint64 now = g_get_monotonic_time();
    gint64 left = processor_time_left(job);
    gint64 next = left < job->limit - now ? now + MAX(left, LOOK_US) : job->limit;
    if (now >= job->limit || left <= 0)
        return TRUE;
    set_timer(job, job->connection != NULL ? MIN(next, job->deadline) : next);
    return FALSE;
}

gboolean postern_job_is_spent(const PosternJob *job)
{
    return processor_time_left(job) <= 0;
}

/* Of what was short, and of a worker that is dead, the time that it had is taken for what it used. */
static gint64 used(const PosternJob *job, gint64 now)
{
    gint64 elapsed = now - job->started;
    gint64 used_of_worker = elapsed < SHORT_US ? elapsed : postern_worker_process_used(job->worker);
    return MIN(elapsed, used_of_worker);
}

void postern_job_leave(PosternJob *job)
{
    gint64 now = g_get_monotonic_time();
    PosternJobPlace place = job->place;
    job->place = POSTERN_JOB_NOWHERE;
    if (place == POSTERN_JOB_WAITS) {
        job->account->waiting--;
    } else if (place == POSTERN_JOB_RUNS) {
        job->account->slow -= job->slow ? 1 : 0;
        job->slow = FALSE;
        postern_account_end(job->account, job->started, used(job, now), now);
        job->worker->job = NULL;
        job->worker = NULL;
    }
}

gboolean postern_job_is_large(const PosternJob *job)
{
    return job->packet.descriptor_count > 0;
}

void postern_job_fail(PosternJob *job, PosternFailure failure, const char *text)
{
    PosternPacket packet = {.kind = POSTERN_PACKET_FAILURE, .id = job->packet.id, .failure = failure};
    postern_packet_set_text(&packet, text);
    if (job->connection != NULL)
        postern_connection_send(job->connection, &packet);
}
