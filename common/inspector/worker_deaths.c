#include <signal.h>
#include <string.h>

#include "base/limits.h"
#include "inspector/worker_pool_private.h"

/*
 * A message is to blame for an end that it may have brought about. SIGKILL is no such end: the kernel kills
 * so for want of memory, and people do.
 */
static void blame(PosternWorkerGroup *group, const PosternDeath *death, int signal)
{
    if (signal != SIGKILL)
        postern_counters_add(group->pool->counters, "crashes", postern_role_name(group->role), 1);
    if (signal != SIGKILL)
        postern_worker_pool_note_death(group->pool, death->user, death->fingerprint);
}

void postern_worker_group_mourn(PosternWorkerGroup *group, const PosternWorkerProcess *worker,
                                const PosternJob *job)
{
    PosternDeath death = {.worker = worker->number, .user = job->user};
    memcpy(death.fingerprint, job->packet.fingerprint, sizeof death.fingerprint);
    if (worker->end >= 0) {
        blame(group, &death, worker->end);
        return;
    }
    if (group->mourned->len >= POSTERN_INSPECTOR_WORKERS_MAX)
        g_array_remove_index(group->mourned, 0);
    g_array_append_val(group->mourned, death);
}

void postern_worker_group_note_end(PosternTemplateProcess *process, guint64 number, int signal,
                                   gpointer user_data)
{
    PosternWorkerGroup *group = user_data;
    for (guint i = 0; i < group->workers->len; i++) {
        PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i);
        if (worker->number == number)
            postern_worker_process_note_end(worker, signal);
    }
    for (guint i = 0; i < group->mourned->len; i++) {
        const PosternDeath *death = &g_array_index(group->mourned, PosternDeath, i);
        if (death->worker != number)
            continue;
        blame(group, death, signal);
        g_array_remove_index(group->mourned, i);
        return;
    }
}
