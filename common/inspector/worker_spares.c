#include "base/limits.h"
#include "inspector/worker_pool_private.h"

/* quick: one that does not run behind all others. */
static PosternWorkerProcess *find_spare(const PosternWorkerGroup *group, PosternWorkerState state,
                                        gboolean quick)
{
    for (guint i = 0; i < group->workers->len; i++) {
        PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i);
        if (worker->spare && !worker->leaving && worker->state == state && !(quick && worker->yielding))
            return worker;
    }
    return NULL;
}

static guint count_spares(const PosternWorkerGroup *group, gboolean busy)
{
    guint count = 0;
    for (guint i = 0; i < group->workers->len; i++) {
        const PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i);
        count += worker->spare && (!busy || worker->state == POSTERN_WORKER_BUSY);
    }
    return count;
}

gboolean postern_worker_group_has_room(const PosternWorkerGroup *group)
{
    return count_spares(group, TRUE) < postern_worker_group_workers(group);
}

gboolean postern_worker_group_has_busy_spare(const PosternWorkerGroup *group)
{
    return count_spares(group, TRUE) > 0;
}

void postern_worker_group_add_spare(PosternWorkerGroup *group)
{
    PosternTemplateProcess *process = group->current;
    gboolean possible = process != NULL && process->loaded && !process->retired &&
                        g_get_monotonic_time() >= group->not_before;
    if (!possible || find_spare(group, POSTERN_WORKER_STARTING, TRUE) != NULL ||
        find_spare(group, POSTERN_WORKER_IDLE, TRUE) != NULL)
        return;
    PosternWorkerProcess *idle = find_spare(group, POSTERN_WORKER_IDLE, FALSE);
    if (idle != NULL && count_spares(group, FALSE) > postern_worker_group_workers(group))
        postern_worker_group_forget_worker(group, idle);
    if (count_spares(group, FALSE) <= postern_worker_group_workers(group) &&
        postern_worker_group_start_worker(group, process, TRUE))
        postern_worker_group_maintain(group);
}

/* At once, if an idle spare one can become a regular one. */
static void fill_gap(PosternWorkerGroup *group)
{
    PosternWorkerProcess *idle = find_spare(group, POSTERN_WORKER_IDLE, TRUE);
    if (idle != NULL)
        idle->spare = FALSE;
    postern_worker_group_maintain(group);
}

gboolean postern_worker_group_replace(PosternWorkerGroup *group, PosternWorkerProcess *worker)
{
    if (!postern_worker_group_has_room(group))
        return FALSE;
    worker->spare = TRUE;
    fill_gap(group);
    return TRUE;
}

void postern_worker_group_kill(PosternWorkerGroup *group, PosternWorkerProcess *worker)
{
    gboolean spare = worker->spare;
    postern_worker_group_forget_worker(group, worker);
    if (!spare)
        fill_gap(group);
}

void postern_worker_group_drop_idle_spares(PosternWorkerGroup *group)
{
    gint64 now = g_get_monotonic_time();
    for (guint i = group->workers->len; i > 0; i--) {
        PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i - 1);
        if (worker->spare && worker->state == POSTERN_WORKER_IDLE &&
            now - worker->idle_since >= POSTERN_WORKER_SPARE_IDLE_US)
            postern_worker_group_forget_worker(group, worker);
    }
}
