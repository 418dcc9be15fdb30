#include "inspector/job.h"

PosternJob *postern_job_new(PosternConnection *connection, const PosternPacket *request,
                            const int *descriptors, guint count, guint default_ms)
{
    guint wanted = request->deadline_ms != 0 ? request->deadline_ms : default_ms;
    PosternJob *job = g_new0(PosternJob, 1);
    job->connection = connection;
    job->user = postern_connection_user(connection);
    job->id = request->id;
    job->origin = (guint)request->value ^ job->user;
    job->count = count;
    for (guint i = 0; i < count; i++)
        job->descriptors[i] = descriptors[i];
    job->deadline = g_get_monotonic_time() + (gint64)wanted * 1000;
    return job;
}

void postern_job_free(PosternJob *job)
{
    if (job == NULL)
        return;
    if (job->worker != NULL)
        job->worker->job = NULL;
    g_clear_pointer(&job->timer, event_free);
    postern_packet_close(job->descriptors, &job->count);
    g_free(job);
}

void postern_job_set_timer(PosternJob *job, guint maximum_ms)
{
    gint64 left = MAX(1, job->deadline - g_get_monotonic_time());
    gint64 wait = MIN(left, (gint64)maximum_ms * 1000);
    struct timeval time = {.tv_sec = wait / G_USEC_PER_SEC, .tv_usec = wait % G_USEC_PER_SEC};
    evtimer_add(job->timer, &time);
}

void postern_job_fail(PosternJob *job, PosternFailure failure, const char *text)
{
    PosternPacket packet = {.kind = POSTERN_PACKET_FAILURE, .id = job->id, .failure = failure};
    postern_packet_set_text(&packet, text);
    if (job->connection != NULL)
        postern_connection_send(job->connection, &packet, -1);
}
