#include "base/signature_files.h"
#include "inspector/worker_pool_private.h"

static const char *const states[] = {
    [POSTERN_WORKER_STARTING] = "starting", [POSTERN_WORKER_IDLE] = "idle", [POSTERN_WORKER_BUSY] = "busy"};

static void add(PosternStatus *status, const char *metric, const char *help, const char *title, double value)
{
    postern_status_add(status, &(PosternGauge){metric, help, title, .value = value});
}

static guint count_workers(const PosternWorkerPool *pool, PosternWorkerState state)
{
    guint count = 0;
    for (guint role = 0; role < POSTERN_ROLES; role++)
        for (guint i = 0; i < pool->groups[role]->workers->len; i++) {
            const PosternWorkerProcess *worker = g_ptr_array_index(pool->groups[role]->workers, i);
            count += worker->state == state;
        }
    return count;
}

static void add_signatures(const PosternWorkerPool *pool, PosternStatus *status)
{
    const PosternTemplateProcess *current = pool->groups[POSTERN_ROLE_SCAN]->current;
    gint64 newest = postern_signature_files_newest(pool->configuration->virus.database);
    add(status, "signatures", "Virus signatures in use.", "virus signatures",
        current != NULL ? (double)current->loaded_count : 0);
    if (newest > 0)
        postern_status_add(
            status,
            &(PosternGauge){"signatures_age_seconds", "Since the newest file of signatures was changed.",
                            "since the newest signatures", POSTERN_UNIT_SECONDS,
                            .value = (double)g_get_real_time() / G_USEC_PER_SEC - (double)newest});
}

void postern_worker_pool_tell(const PosternWorkerPool *pool, PosternStatus *status)
{
    guint waiting = 0;
    for (guint role = 0; role < POSTERN_ROLES; role++)
        waiting += postern_queue_length(pool->groups[role]->queue) +
                   postern_queue_length(pool->groups[role]->put_off);
    for (guint i = 0; i < G_N_ELEMENTS(states); i++)
        postern_status_add(status,
                           &(PosternGauge){"workers", "Workers by their state.",
                                           i == POSTERN_WORKER_BUSY   ? "workers busy"
                                           : i == POSTERN_WORKER_IDLE ? "workers idle"
                                                                      : NULL,
                                           .label = "state", .value_of_label = (char *)(gsize)states[i],
                                           .value = count_workers(pool, i)});
    add(status, "ready", "1 if messages can be inspected.", NULL, pool->ready);
    add(status, "inspector_clients", "Programs that are connected.", "programs connected",
        g_hash_table_size(pool->connections));
    add(status, "requests_waiting", "Requests that wait for a worker.", "requests wait", waiting);
    add(status, "requests", "Requests that wait, or are worked on.", NULL, g_hash_table_size(pool->jobs));
    add_signatures(pool, status);
}

char *postern_worker_pool_describe(const PosternWorkerPool *pool)
{
    if (!pool->ready)
        return g_strdup(pool->not_ready != NULL ? pool->not_ready : "starting");
    return g_strdup_printf("%s%u programs connected, %u requests",
                           pool->draining ? "draining: " : "serving: ", g_hash_table_size(pool->connections),
                           g_hash_table_size(pool->jobs));
}
