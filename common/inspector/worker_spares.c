#include "base/limits.h"
#include "inspector/worker_pool_private.h"

static PosternWorkerProcess *find_spare(const PosternWorkerGroup *group, PosternWorkerState state)
{
    for (guint i = 0; i < group->workers->len; i++) {
        PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i);
        if (worker->spare && !worker->leaving && worker->state == state)
            return worker;
    }
    return NULL;
}

static gboolean has_room(const PosternWorkerGroup *group)
{
    guint count = 0;
    for (guint i = 0; i < group->workers->len; i++)
        count += ((const PosternWorkerProcess *)g_ptr_array_index(group->workers, i))->spare ? 1 : 0;
    return count < postern_worker_group_workers(group);
}

void postern_worker_group_add_spare(PosternWorkerGroup *group)
{
    PosternTemplateProcess *process = group->current;
    gboolean possible = process != NULL && process->loaded && !process->retired &&
                        g_get_monotonic_time() >= group->not_before;
    if (possible && has_room(group) && find_spare(group, POSTERN_WORKER_STARTING) == NULL &&
        postern_worker_group_start_worker(group, process, TRUE))
        postern_worker_group_maintain(group);
}

gboolean postern_worker_group_may_replace(const PosternWorkerGroup *group)
{
    return has_room(group) || find_spare(group, POSTERN_WORKER_IDLE) != NULL;
}

void postern_worker_group_replace(PosternWorkerGroup *group, PosternWorkerProcess *worker)
{
    if (worker->spare || worker->leaving || !postern_worker_group_may_replace(group))
        return;
    if (!has_room(group))
        postern_worker_group_forget_worker(group, find_spare(group, POSTERN_WORKER_IDLE));
    worker->spare = TRUE;
    postern_worker_group_maintain(group);
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
