#include <unistd.h>

#include "base/log.h"
#include "inspector/worker_group.h"
#include "inspector/worker_pool_private.h"

/* One load at a time: what came in the meantime is loaded after it. */
static gboolean on_new_signatures(gpointer user_data)
{
    PosternWorkerGroup *group = user_data;
    if (group->next != NULL || (group->current != NULL && !group->current->announced))
        return FALSE;
    postern_log(POSTERN_LOG_NOTICE, "the files of [virus] database have changed: they are loaded now");
    postern_worker_group_renew(group);
    postern_worker_group_maintain(group);
    return TRUE;
}

void postern_worker_group_watch_signatures(PosternWorkerGroup *group)
{
    if (group->role == POSTERN_ROLE_SCAN)
        group->watch = postern_signature_watch_new(group->pool->loop, on_new_signatures, group);
}

gboolean postern_worker_group_lacks_signatures(const PosternWorkerGroup *group,
                                               const PosternTemplateProcess *process)
{
    return group->role == POSTERN_ROLE_SCAN && process->loaded_count == 0 &&
           group->pool->configuration->virus.scan;
}

void postern_worker_group_warn_unconfined(const PosternWorkerGroup *group)
{
    if (group->role == POSTERN_ROLE_SIGN) {
        postern_log(POSTERN_LOG_WARNING,
                    "this kernel has no Landlock: a worker that inspects may read the keys of [sign] table, "
                    "too; use a kernel of 5.13 or later with Landlock enabled, or sign elsewhere");
    } else {
        postern_log(POSTERN_LOG_WARNING,
                    "this kernel has no Landlock: a worker may read what user %u may; "
                    "use a kernel of 5.13 or later with Landlock enabled",
                    (guint)geteuid());
    }
}
