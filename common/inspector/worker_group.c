#include "inspector/worker_group.h"

#include <signal.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "inspector/held_files.h"
#include "inspector/worker_pool_private.h"

#define CRASH_WINDOW_US (POSTERN_INSPECTOR_CRASH_WINDOW_SECONDS * G_USEC_PER_SEC)
#define UNAVAILABLE_US (POSTERN_INSPECTOR_UNAVAILABLE_SECONDS * G_USEC_PER_SEC)
#define START_US (POSTERN_INSPECTOR_WORKER_START_SECONDS * G_USEC_PER_SEC)
#define PAUSE_FIRST_US (G_USEC_PER_SEC / 10)
#define PAUSE_MAX_US (60 * G_USEC_PER_SEC)

/* What differs between the roles in what is said of them. */
static const struct {
    const char *stock; /* what their templates load */
    const char *work;  /* what their workers do with a message */
    const char *ready;
    guint workers_max;
} roles[] = {
    [POSTERN_ROLE_SCAN] = {"signatures", "inspected", "ready", POSTERN_INSPECTOR_WORKERS_MAX},
    [POSTERN_ROLE_LIGHT] = {"light checks", "read", "ready for envelopes and headers",
                            POSTERN_INSPECTOR_LIGHT_WORKERS_MAX},
    [POSTERN_ROLE_SIGN] = {"keys", "signed", "ready to sign", POSTERN_INSPECTOR_SIGNERS_MAX},
};

gboolean postern_worker_group_is_wanted(const PosternWorkerGroup *group, const char **ret_reason)
{
    const char *table = group->pool->configuration->sign.table;
    *ret_reason = "there are no keys to sign with: [sign] table is empty in the inspector's configuration";
    return group->role != POSTERN_ROLE_SIGN || (table != NULL && table[0] != '\0');
}

const char *postern_worker_group_stock(const PosternWorkerGroup *group)
{
    return roles[group->role].stock;
}

guint postern_worker_group_workers(const PosternWorkerGroup *group)
{
    guint wanted = group->pool->configuration->inspector.workers;
    return CLAMP(wanted != 0 ? wanted : g_get_num_processors(), 1, roles[group->role].workers_max);
}

static guint count_workers(const PosternWorkerGroup *group, const PosternTemplateProcess *process,
                           gboolean tested)
{
    guint count = 0;
    for (guint i = 0; i < group->workers->len; i++) {
        const PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i);
        count += worker->template_process == process && !worker->leaving && !worker->spare &&
                 (!tested || worker->state != POSTERN_WORKER_STARTING);
    }
    return count;
}

gboolean postern_worker_group_has_tested_worker(const PosternWorkerGroup *group)
{
    for (guint i = 0; i < group->workers->len; i++) {
        const PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i);
        if (worker->state != POSTERN_WORKER_STARTING)
            return TRUE;
    }
    return FALSE;
}

const char *postern_worker_group_unavailable(const PosternWorkerGroup *group)
{
    gboolean long_ago =
        group->failed_since != 0 && g_get_monotonic_time() - group->failed_since >= UNAVAILABLE_US;
    return long_ago ? group->failure_text : NULL;
}

/* The next moment at which postern_worker_group_maintain() has something to do that no event brings. */
static void schedule(PosternWorkerGroup *group)
{
    gint64 now = g_get_monotonic_time();
    gint64 next = G_MAXINT64;
    if (group->not_before > now)
        next = group->not_before;
    if (group->failed_since != 0 && group->failed_since + UNAVAILABLE_US > now)
        next = MIN(next, group->failed_since + UNAVAILABLE_US);
    if (group->stopping != 0)
        next = MIN(next, group->stopping);
    if (group->retry_at != 0)
        next = MIN(next, group->retry_at);
    for (guint i = 0; i < group->workers->len; i++) {
        const PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i);
        if (worker->state == POSTERN_WORKER_STARTING)
            next = MIN(next, worker->started + START_US);
        else if (worker->spare && worker->state == POSTERN_WORKER_IDLE)
            next = MIN(next, worker->idle_since + POSTERN_WORKER_SPARE_IDLE_US);
    }
    if (next == G_MAXINT64) {
        evtimer_del(group->maintenance);
        return;
    }
    gint64 wait = MAX(1000, next - now);
    struct timeval time = {.tv_sec = wait / G_USEC_PER_SEC, .tv_usec = wait % G_USEC_PER_SEC};
    evtimer_add(group->maintenance, &time);
}

