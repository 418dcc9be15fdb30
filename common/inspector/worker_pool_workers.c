#include "inspector/worker_pool_private.h"

#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"

#define CRASH_WINDOW_US (POSTERN_INSPECTOR_CRASH_WINDOW_SECONDS * G_USEC_PER_SEC)
#define UNAVAILABLE_US (POSTERN_INSPECTOR_UNAVAILABLE_SECONDS * G_USEC_PER_SEC)
#define START_US (POSTERN_INSPECTOR_WORKER_START_SECONDS * G_USEC_PER_SEC)
#define PAUSE_FIRST_US (G_USEC_PER_SEC / 10)
#define PAUSE_MAX_US (60 * G_USEC_PER_SEC)

static guint workers_wanted(const PosternWorkerPool *pool)
{
    guint wanted = pool->configuration->inspector.workers;
    return CLAMP(wanted != 0 ? wanted : g_get_num_processors(), 1, POSTERN_INSPECTOR_WORKERS_MAX);
}

static guint count_workers(const PosternWorkerPool *pool, const PosternTemplateProcess *process)
{
    guint count = 0;
    for (guint i = 0; i < pool->workers->len; i++) {
        const PosternWorkerProcess *worker = g_ptr_array_index(pool->workers, i);
        count += worker->template_process == process && !worker->leaving;
    }
    return count;
}

static gboolean has_proved_worker(const PosternWorkerPool *pool)
{
    for (guint i = 0; i < pool->workers->len; i++) {
        const PosternWorkerProcess *worker = g_ptr_array_index(pool->workers, i);
        if (worker->state != POSTERN_WORKER_STARTING)
            return TRUE;
    }
    return FALSE;
}

const char *postern_worker_pool_unavailable(const PosternWorkerPool *pool)
{
    gboolean long_ago =
        pool->failed_since != 0 && g_get_monotonic_time() - pool->failed_since >= UNAVAILABLE_US;
    return long_ago ? pool->failure_text : NULL;
}

/* The next moment at which postern_worker_pool_maintain() has something to do that no event brings. */
static void schedule(PosternWorkerPool *pool)
{
    gint64 now = g_get_monotonic_time();
    gint64 next = G_MAXINT64;
    if (pool->not_before > now)
        next = pool->not_before;
    if (pool->failed_since != 0 && pool->failed_since + UNAVAILABLE_US > now)
        next = MIN(next, pool->failed_since + UNAVAILABLE_US);
    for (guint i = 0; i < pool->workers->len; i++) {
        const PosternWorkerProcess *worker = g_ptr_array_index(pool->workers, i);
        if (worker->state == POSTERN_WORKER_STARTING)
            next = MIN(next, worker->started + START_US);
    }
    if (next == G_MAXINT64) {
        evtimer_del(pool->maintenance);
        return;
    }
    gint64 wait = MAX(1000, next - now);
    struct timeval time = {.tv_sec = wait / G_USEC_PER_SEC, .tv_usec = wait % G_USEC_PER_SEC};
    evtimer_add(pool->maintenance, &time);
}

/* Something that must be there to serve could not be brought up: said loudly, tried again after a growing
 * pause. */
static void note_failure(PosternWorkerPool *pool, const char *text)
{
    gint64 now = g_get_monotonic_time();
    gint64 pause = PAUSE_FIRST_US;
    for (guint i = 0; i < MIN(pool->failures, 16); i++)
        pause = MIN(i == 0 ? G_USEC_PER_SEC : pause * 2, PAUSE_MAX_US);
    pool->failures++;
    pool->not_before = now + pause;
    char *copy = g_strdup(text);
    g_free(pool->failure_text);
    pool->failure_text = copy;
    if (pool->failed_since == 0 && !has_proved_worker(pool))
        pool->failed_since = now;
    postern_log(POSTERN_LOG_ERROR, "no worker could be started: %s; the next attempt is in %.1f s", text,
                (double)pause / G_USEC_PER_SEC);
}

