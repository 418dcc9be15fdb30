#include <signal.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "inspector/clamd_socket.h"
#include "inspector/worker_pool_private.h"
#include "mail/envelope.h"

/*
 * Who is served by which worker.
 *
 * A client that has used its budget of processor time, or has a slow scan under way, is heavy. Its scans wait
 * for spare workers, which are started when they are needed and end when they are not, and run behind all
 * others (nice) from then on; there are at most as many as regular ones. A scan that has run for long makes
 * its worker a spare one, and a new regular worker takes its place; a large message, which is going to, does
 * so at once if no other regular worker is idle, or waits. So a regular worker is free for everybody
 * else's small messages at once, and for all after POSTERN_INSPECTOR_SLOW_MS at the latest, until there is no
 * room for spare ones.
 */

typedef struct {
    gint64 now;
    gboolean takes_large;
} Dispatching;

/* One that has a slow scan under way is not known to send no more of them: it may hold one regular worker. */
static gboolean is_heavy(const PosternAccount *account, gint64 now)
{
    return account->slow > 0 || postern_account_is_heavy(account, now);
}

static gboolean is_of_heavy(gpointer client, gpointer job, gpointer dispatching)
{
    (void)job;
    return is_heavy(client, ((const Dispatching *)dispatching)->now);
}

static gboolean is_for_spare(gpointer client, gpointer job, gpointer dispatching)
{
    return postern_job_is_large(job) || is_of_heavy(client, job, dispatching);
}

static gboolean is_for_regular(gpointer client, gpointer job, gpointer dispatching)
{
    return !is_of_heavy(client, job, dispatching) &&
           (((const Dispatching *)dispatching)->takes_large || !postern_job_is_large(job));
}

/* Once in a while, for people. */
static void tell_if_heavy(PosternAccount *account, gint64 now)
{
    const gint64 window = POSTERN_INSPECTOR_BUDGET_WINDOW_SECONDS * G_USEC_PER_SEC;
    if (!postern_account_is_heavy(account, now) || (account->told != 0 && now - account->told < window))
        return;
    account->told = now;
    g_autofree char *client = postern_client_number_to_string(account->key.client);
    postern_log(
        POSTERN_LOG_NOTICE,
        "mail of client %s, asked for by user %u, took more than %.1f s of processor time in %d s: its "
        "scans run behind those of others",
        client, account->key.user, POSTERN_INSPECTOR_BUDGET_MS / 1000.0,
        POSTERN_INSPECTOR_BUDGET_WINDOW_SECONDS);
}

/* With a connection to clamd, if its template is for one; a worker has no right to make any. */
static gboolean give(PosternWorkerGroup *group, PosternWorkerProcess *worker, const PosternJob *job,
                     GBytes *kept)
{
    const PosternTemplateProcess *maker = worker->template_process;
    gboolean begun = FALSE;
    int scanner = maker->clamd[0] != '\0' ? postern_clamd_socket_new(maker->clamd, &begun, NULL) : -1;
    gboolean given =
        postern_worker_process_send(worker, ++group->pool->last_number, &job->packet, kept, scanner,
                                    begun ? POSTERN_SCANNER_BEGUN : POSTERN_SCANNER_CONNECTING);
    if (scanner >= 0)
        close(scanner);
    return given;
}

static gboolean assign(PosternWorkerGroup *group, PosternWorkerProcess *worker, PosternJob *job)
{
    PosternWorkerPool *pool = group->pool;
    gboolean scans = group->role == POSTERN_ROLE_SCAN;
    guint maximum_ms = group->role == POSTERN_ROLE_LIGHT ? POSTERN_INSPECTOR_LIGHT_TIMEOUT_MS
                                                         : pool->configuration->inspector.scan_timeout_ms;
    GBytes *kept = postern_worker_pool_kept(pool, job, worker);
    if (!give(group, worker, job, kept))
        return FALSE;
    if (worker->spare && !worker->yielding && is_heavy(job->account, g_get_monotonic_time()))
        postern_worker_process_yield(worker);
    postern_job_run(job, worker, maximum_ms, scans ? POSTERN_INSPECTOR_SLOW_MS : 0);
    postern_log(POSTERN_LOG_DEBUG, "worker %d has a request of user %u%s", (int)worker->process, job->user,
                kept != NULL ? ", of a message that is remembered" : "");
    if (scans)
        tell_if_heavy(job->account, job->started);
    return TRUE;
}

static guint count_idle(const PosternWorkerGroup *group)
{
    guint count = 0;
    for (guint i = 0; i < group->workers->len; i++) {
        const PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i);
        count += worker->state == POSTERN_WORKER_IDLE && !worker->spare && !worker->leaving;
    }
    return count;
}

/* To the idle workers of one kind, as long as there is something for them. */
static void dispatch_to(PosternWorkerGroup *group, gboolean spare, PosternQueueWants wants,
                        Dispatching *dispatching)
{
    for (guint i = 0; i < group->workers->len; i++) {
        PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i);
        if (worker->state != POSTERN_WORKER_IDLE || worker->leaving || worker->spare != spare)
            continue;
        gboolean last = !spare && wants != NULL && count_idle(group) == 1;
        dispatching->takes_large = !last || postern_worker_group_may_replace(group);
        PosternJob *job = postern_queue_pop(group->queue, wants, dispatching);
        if (job == NULL)
            return;
        if (!assign(group, worker, job)) {
            postern_queue_push_back(group->queue, job);
            postern_worker_group_drop_worker(group, worker);
            i--;
        } else if (last && postern_job_is_large(job)) {
            postern_worker_group_replace(group, worker);
        }
    }
}

void postern_worker_pool_dispatch(PosternWorkerGroup *group)
{
    Dispatching dispatching = {.now = g_get_monotonic_time()};
    if (group->role != POSTERN_ROLE_SCAN) {
        dispatch_to(group, FALSE, NULL, &dispatching);
        return;
    }
    dispatch_to(group, TRUE, is_for_spare, &dispatching);
    dispatch_to(group, FALSE, is_for_regular, &dispatching);
    if (postern_queue_has(group->queue, is_of_heavy, &dispatching))
        postern_worker_group_add_spare(group);
}

void postern_worker_pool_job_timer(PosternWorkerPool *pool, PosternJob *job)
{
    PosternWorkerGroup *group = job->group;
    PosternWorkerProcess *worker = job->worker;
    gint64 now = g_get_monotonic_time();
    gboolean scans = group->role == POSTERN_ROLE_SCAN;
    if (scans && !job->slow && now - job->started >= POSTERN_INSPECTOR_SLOW_MS * 1000) {
        postern_job_note_slow(job);
        postern_worker_group_replace(group, worker);
    }
    if (job->connection != NULL && now >= job->deadline) {
        postern_job_fail(job, POSTERN_FAILURE_TIMEOUT, "the inspection took too long");
        job->connection = NULL;
    }
    if (!postern_job_is_over(job)) {
        postern_worker_pool_check_drained(pool);
        return;
    }
    postern_log(POSTERN_LOG_WARNING, "worker %d was killed: its request was over its time",
                (int)worker->process);
    if (postern_job_is_spent(job))
        postern_worker_pool_note_death(pool, job->user, job->packet.fingerprint);
    postern_job_leave(job);
    postern_worker_pool_count_loss(job);
    postern_worker_pool_job_fail(pool, job, POSTERN_FAILURE_TIMEOUT, "the inspection took too long");
    postern_worker_group_drop_worker(group, worker);
    postern_worker_pool_dispatch(group);
}