/* Something that must be there to serve could not be brought up: said loudly, tried again after a growing
 * pause. */
static void note_failure(PosternWorkerGroup *group, const char *text)
{
    gint64 now = g_get_monotonic_time();
    gint64 pause = PAUSE_FIRST_US;
    for (guint i = 0; i < MIN(group->failures, 16); i++)
        pause = MIN(i == 0 ? G_USEC_PER_SEC : pause * 2, PAUSE_MAX_US);
    group->failures++;
    group->not_before = now + pause;
    char *copy = g_strdup(text);
    g_free(group->failure_text);
    group->failure_text = copy;
    if (group->failed_since == 0 && !postern_worker_group_has_tested_worker(group))
        group->failed_since = now;
    postern_log(POSTERN_LOG_ERROR, "no worker could be started: %s; the next attempt is in %.1f s", text,
                (double)pause / G_USEC_PER_SEC);
}

void postern_worker_group_forget_worker(PosternWorkerGroup *group, PosternWorkerProcess *worker)
{
    g_ptr_array_remove_fast(group->workers, worker);
}

void postern_worker_group_drop_worker(PosternWorkerGroup *group, PosternWorkerProcess *worker)
{
    postern_worker_group_forget_worker(group, worker);
    postern_worker_group_maintain(group);
}

void postern_worker_group_retire(PosternWorkerGroup *group, PosternTemplateProcess *process)
{
    process->retired = TRUE;
    for (guint i = group->workers->len; i > 0; i--) {
        PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i - 1);
        if (worker->template_process != process)
            continue;
        worker->leaving = TRUE;
        if (worker->state == POSTERN_WORKER_BUSY)
            continue;
        postern_worker_process_yield(worker); /* so that its end, which frees much, holds up nobody */
        postern_worker_group_forget_worker(group, worker);
    }
}

static void give_up(PosternWorkerGroup *group, PosternTemplateProcess *process, const char *text)
{
    if (process == group->next)
        postern_worker_group_note_not_renewed(group, text);
    else if (process == group->current) {
        group->current = NULL;
        group->only_held = !process->announced && group->held->len > 0;
        note_failure(group, text);
    }
    postern_worker_group_retire(group, process);
}

static void start_failed(PosternWorkerGroup *group, PosternTemplateProcess *process, const char *text)
{
    process->start_failures++;
    if (process == group->next || process->start_failures >= POSTERN_INSPECTOR_START_FAILURES_MAX)
        give_up(group, process, text);
    else if (process == group->current)
        note_failure(group, text);
}

static void note_crash(PosternWorkerGroup *group)
{
    gint64 now = g_get_monotonic_time();
    postern_crashes_note(&group->crashes, now);
    if (postern_crashes_count(&group->crashes, now, CRASH_WINDOW_US) < POSTERN_INSPECTOR_CRASHES_MAX ||
        group->next != NULL)
        return;
    postern_crashes_clear(&group->crashes);
    postern_log(POSTERN_LOG_WARNING,
                "%d workers crashed within %d s: the %s are loaded anew, to another place in memory",
                POSTERN_INSPECTOR_CRASHES_MAX, POSTERN_INSPECTOR_CRASH_WINDOW_SECONDS,
                roles[group->role].stock);
    postern_worker_group_renew(group, FALSE);
}

/* What becomes of a dead worker's request. A worker that died with its template is not the request's fault.
 */