static void forget_worker(PosternWorkerPool *pool, PosternWorkerProcess *worker)
{
    g_ptr_array_remove_fast(pool->workers, worker);
}

void postern_worker_pool_drop_worker(PosternWorkerPool *pool, PosternWorkerProcess *worker)
{
    forget_worker(pool, worker);
    postern_worker_pool_maintain(pool);
}

/* Its workers get no more requests; those that have none end now. */
static void retire(PosternWorkerPool *pool, PosternTemplateProcess *process)
{
    process->retired = TRUE;
    for (guint i = pool->workers->len; i > 0; i--) {
        PosternWorkerProcess *worker = g_ptr_array_index(pool->workers, i - 1);
        if (worker->template_process != process)
            continue;
        worker->leaving = TRUE;
        if (worker->state != POSTERN_WORKER_BUSY)
            forget_worker(pool, worker);
    }
}

static void give_up(PosternWorkerPool *pool, PosternTemplateProcess *process, const char *text)
{
    if (process == pool->next) {
        pool->next = NULL;
        postern_log(POSTERN_LOG_ERROR, "the new signatures cannot serve, those in use stay: %s", text);
    } else if (process == pool->current) {
        pool->current = NULL;
        note_failure(pool, text);
    }
    retire(pool, process);
}

static void start_failed(PosternWorkerPool *pool, PosternTemplateProcess *process, const char *text)
{
    process->start_failures++;
    if (process == pool->next || process->start_failures >= POSTERN_INSPECTOR_START_FAILURES_MAX)
        give_up(pool, process, text);
    else if (process == pool->current)
        note_failure(pool, text);
}

void postern_worker_pool_renew(PosternWorkerPool *pool)
{
    g_autoptr(GError) error = NULL;
    if (pool->next != NULL)
        retire(pool, g_steal_pointer(&pool->next));
    if (!postern_worker_pool_start_template(pool, &pool->next, &error)) {
        postern_log(POSTERN_LOG_ERROR, "the signatures cannot be loaded anew, those in use stay: %s",
                    error->message);
    }
}

static void note_crash(PosternWorkerPool *pool)
{
    gint64 now = g_get_monotonic_time();
    postern_crashes_note(&pool->crashes, now);
    if (postern_crashes_count(&pool->crashes, now, CRASH_WINDOW_US) < POSTERN_INSPECTOR_CRASHES_MAX ||
        pool->next != NULL)
        return;
    postern_crashes_clear(&pool->crashes);
    postern_log(POSTERN_LOG_WARNING,
                "%d workers crashed within %d s: the signatures are loaded anew, to another place in memory",
                POSTERN_INSPECTOR_CRASHES_MAX, POSTERN_INSPECTOR_CRASH_WINDOW_SECONDS);
    postern_worker_pool_renew(pool);
}

/* What becomes of a dead worker's request. A worker that died with its template is not the request's fault.
 */
static void lose_worker(PosternWorkerPool *pool, PosternWorkerProcess *worker, const char *text,
                        gboolean with_template)
{
    PosternTemplateProcess *process = worker->template_process;
    PosternJob *job = worker->job;
    gboolean starting = worker->state == POSTERN_WORKER_STARTING;
    gboolean expected = with_template || worker->leaving;
    if (job != NULL) {
        postern_log(POSTERN_LOG_WARNING, "worker %d died while it inspected a message for user %u",
                    (int)worker->process, job->user);
        postern_worker_pool_job_lost(pool, job, !with_template);
    } else if (!starting && !expected) {
        postern_log(POSTERN_LOG_WARNING, "worker %d died while it had nothing to do", (int)worker->process);
    }
    forget_worker(pool, worker);
    if (starting && !expected)
        start_failed(pool, process, text != NULL ? text : "a new worker died before it could prove itself");
    else if (!with_template && (job != NULL || !expected))
        note_crash(pool);
}

