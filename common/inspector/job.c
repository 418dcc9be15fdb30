#include "inspector/job.h"

#include "base/limits.h"

#define SHORT_US (5 * 1000)
#define QUICK_US (POSTERN_INSPECTOR_QUICK_MS * 1000)
#define SLOW_US (POSTERN_INSPECTOR_SLOW_MS * 1000)
#define LOOK_US (100 * 1000) /* at one that is long, no more often */

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

gint64 postern_job_used(const PosternJob *job)
{
    gint64 elapsed = g_get_monotonic_time() - job->started;
    gint64 clock = elapsed >= SHORT_US ? postern_worker_process_clock(job->worker) : -1;
    return clock >= 0 ? MIN(clock - job->clock, elapsed) : elapsed;
}

void postern_job_run(PosternJob *job, PosternWorkerProcess *worker, guint maximum_ms, gboolean watched)
{
    gint64 now = g_get_monotonic_time();
    postern_job_leave(job);
    job->place = POSTERN_JOB_RUNS;
    job->worker = worker;
    worker->job = job;
    job->started = now;
    job->clock = MAX(0, postern_worker_process_clock(worker));
    job->watched = watched;
    job->limit = now + (gint64)maximum_ms * 1000;
    job->processor_limit = (gint64)maximum_ms * 1000 / POSTERN_INSPECTOR_PROCESSOR_SHARE;
    if (!job->goes_on)
        job->limit = MIN(job->deadline, job->limit);
    postern_account_begin(job->account, now);
    set_timer(job, watched ? MIN(job->limit, now + QUICK_US) : job->limit);
}

static void note_slow(PosternJob *job)
{
    job->account->slow += job->slow ? 0 : 1;
    job->slow = TRUE;
}

/* A timer may run early, by as long as the round of the loop in which it was set has lasted: so it is always
 * set anew. */
PosternJobState postern_job_look(PosternJob *job)
{
    gint64 now = g_get_monotonic_time();
    gint64 spent = job->watched ? postern_job_used(job) : 0, next = job->limit;
    if (now >= job->limit || spent >= job->processor_limit)
        return POSTERN_JOB_OVER;
    if (job->watched && now - job->started >= SLOW_US)
        note_slow(job);
    if (job->watched)
        next = MIN(next, now + (spent < QUICK_US ? QUICK_US - spent : LOOK_US));
    set_timer(job, job->connection != NULL ? MIN(next, job->deadline) : next);
    return job->slow || spent >= QUICK_US ? POSTERN_JOB_HOLDS_UP : POSTERN_JOB_GOES_ON;
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
        postern_account_end(job->account, job->started, postern_job_used(job), now);
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
