#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "inspector/held_files.h"
#include "inspector/worker_group.h"
#include "inspector/worker_pool_private.h"

#define MEBIBYTE (1024 * 1024)

gboolean postern_worker_group_start_template(PosternWorkerGroup *group, PosternTemplateProcess **ret_process,
                                             GError **error)
{
    PosternWorkerPool *pool = group->pool;
    g_autoptr(GPtrArray) nothing = postern_held_files_new();
    gboolean serves = group->current != NULL && group->current->loaded_count > 0;
    const GPtrArray *held = group->current == NULL ? group->held : nothing;
    guint64 in_use = serves || held->len > 0 ? group->in_use : 0;
    const PosternTemplateProcessOptions options = {
        .loop = pool->loop,
        .program = pool->program,
        .role = group->role,
        .number = ++pool->last_number,
        .configuration = pool->configuration,
        .worker_user = pool->worker_user,
        .directory = pool->directory,
        .at_least = in_use > 1 ? MAX(2, group->ordered ? 0 : in_use / 2) : in_use,
        .background = serves && group->role == POSTERN_ROLE_SCAN && !group->hurried,
        .held = held,
        .only_held = group->only_held};
    group->changed = group->ordered = group->only_held = FALSE;
    group->retry_at = 0;
    PosternTemplateProcess *process =
        postern_template_process_new(&options, &postern_worker_group_template_calls, group, error);
    if (process != NULL)
        g_ptr_array_add(group->templates, process);
    *ret_process = process;
    return process != NULL;
}

void postern_worker_group_hold(PosternWorkerGroup *group, PosternTemplateProcess *process)
{
    g_ptr_array_unref(group->held);
    group->held = g_steal_pointer(&process->files);
    process->files = postern_held_files_new();
    group->in_use = process->loaded_count;
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

/* A template of the same size, and as much again for what its workers write, beside what runs now. */
static gboolean memory_allows(PosternWorkerGroup *group)
{
    guint64 resident = postern_memory_resident(group->current->process);
    guint64 needed = resident + resident / 10;
    guint64 available = postern_memory_available("/proc", "/sys/fs/cgroup");
    gint64 now = g_get_monotonic_time();
    gint64 reminder = (gint64)group->pool->configuration->virus.reminder_ms * 1000;
    if (available >= needed)
        return TRUE;
    if (group->told == 0 || now - group->told >= reminder) {
        postern_log(POSTERN_LOG_ERROR,
                    "there are %" G_GUINT64_FORMAT
                    " MiB of memory for new signatures, which need about %" G_GUINT64_FORMAT
                    ": those in use stay until there are more ([virus] reload)",
                    available / MEBIBYTE, needed / MEBIBYTE);
        group->told = now;
    }
    group->changed = FALSE;
    group->retry_at = now + MIN(reminder, POSTERN_SIGNATURES_MEMORY_MS * 1000);
    return FALSE;
}

/* Only if they can be loaded again: requests wait until either are there. */
static void stop_first(PosternWorkerGroup *group)
{
    postern_log(POSTERN_LOG_NOTICE,
                "the signatures in use are given up before the new ones are loaded: messages wait");
    group->stopping = g_get_monotonic_time() + POSTERN_SIGNATURES_STOP_MS * 1000;
    postern_worker_group_retire(group, g_steal_pointer(&group->current));
}

gboolean postern_worker_group_is_stopping(PosternWorkerGroup *group)
{
    if (group->stopping == 0 || group->templates->len == 0) {
        group->stopping = 0;
        return FALSE;
    }
    for (guint i = group->workers->len; i > 0 && g_get_monotonic_time() >= group->stopping; i--) {
        PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i - 1);
        if (worker->job != NULL)
            postern_worker_pool_job_lost(group->pool, worker->job, FALSE);
        postern_worker_group_forget_worker(group, worker);
    }
    if (group->workers->len == 0)
        group->stopping = G_MAXINT64;
    return TRUE;
}

void postern_worker_group_renew(PosternWorkerGroup *group, gboolean ordered)
{
    const char *reason = NULL;
    g_autoptr(GError) error = NULL;
    guint how = group->pool->configuration->virus.reload;
    gboolean serves =
        group->role == POSTERN_ROLE_SCAN && group->current != NULL && group->current->loaded_count > 0;
    if (!postern_worker_group_is_wanted(group, &reason)) {
        stop(group);
        return;
    }
    if (group->next != NULL)
        postern_worker_group_retire(group, g_steal_pointer(&group->next));
    group->ordered = ordered;
    if (serves && how == POSTERN_SIGNATURES_IF_MEMORY_ALLOWS && !memory_allows(group))
        return;
    if (serves && how == POSTERN_SIGNATURES_STOP_FIRST && group->held->len > 0)
        stop_first(group);
    else if (!postern_worker_group_start_template(group, &group->next, &error))
        postern_worker_group_note_not_renewed(group, error->message);
}

/* One load at a time: what came in the meantime is loaded after it. */
void postern_worker_group_renew_if_due(PosternWorkerGroup *group)
{
    gboolean due = group->retry_at != 0 && g_get_monotonic_time() >= group->retry_at;
    if ((due || group->changed) && group->next == NULL && group->current != NULL && group->current->announced)
        postern_worker_group_renew(group, due && group->ordered);
}