static void on_worker_ended(PosternWorkerProcess *worker, const char *text, gpointer user_data)
{
    PosternWorkerPool *pool = user_data;
    gboolean with_template = postern_template_process_is_dead(worker->template_process);
    g_autofree char *copy = g_strdup(text);
    lose_worker(pool, worker, copy, with_template);
    postern_worker_pool_maintain(pool);
    postern_worker_pool_dispatch(pool);
}

static void announce(PosternWorkerPool *pool, PosternTemplateProcess *process, gboolean confined)
{
    process->announced = TRUE;
    postern_log(POSTERN_LOG_NOTICE, "ready: %" G_GUINT64_FORMAT " signatures, %u workers",
                process->signatures, workers_wanted(pool));
    if (!confined) {
        postern_log(POSTERN_LOG_WARNING,
                    "this kernel has no Landlock: a worker may read what user %u may; "
                    "use a kernel of 5.13 or later with Landlock enabled",
                    (guint)geteuid());
    }
}

static void on_worker_ready(PosternWorkerProcess *worker, gboolean confined, gpointer user_data)
{
    PosternWorkerPool *pool = user_data;
    PosternTemplateProcess *process = worker->template_process;
    process->start_failures = 0;
    if (process == pool->next) {
        if (pool->current != NULL)
            retire(pool, pool->current);
        pool->current = process;
        pool->next = NULL;
    }
    if (process == pool->current) {
        pool->failures = 0;
        pool->failed_since = 0;
        pool->not_before = 0;
        g_clear_pointer(&pool->failure_text, g_free);
    }
    if (!process->announced)
        announce(pool, process, confined);
    postern_worker_pool_maintain(pool);
    postern_worker_pool_dispatch(pool);
}

static void on_worker_answered(PosternWorkerProcess *worker, const PosternPacket *packet, int descriptor,
                               gpointer user_data)
{
    PosternWorkerPool *pool = user_data;
    PosternJob *job = g_steal_pointer(&worker->job);
    job->worker = NULL;
    postern_worker_pool_answer(pool, job, packet, descriptor);
    if (worker->leaving || worker->requests >= POSTERN_INSPECTOR_WORKER_REQUESTS_MAX)
        postern_worker_pool_drop_worker(pool, worker);
    postern_worker_pool_dispatch(pool);
}

static const PosternWorkerCalls worker_calls = {
    .ready = on_worker_ready, .answered = on_worker_answered, .ended = on_worker_ended};

static PosternWorkerProcess *find_worker(const PosternWorkerPool *pool, guint64 number)
{
    for (guint i = 0; i < pool->workers->len; i++) {
        PosternWorkerProcess *worker = g_ptr_array_index(pool->workers, i);
        if (worker->number == number)
            return worker;
    }
    return NULL;
}

static void on_template_ready(PosternTemplateProcess *process, gpointer user_data)
{
    postern_worker_pool_maintain(user_data);
}

static void on_template_forked(PosternTemplateProcess *process, guint64 number, GPid pid, int descriptor,
                               gpointer user_data)
{
    PosternWorkerProcess *worker = find_worker(user_data, number);
    if (worker != NULL && worker->descriptor < 0) {
        postern_worker_process_adopt(worker, pid, descriptor);
    } else {
        pidfd_send_signal(descriptor, SIGKILL, NULL, 0);
        close(descriptor);
    }
}

static void on_template_failed(PosternTemplateProcess *process, guint64 number, const char *text,
                               gpointer user_data)
{
    PosternWorkerPool *pool = user_data;
    PosternWorkerProcess *worker = find_worker(pool, number);
    if (worker != NULL) {
        forget_worker(pool, worker);
        start_failed(pool, process, text);
        postern_worker_pool_maintain(pool);
    }
}

