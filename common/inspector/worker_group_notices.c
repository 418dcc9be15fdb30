#include <unistd.h>

#include "base/log.h"
#include "daemon/notify.h"
#include "inspector/worker_group.h"
#include "inspector/worker_pool_private.h"

gboolean postern_worker_group_lacks_signatures(const PosternWorkerGroup *group,
                                               const PosternTemplateProcess *process)
{
    return group->role == POSTERN_ROLE_SCAN && process->loaded_count == 0 &&
           group->pool->configuration->virus.scan;
}

void postern_worker_group_notify_manager(PosternWorkerPool *pool, gboolean lacks_signatures)
{
    if (!lacks_signatures && !pool->notified)
        postern_notify("READY=1");
    pool->notified |= !lacks_signatures;
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
