#include <signal.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "inspector/clamd_socket.h"
#include "inspector/worker_pool_private.h"
#include "mail/envelope.h"

#define QUICK_US (POSTERN_INSPECTOR_QUICK_MS * 1000)
#define BEHIND_US (POSTERN_INSPECTOR_BEHIND_MS * 1000)
#define SLICE_US (POSTERN_INSPECTOR_SLICE_MS * 1000)

/*
 * Who is served by which worker.
 *
 * A regular worker is free for everybody's small messages again after POSTERN_INSPECTOR_QUICK_MS at the
 * latest. What takes longer has a spare worker, of which as many as there are regular ones may be busy: that
 * in which it is becomes one and another takes its place, or, if there is no room, it is put off: its worker
 * is killed, and it begins anew in a spare one when its turn comes. A large message, which is going to take
 * long, waits for one at once unless another regular worker is idle. What takes longer than
 * POSTERN_INSPECTOR_BEHIND_MS runs behind all others (nice).
 *
 * Of what was put off, large messages have their turn first, for it is no wonder that they take long; then
 * small ones; then those that took more than POSTERN_INSPECTOR_SLICE_MS of a spare worker, too, while others
 * waited: those make room for the others, POSTERN_INSPECTOR_PUT_OFF_TIMES_MAX times at most.
 *
 * A client that has used its budget of processor time is heavy: all its scans wait for spare workers, and run
 * behind all others. Of scans that take longer than POSTERN_INSPECTOR_SLOW_MS a client has one fewer at work
 * than there may be spare workers: one more is put off.
 */

/* Of a client, at work at once. */
static guint slow_max(const PosternWorkerGroup *group)
{
    return MAX(2, postern_worker_group_workers(group)) - 1;
}

typedef struct {
    gint64 now;
    gboolean takes_large; /* the regular worker */
    gboolean yielding;    /* the spare worker is: it is not for who is not heavy */
    guint slow_max;
    guint rank; /* of those that were put off: the last that is wanted */
} Dispatching;

enum { LARGE, SMALL, OVER_ITS_SLICE, RANKS };

static guint rank_of(const PosternJob *job)
{
    return job->put_off > 1 ? OVER_ITS_SLICE : postern_job_is_large(job) ? LARGE : SMALL;
}

static gboolean is_for_spare(gpointer client, gpointer item, gpointer data)
{
    const PosternAccount *account = client;
    const PosternJob *job = item;
    const Dispatching *dispatching = data;
    if (job->put_off > 0)
        return rank_of(job) <= dispatching->rank && account->slow < dispatching->slow_max;
    return postern_account_is_heavy(account, dispatching->now) ||
           (!dispatching->yielding && postern_job_is_large(job));
}

static gboolean is_for_regular(gpointer client, gpointer job, gpointer data)
{
    const Dispatching *dispatching = data;
    return !postern_account_is_heavy(client, dispatching->now) &&
           (dispatching->takes_large || !postern_job_is_large(job));
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
    if (worker->spare && !worker->yielding && postern_account_is_heavy(job->account, g_get_monotonic_time()))
        postern_worker_process_yield(worker);
    postern_job_run(job, worker, maximum_ms, scans);
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

static PosternJob *next_that_was_put_off(PosternWorkerGroup *group, Dispatching *dispatching)
{
    PosternJob *job = NULL;
    for (dispatching->rank = 0; dispatching->rank < RANKS && job == NULL; dispatching->rank++)
        job = postern_queue_pop(group->put_off, is_for_spare, dispatching);
    return job;
}

/* Those that were put off and those of heavy clients take turns at spare workers. */
static PosternJob *next_for_spare(PosternWorkerGroup *group, Dispatching *dispatching)
{
    PosternJob *job = NULL;
    for (guint i = 0; i < 2 && job == NULL; i++) {
        job = group->others_turn ? postern_queue_pop(group->queue, is_for_spare, dispatching)
                                 : next_that_was_put_off(group, dispatching);
        group->others_turn = !group->others_turn;
    }
    return job;
}

/* To the idle workers of one kind, as long as there is something for them. */
static void dispatch_to(PosternWorkerGroup *group, gboolean spare, Dispatching *dispatching)
{
    gboolean scans = group->role == POSTERN_ROLE_SCAN;
    for (guint i = 0; i < group->workers->len; i++) {
        PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i);
        if (worker->state != POSTERN_WORKER_IDLE || worker->leaving || worker->spare != spare)
            continue;
        if (spare && !postern_worker_group_has_room(group))
            return;
        gboolean last = scans && !spare && count_idle(group) == 1;
        dispatching->takes_large = !last || postern_worker_group_has_room(group);
        dispatching->yielding = worker->yielding;
        PosternJob *job = spare ? next_for_spare(group, dispatching)
                                : postern_queue_pop(group->queue, scans ? is_for_regular : NULL, dispatching);
        if (job == NULL && !spare)
            return;
        if (job == NULL)
            continue;
        if (!assign(group, worker, job)) {
            postern_queue_push_back(job->put_off > 0 ? group->put_off : group->queue, job);
            postern_worker_group_drop_worker(group, worker);
            i--;
        } else if (last && postern_job_is_large(job)) {
            (void)postern_worker_group_replace(group, worker);
        }
    }
}