static void on_template_ended(PosternTemplateProcess *process, const char *text, gpointer user_data)
{
    PosternWorkerPool *pool = user_data;
    for (guint i = pool->workers->len; i > 0; i--) {
        PosternWorkerProcess *worker = g_ptr_array_index(pool->workers, i - 1);
        if (worker->template_process == process)
            lose_worker(pool, worker, NULL, TRUE);
    }
    give_up(pool, process, text);
    g_ptr_array_remove_fast(pool->templates, process);
    postern_worker_pool_maintain(pool);
    postern_worker_pool_dispatch(pool);
}

static const PosternTemplateCalls template_calls = {.ready = on_template_ready,
                                                    .forked = on_template_forked,
                                                    .failed = on_template_failed,
                                                    .ended = on_template_ended};

gboolean postern_worker_pool_start_template(PosternWorkerPool *pool, PosternTemplateProcess **ret_process,
                                            GError **error)
{
    PosternTemplateProcess *process =
        postern_template_process_new(pool->loop, pool->program, ++pool->last_number, pool->configuration,
                                     pool->directory, &template_calls, pool, error);
    if (process != NULL)
        g_ptr_array_add(pool->templates, process);
    *ret_process = process;
    return process != NULL;
}

static gboolean start_worker(PosternWorkerPool *pool, PosternTemplateProcess *process)
{
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        start_failed(pool, process, "no pair of sockets can be had");
        return FALSE;
    }
    evutil_make_socket_nonblocking(sockets[0]);
    PosternWorkerProcess *worker =
        postern_worker_process_new(pool->loop, ++pool->last_number, sockets[0], &worker_calls, pool);
    worker->template_process = process;
    g_ptr_array_add(pool->workers, worker);
    gboolean asked = postern_template_process_fork(process, worker->number, sockets[1]);
    close(sockets[1]);
    if (!asked) {
        /* Its end is about to be told. */
        forget_worker(pool, worker);
    }
    return asked;
}

static void start_workers(PosternWorkerPool *pool, PosternTemplateProcess *process)
{
    while (process != NULL && process->loaded && !process->retired &&
           count_workers(pool, process) < workers_wanted(pool))
        if (!start_worker(pool, process))
            return;
}

static void end_retired(PosternWorkerPool *pool)
{
    for (guint i = 0; i < pool->templates->len; i++) {
        PosternTemplateProcess *process = g_ptr_array_index(pool->templates, i);
        guint busy = 0;
        for (guint j = 0; process->retired && j < pool->workers->len; j++) {
            const PosternWorkerProcess *worker = g_ptr_array_index(pool->workers, j);
            busy += worker->template_process == process;
        }
        if (process->retired && busy == 0)
            postern_template_process_end(process);
    }
}

static void drop_stuck(PosternWorkerPool *pool)
{
    gint64 now = g_get_monotonic_time();
    for (guint i = pool->workers->len; i > 0; i--) {
        PosternWorkerProcess *worker = g_ptr_array_index(pool->workers, i - 1);
        if (worker->state == POSTERN_WORKER_STARTING && now - worker->started >= START_US) {
            PosternTemplateProcess *process = worker->template_process;
            forget_worker(pool, worker);
            start_failed(pool, process, "a new worker did not prove itself in time");
            return;
        }
    }
}

void postern_worker_pool_maintain(PosternWorkerPool *pool)
{
    g_autoptr(GError) error = NULL;
    const char *unavailable = postern_worker_pool_unavailable(pool);
    if (unavailable != NULL)
        postern_worker_pool_fail_waiting(pool, unavailable);
    drop_stuck(pool);
    if (g_get_monotonic_time() >= pool->not_before) {
        if (pool->current == NULL)
            pool->current = g_steal_pointer(&pool->next);
        if (pool->current == NULL && !postern_worker_pool_start_template(pool, &pool->current, &error))
            note_failure(pool, error->message);
        start_workers(pool, pool->current);
        start_workers(pool, pool->next);
    }
    end_retired(pool);
    schedule(pool);
}