static void lose_worker(PosternWorkerGroup *group, PosternWorkerProcess *worker, const char *text,
                        gboolean with_template)
{
    PosternTemplateProcess *process = worker->template_process;
    PosternJob *job = worker->job;
    gboolean starting = worker->state == POSTERN_WORKER_STARTING;
    gboolean expected = with_template || worker->leaving;
    if (job != NULL) {
        postern_log(POSTERN_LOG_WARNING, "worker %d died while it %s a message for user %u",
                    (int)worker->process, roles[group->role].work, job->user);
        if (!with_template)
            postern_worker_group_mourn(group, worker, job);
        postern_worker_pool_job_lost(group->pool, job, !with_template);
    } else if (!starting && !expected) {
        postern_log(POSTERN_LOG_WARNING, "worker %d died while it had nothing to do", (int)worker->process);
    }
    postern_worker_group_forget_worker(group, worker);
    if (starting && !expected)
        start_failed(group, process, text != NULL ? text : "a new worker died before it could prove itself");
    else if (!with_template && (job != NULL || !expected))
        note_crash(group);
}

static void on_worker_ended(PosternWorkerProcess *worker, const char *text, gpointer user_data)
{
    PosternWorkerGroup *group = user_data;
    gboolean with_template = postern_template_process_is_dead(worker->template_process);
    g_autofree char *copy = g_strdup(text);
    lose_worker(group, worker, copy, with_template);
    postern_worker_group_maintain(group);
    postern_worker_pool_dispatch(group);
}

static void announce(PosternWorkerGroup *group, PosternTemplateProcess *process, gboolean confined)
{
    gboolean lacks_signatures = postern_worker_group_lacks_signatures(group, process);
    process->announced = TRUE;
    postern_worker_group_hold(group, process);
    if (group->role == POSTERN_ROLE_SCAN)
        postern_worker_group_notify_manager(group->pool, lacks_signatures);
    if (process->clamd[0] != '\0')
        postern_log(POSTERN_LOG_NOTICE, "%s%s: scanned by clamd, %u workers", roles[group->role].ready,
                    lacks_signatures ? ", but not to scan for viruses" : "",
                    postern_worker_group_workers(group));
    else if (group->role == POSTERN_ROLE_LIGHT)
        postern_log(POSTERN_LOG_NOTICE, "%s: %u workers", roles[group->role].ready,
                    postern_worker_group_workers(group));
    else
        postern_log(POSTERN_LOG_NOTICE, "%s%s: %" G_GUINT64_FORMAT " %s, %u workers",
                    roles[group->role].ready, lacks_signatures ? ", but not to scan for viruses" : "",
                    process->loaded_count, roles[group->role].stock, postern_worker_group_workers(group));
    if (!confined)
        postern_worker_group_warn_unconfined(group);
}

static void on_worker_ready(PosternWorkerProcess *worker, gboolean confined, gpointer user_data)
{
    PosternWorkerGroup *group = user_data;
    PosternTemplateProcess *process = worker->template_process;
    process->start_failures = 0;
    gboolean all = count_workers(group, process, TRUE) >= postern_worker_group_workers(group);
    if (process == group->next && (all || group->current == NULL)) {
        if (group->current != NULL)
            postern_worker_group_retire(group, group->current);
        group->current = process;
        group->next = NULL;
        group->hurried = FALSE;
    }
    if (process == group->current) {
        group->failures = 0;
        group->failed_since = 0;
        group->not_before = 0;
        g_clear_pointer(&group->failure_text, g_free);
    }
    if (process == group->current && !process->announced)
        announce(group, process, confined);
    postern_worker_group_maintain(group);
    postern_worker_pool_dispatch(group);
}

static void on_worker_answered(PosternWorkerProcess *worker, PosternPacket *packet, gpointer user_data)
{
    PosternWorkerGroup *group = user_data;
    gboolean grew = (packet->value & POSTERN_ANSWER_GREW) != 0;
    if (grew)
        postern_log(POSTERN_LOG_NOTICE, "worker %d grew by its message, and ends", (int)worker->process);
    postern_worker_pool_answer(group->pool, worker->job, packet);
    if (grew || worker->leaving || worker->scans >= POSTERN_INSPECTOR_WORKER_SCANS_MAX ||
        worker->requests >= POSTERN_INSPECTOR_WORKER_REQUESTS_MAX)
        postern_worker_group_drop_worker(group, worker);
    else if (worker->spare)
        schedule(group);
    postern_worker_pool_dispatch(group);
}

