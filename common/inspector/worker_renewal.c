#include "base/log.h"
#include "inspector/worker_group.h"
#include "inspector/worker_pool_private.h"

gboolean postern_worker_group_start_template(PosternWorkerGroup *group, PosternTemplateProcess **ret_process,
                                             gboolean ordered, GError **error)
{
    PosternWorkerPool *pool = group->pool;
    guint64 in_use = group->current != NULL ? group->current->loaded_count : 0;
    const PosternTemplateProcessOptions options = {
        .loop = pool->loop,
        .program = pool->program,
        .role = group->role,
        .number = ++pool->last_number,
        .configuration = pool->configuration,
        .worker_user = pool->worker_user,
        .directory = pool->directory,
        .at_least = in_use > 1 ? MAX(2, ordered ? 0 : in_use / 2) : in_use,
        .background = in_use > 0 && group->role == POSTERN_ROLE_SCAN && !group->hurried};
    group->changed = FALSE;
    group->retry_at = 0;
    PosternTemplateProcess *process =
        postern_template_process_new(&options, &postern_worker_group_template_calls, group, error);
    if (process != NULL)
        g_ptr_array_add(group->templates, process);
    *ret_process = process;
    return process != NULL;
}

/* What is in use ends with its last request. */
static void stop(PosternWorkerGroup *group)
{
    if (group->next != NULL)
        postern_worker_group_retire(group, g_steal_pointer(&group->next));
    if (group->current != NULL) {
        postern_log(POSTERN_LOG_NOTICE, "the %s are given up", postern_worker_group_stock(group));
        postern_worker_group_retire(group, g_steal_pointer(&group->current));
    }
    group->failures = 0;
    group->failed_since = 0;
    group->not_before = 0;
    g_clear_pointer(&group->failure_text, g_free);
}

/* It is tried again once in a while, for signatures that are damaged may be mended and those that are missing
 * come back unnoticed; at once, and no longer behind all others, if it was starved. */
void postern_worker_group_note_not_renewed(PosternWorkerGroup *group, const char *text)
{
    PosternTemplateProcess *process = g_steal_pointer(&group->next);
    gint64 pause = (gint64)group->pool->configuration->virus.reminder_ms * 1000;
    group->hurried = process != NULL && process->timed_out && !group->hurried;
    if (group->role == POSTERN_ROLE_SCAN)
        group->retry_at = g_get_monotonic_time() + (group->hurried ? 0 : pause);
    postern_log(POSTERN_LOG_ERROR, "the new %s cannot serve, those in use stay: %s",
                postern_worker_group_stock(group), text);
}

void postern_worker_group_renew(PosternWorkerGroup *group, gboolean ordered)
{
    const char *reason = NULL;
    g_autoptr(GError) error = NULL;
    if (!postern_worker_group_is_wanted(group, &reason)) {
        stop(group);
        return;
    }
    if (group->next != NULL)
        postern_worker_group_retire(group, g_steal_pointer(&group->next));
    if (!postern_worker_group_start_template(group, &group->next, ordered, &error))
        postern_worker_group_note_not_renewed(group, error->message);
}

/* One load at a time: what came in the meantime is loaded after it. */
void postern_worker_group_renew_if_due(PosternWorkerGroup *group)
{
    gboolean due = group->retry_at != 0 && g_get_monotonic_time() >= group->retry_at;
    if ((due || group->changed) && group->next == NULL && group->current != NULL && group->current->announced)
        postern_worker_group_renew(group, FALSE);
}