void postern_worker_pool_dispatch(PosternWorkerGroup *group)
{
    Dispatching dispatching = {.now = g_get_monotonic_time(), .slow_max = slow_max(group)};
    if (group->role == POSTERN_ROLE_SCAN)
        dispatch_to(group, TRUE, &dispatching);
    dispatch_to(group, FALSE, &dispatching);
    dispatching.yielding = TRUE;
    gboolean wanted = postern_worker_group_has_busy_spare(group) ||
                      postern_queue_length(group->put_off) > 0 ||
                      postern_queue_has(group->queue, is_for_spare, &dispatching);
    if (group->role == POSTERN_ROLE_SCAN && wanted)
        postern_worker_group_add_spare(group);
}

/* job is taken from its worker. */
static void put_off(PosternWorkerGroup *group, PosternJob *job)
{
    PosternWorkerProcess *worker = job->worker;
    postern_log(POSTERN_LOG_DEBUG, "worker %d was killed: its request takes long, and is put off",
                (int)worker->process);
    postern_job_wait(job);
    job->put_off++;
    if (job->connection == NULL || !postern_queue_push(group->put_off, job->user, job->account,
                                                       POSTERN_INSPECTOR_PUT_OFF_OF_CLIENT_MAX, job))
        postern_worker_pool_job_fail(group->pool, job, POSTERN_FAILURE_OVERLOADED,
                                     "too many messages wait that take long to scan");
    postern_worker_group_kill(group, worker);
}

/* Others that were put off have had less, and there is no room for them. */
static gboolean is_over_its_slice(PosternWorkerGroup *group, const PosternJob *job, gint64 used)
{
    Dispatching others = {.slow_max = slow_max(group), .rank = SMALL};
    return used >= SLICE_US && job->put_off < POSTERN_INSPECTOR_PUT_OFF_TIMES_MAX &&
           !postern_worker_group_has_room(group) && postern_queue_has(group->put_off, is_for_spare, &others);
}

static void make_room(PosternWorkerGroup *group, PosternJob *job)
{
    PosternWorkerProcess *worker = job->worker;
    gint64 used = postern_job_used(job);
    if (used >= BEHIND_US && !worker->yielding)
        postern_worker_process_yield(worker);
    if (worker->leaving)
        return;
    if (job->put_off > 0) {
        if (!is_over_its_slice(group, job, used))
            return;
        put_off(group, job);
    } else {
        gboolean one_too_many = worker->spare ? job->account->slow > slow_max(group)
                                              : !postern_worker_group_replace(group, worker);
        if (one_too_many && used >= QUICK_US)
            put_off(group, job);
    }
    postern_worker_pool_dispatch(group);
}

void postern_worker_pool_job_timer(PosternWorkerPool *pool, PosternJob *job)
{
    PosternWorkerGroup *group = job->group;
    PosternWorkerProcess *worker = job->worker;
    if (job->connection != NULL && g_get_monotonic_time() >= job->deadline) {
        postern_job_fail(job, POSTERN_FAILURE_TIMEOUT, "the inspection took too long");
        job->connection = NULL;
    }
    PosternJobState state = postern_job_look(job);
    if (state == POSTERN_JOB_HOLDS_UP)
        make_room(group, job);
    if (state != POSTERN_JOB_OVER) {
        postern_worker_pool_check_drained(pool);
        return;
    }
    postern_counters_add(pool->counters, "worker_time_outs", postern_role_name(group->role), 1);
    postern_log(POSTERN_LOG_WARNING, "worker %d was killed: its request was over its time",
                (int)worker->process);
    if (postern_job_used(job) >= job->processor_limit)
        postern_worker_pool_note_death(pool, job->user, job->packet.fingerprint);
    postern_job_leave(job);
    postern_worker_pool_count_loss(job);
    postern_worker_pool_job_fail(pool, job, POSTERN_FAILURE_TIMEOUT, "the inspection took too long");
    postern_worker_group_drop_worker(group, worker);
    postern_worker_pool_dispatch(group);
}