static const PosternWorkerCalls worker_calls = {
    .ready = on_worker_ready, .answered = on_worker_answered, .ended = on_worker_ended};

static PosternWorkerProcess *find_worker(const PosternWorkerGroup *group, guint64 number)
{
    for (guint i = 0; i < group->workers->len; i++) {
        PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i);
        if (worker->number == number)
            return worker;
    }
    return NULL;
}

static void on_template_ready(PosternTemplateProcess *process, gpointer user_data)
{
    postern_worker_group_maintain(user_data);
}

/* One load at a time: what came in the meantime is loaded after it. */
static void on_template_changed(PosternTemplateProcess *process, gpointer user_data)
{
    PosternWorkerGroup *group = user_data;
    group->changed |= !process->retired;
    postern_worker_group_maintain(group);
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
    PosternWorkerGroup *group = user_data;
    PosternWorkerProcess *worker = find_worker(group, number);
    if (worker != NULL) {
        postern_worker_group_forget_worker(group, worker);
        start_failed(group, process, text);
        postern_worker_group_maintain(group);
    }
}

static void on_template_ended(PosternTemplateProcess *process, const char *text, gpointer user_data)
{
    PosternWorkerGroup *group = user_data;
    for (guint i = group->workers->len; i > 0; i--) {
        PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i - 1);
        if (worker->template_process == process)
            lose_worker(group, worker, NULL, TRUE);
    }
    give_up(group, process, text);
    g_ptr_array_remove_fast(group->templates, process);
    postern_worker_group_maintain(group);
    postern_worker_pool_dispatch(group);
}

const PosternTemplateCalls postern_worker_group_template_calls = {.ready = on_template_ready,
                                                                  .changed = on_template_changed,
                                                                  .forked = on_template_forked,
                                                                  .worker_ended =
                                                                      postern_worker_group_note_end,
                                                                  .failed = on_template_failed,
                                                                  .ended = on_template_ended};

gboolean postern_worker_group_start(PosternWorkerGroup *group, GError **error)
{
    return postern_worker_group_start_template(group, &group->current, error);
}

gboolean postern_worker_group_start_worker(PosternWorkerGroup *group, PosternTemplateProcess *process,
                                           gboolean spare)
{
    int sockets[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
        start_failed(group, process, "no pair of sockets can be had");
        return FALSE;
    }
    evutil_make_socket_nonblocking(sockets[0]);
    PosternWorkerProcess *worker = postern_worker_process_new(group->pool->loop, ++group->pool->last_number,
                                                              sockets[0], &worker_calls, group);
    worker->template_process = process;
    worker->spare = spare;
    g_ptr_array_add(group->workers, worker);
    gboolean asked = postern_template_process_fork(process, worker->number, sockets[1]);
    close(sockets[1]);
    if (!asked) { /* its end is about to be told, or the kernel has no room for the packet just now */
        postern_worker_group_forget_worker(group, worker);
        group->not_before = MAX(group->not_before, g_get_monotonic_time() + PAUSE_FIRST_US);
        schedule(group);
    }
    return asked;
}

/* The proof of a new worker is work: beside those that serve it is done one after the other. */
static gboolean is_one_starting(const PosternWorkerGroup *group, const PosternTemplateProcess *process)
{
    return process == group->next && group->current != NULL &&
           count_workers(group, process, TRUE) < count_workers(group, process, FALSE);
}

static void start_workers(PosternWorkerGroup *group, PosternTemplateProcess *process)
{
    while (process != NULL && process->loaded && !process->retired && !is_one_starting(group, process) &&
           count_workers(group, process, FALSE) < postern_worker_group_workers(group))
        if (!postern_worker_group_start_worker(group, process, FALSE))
            return;
}

static void end_retired(PosternWorkerGroup *group)
{
    for (guint i = 0; i < group->templates->len; i++) {
        PosternTemplateProcess *process = g_ptr_array_index(group->templates, i);
        guint busy = 0;
        for (guint j = 0; process->retired && j < group->workers->len; j++) {
            const PosternWorkerProcess *worker = g_ptr_array_index(group->workers, j);
            busy += worker->template_process == process;
        }
        if (process->retired && busy == 0)
            postern_template_process_end(process);
    }
}

static void drop_stuck(PosternWorkerGroup *group)
{
    gint64 now = g_get_monotonic_time();
    for (guint i = group->workers->len; i > 0; i--) {
        PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i - 1);
        if (worker->state == POSTERN_WORKER_STARTING && now - worker->started >= START_US) {
            PosternTemplateProcess *process = worker->template_process;
            postern_worker_group_forget_worker(group, worker);
            start_failed(group, process, "a new worker did not prove itself in time");
            return;
        }
    }
}

void postern_worker_group_maintain(PosternWorkerGroup *group)
{
    g_autoptr(GError) error = NULL;
    const char *reason = NULL;
    const char *unavailable = postern_worker_group_unavailable(group);
    if (unavailable != NULL)
        postern_worker_pool_fail_waiting(group, POSTERN_FAILURE_UNAVAILABLE, unavailable);
    drop_stuck(group);
    postern_worker_group_drop_idle_spares(group);
    if (!postern_worker_group_is_wanted(group, &reason)) {
        postern_worker_pool_fail_waiting(group, POSTERN_FAILURE_INVALID, reason);
    } else if (g_get_monotonic_time() >= group->not_before) {
        if (group->current == NULL)
            group->current = g_steal_pointer(&group->next);
        if (group->current == NULL && !postern_worker_group_is_stopping(group) &&
            !postern_worker_group_start_template(group, &group->current, &error))
            note_failure(group, error->message);
        postern_worker_group_renew_if_due(group);
        start_workers(group, group->current);
        start_workers(group, group->next);
    }
    end_retired(group);
    schedule(group);
    postern_worker_pool_tell_state(group);
}

static void on_maintenance(evutil_socket_t descriptor, short what, void *data)
{
    postern_worker_group_maintain(data);
    postern_worker_pool_dispatch(data);
}

PosternWorkerGroup *postern_worker_group_new(PosternWorkerPool *pool, PosternRole role, guint waiting)
{
    PosternWorkerGroup *group = g_new0(PosternWorkerGroup, 1);
    guint put_off = MIN(2 * POSTERN_INSPECTOR_PUT_OFF_MAX, waiting / 2); /* of which a user has half */
    group->pool = pool;
    group->role = role;
    group->queue = postern_queue_new(role == POSTERN_ROLE_SCAN ? waiting - put_off : waiting);
    group->put_off = postern_queue_new(put_off);
    group->templates = g_ptr_array_new_with_free_func((GDestroyNotify)postern_template_process_free);
    group->workers = g_ptr_array_new_with_free_func((GDestroyNotify)postern_worker_process_free);
    group->held = postern_held_files_new();
    group->mourned = g_array_new(FALSE, FALSE, sizeof(PosternDeath));
    group->maintenance = evtimer_new(pool->loop, on_maintenance, group);
    return group;
}

void postern_worker_group_end(PosternWorkerGroup *group)
{
    g_ptr_array_set_size(group->workers, 0);
    for (guint i = 0; i < group->templates->len; i++)
        postern_template_process_end(g_ptr_array_index(group->templates, i));
}

void postern_worker_group_free(PosternWorkerGroup *group)
{
    if (group == NULL)
        return;
    postern_queue_free(group->queue);
    postern_queue_free(group->put_off);
    postern_worker_group_end(group);
    g_ptr_array_unref(group->workers);
    g_ptr_array_unref(group->templates);
    g_ptr_array_unref(group->held);
    g_array_unref(group->mourned);
    event_free(group->maintenance);
    g_free(group->failure_text);
    g_free(group);
}
