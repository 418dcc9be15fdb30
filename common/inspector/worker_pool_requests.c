#include "inspector/worker_pool_private.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"

static void on_job_timer(evutil_socket_t descriptor, short what, void *data);

static PosternQueue *queue_of(const PosternJob *job)
{
    const PosternWorkerGroup *group = job->group;
    return group->queue;
}

static void job_end(PosternWorkerPool *pool, PosternJob *job)
{
    g_hash_table_remove(pool->jobs, job);
    postern_worker_pool_check_drained(pool);
}

static void job_fail(PosternWorkerPool *pool, PosternJob *job, PosternFailure failure, const char *text)
{
    postern_job_fail(job, failure, text);
    job_end(pool, job);
}

static void refuse(PosternConnection *connection, const PosternPacket *request, const int *descriptors,
                   guint count, PosternFailure failure, const char *text)
{
    PosternPacket packet = {.kind = POSTERN_PACKET_FAILURE, .id = request->id, .failure = failure};
    postern_packet_set_text(&packet, text);
    for (guint i = 0; i < count; i++)
        close(descriptors[i]);
    postern_connection_send(connection, &packet, -1);
}

static PosternAccount *account_of(PosternWorkerPool *pool, guint user)
{
    gpointer key = GUINT_TO_POINTER(user);
    PosternAccount *account = g_hash_table_lookup(pool->accounts, key);
    if (account == NULL) {
        account = g_new0(PosternAccount, 1);
        account->user = user;
        g_hash_table_insert(pool->accounts, key, account);
    }
    return account;
}

static gboolean is_paused(PosternWorkerPool *pool, guint origin)
{
    const PosternAccount *account = g_hash_table_lookup(pool->origins, GUINT_TO_POINTER(origin));
    return account != NULL && postern_account_is_paused(account, g_get_monotonic_time());
}

static gboolean remembers_nothing(gpointer key, gpointer account, gpointer now)
{
    return postern_account_is_idle(account, *(const gint64 *)now);
}

/* Each crash costs a worker, so this table grows no faster than workers can be made. */
static PosternAccount *origin_account(PosternWorkerPool *pool, guint origin, gint64 now)
{
    PosternAccount *account = g_hash_table_lookup(pool->origins, GUINT_TO_POINTER(origin));
    if (account == NULL) {
        if (g_hash_table_size(pool->origins) >= POSTERN_INSPECTOR_ORIGINS_MAX)
            g_hash_table_foreach_remove(pool->origins, remembers_nothing, &now);
        account = g_new0(PosternAccount, 1);
        g_hash_table_insert(pool->origins, GUINT_TO_POINTER(origin), account);
    }
    return account;
}

static void on_request(PosternConnection *connection, const PosternPacket *packet, const int *descriptors,
                       guint count, gpointer user_data)
{
    PosternWorkerPool *pool = user_data;
    PosternWorkerGroup *group = pool->groups[packet->role];
    const char *unavailable = postern_worker_group_unavailable(group);
    const char *reason = NULL;
    guint user = postern_connection_user(connection);
    if (!postern_worker_group_is_wanted(group, &reason)) {
        refuse(connection, packet, descriptors, count, POSTERN_FAILURE_INVALID, reason);
        return;
    }
    if (unavailable != NULL) {
        refuse(connection, packet, descriptors, count, POSTERN_FAILURE_UNAVAILABLE, unavailable);
        return;
    }
    if (is_paused(pool, (guint)packet->value ^ user)) {
        refuse(connection, packet, descriptors, count, POSTERN_FAILURE_CRASHED,
               "too many requests for this client crashed a worker; it must pause");
        return;
    }
    guint timeout_ms = pool->configuration->inspector.scan_timeout_ms;
    PosternJob *job = postern_job_new(connection, packet, descriptors, count, timeout_ms);
    if (!postern_queue_push(group->queue, user, job)) {
        postern_job_fail(job, POSTERN_FAILURE_OVERLOADED, "too many requests wait for a worker");
        postern_job_free(job);
        return;
    }
    job->group = group;
    job->timer = evtimer_new(pool->loop, on_job_timer, job);
    postern_job_set_timer(job, G_MAXUINT);
    g_hash_table_add(pool->jobs, job);
    postern_worker_pool_dispatch(group);
}

static void on_closed(PosternConnection *connection, gpointer user_data)
{
    PosternWorkerPool *pool = user_data;
    GHashTableIter iterator;
    gpointer key = NULL;
    PosternAccount *account = account_of(pool, postern_connection_user(connection));
    account->connections--;
    g_hash_table_iter_init(&iterator, pool->jobs);
    while (g_hash_table_iter_next(&iterator, &key, NULL)) {
        PosternJob *job = key;
        if (job->connection != connection)
            continue;
        job->connection = NULL;
        if (job->worker == NULL) {
            postern_queue_remove(queue_of(job), job->user, job);
            g_hash_table_iter_remove(&iterator);
        }
    }
    if (postern_account_is_idle(account, g_get_monotonic_time()))
        g_hash_table_remove(pool->accounts, GUINT_TO_POINTER(account->user));
    g_hash_table_remove(pool->connections, connection);
    postern_worker_pool_check_drained(pool);
}

static const PosternConnectionCalls connection_calls = {.request = on_request, .closed = on_closed};

static void on_job_timer(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    PosternJob *job = data;
    PosternWorkerGroup *group = job->group;
    PosternWorkerPool *pool = group->pool;
    PosternWorkerProcess *worker = job->worker;
    if (worker == NULL) {
        postern_queue_remove(group->queue, job->user, job);
        const char *why = group->failure_text != NULL ? group->failure_text : "no worker was free in time";
        job_fail(pool, job, POSTERN_FAILURE_TIMEOUT, why);
        return;
    }
    postern_log(POSTERN_LOG_WARNING, "worker %d was killed: its request was over its time",
                (int)worker->process);
    job_fail(pool, job, POSTERN_FAILURE_TIMEOUT, "the inspection took too long");
    postern_worker_group_drop_worker(group, worker);
}

static gboolean assign(PosternWorkerPool *pool, PosternWorkerProcess *worker, PosternJob *job)
{
    if (!postern_worker_process_send(worker, ++pool->last_number, job->descriptors, job->count))
        return FALSE;
    worker->job = job;
    job->worker = worker;
    postern_job_set_timer(job, pool->configuration->inspector.scan_timeout_ms);
    return TRUE;
}

void postern_worker_pool_dispatch(PosternWorkerGroup *group)
{
    for (guint i = 0; i < group->workers->len; i++) {
        PosternWorkerProcess *worker = g_ptr_array_index(group->workers, i);
        if (worker->state != POSTERN_WORKER_IDLE || worker->leaving)
            continue;
        PosternJob *job = postern_queue_pop(group->queue);
        if (job == NULL)
            return;
        if (!assign(group->pool, worker, job)) {
            /* Its end will be told by its socket, and brings another. */
            worker->leaving = TRUE;
            postern_queue_push_back(group->queue, job);
        }
    }
}

void postern_worker_pool_answer(PosternWorkerPool *pool, PosternJob *job, const PosternPacket *packet,
                                int descriptor)
{
    PosternPacket answer = *packet;
    answer.id = job->id;
    if (job->connection != NULL)
        postern_connection_send(job->connection, &answer, descriptor);
    else if (descriptor >= 0)
        close(descriptor);
    job_end(pool, job);
}

void postern_worker_pool_job_lost(PosternWorkerPool *pool, PosternJob *job, gboolean crashed)
{
    gint64 now = g_get_monotonic_time();
    job->worker->job = NULL;
    job->worker = NULL;
    job->deaths += crashed;
    if (crashed && postern_account_note_crash(origin_account(pool, job->origin, now), now)) {
        postern_log(
            POSTERN_LOG_WARNING,
            "one client's mail, asked for by user %u, crashed %d workers; it must pause for %d seconds",
            job->user, POSTERN_INSPECTOR_CLIENT_CRASHES_MAX, POSTERN_INSPECTOR_CLIENT_PAUSE_SECONDS);
    }
    if (job->deaths >= POSTERN_INSPECTOR_REQUEST_DEATHS_MAX) {
        job_fail(pool, job, POSTERN_FAILURE_CRASHED, "two workers died of this request");
    } else if (job->connection == NULL) {
        job_end(pool, job);
    } else {
        postern_queue_push_back(queue_of(job), job);
        postern_job_set_timer(job, G_MAXUINT);
    }
}

void postern_worker_pool_fail_waiting(PosternWorkerGroup *group, PosternFailure failure, const char *text)
{
    for (PosternJob *job = postern_queue_pop(group->queue); job != NULL;
         job = postern_queue_pop(group->queue))
        job_fail(group->pool, job, failure, text);
}

static gboolean has_room(PosternWorkerPool *pool, const PosternAccount *account)
{
    return account->connections < POSTERN_INSPECTOR_CLIENTS_MAX / 2 &&
           g_hash_table_size(pool->connections) < POSTERN_INSPECTOR_CLIENTS_MAX;
}

static void add_client(PosternWorkerPool *pool, int socket)
{
    PosternConnection *connection = postern_connection_new(pool->loop, socket, &connection_calls, pool);
    if (connection == NULL)
        return;
    PosternAccount *account = account_of(pool, postern_connection_user(connection));
    if (!has_room(pool, account)) {
        postern_connection_free(connection);
        return;
    }
    account->connections++;
    g_hash_table_add(pool->connections, connection);
}

static void on_acceptable(evutil_socket_t listening, short what, void *data)
{
    (void)what;
    PosternWorkerPool *pool = data;
    int socket = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (socket >= 0) {
        add_client(pool, socket);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        static const struct timeval pause = {.tv_usec = 100000};
        event_del(pool->acceptable);
        evtimer_add(pool->accept_again, &pause);
    }
}

static void on_accept_again(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    PosternWorkerPool *pool = data;
    event_add(pool->acceptable, NULL);
}

void postern_worker_pool_open(PosternWorkerPool *pool)
{
    pool->acceptable = event_new(pool->loop, pool->listening, EV_READ | EV_PERSIST, on_acceptable, pool);
    pool->accept_again = evtimer_new(pool->loop, on_accept_again, pool);
    event_add(pool->acceptable, NULL);
}

void postern_worker_pool_close(PosternWorkerPool *pool)
{
    GHashTableIter iterator;
    gpointer key = NULL;
    g_clear_pointer(&pool->acceptable, event_free);
    g_clear_pointer(&pool->accept_again, event_free);
    if (pool->listening >= 0) {
        close(pool->listening);
        pool->listening = -1;
    }
    g_hash_table_iter_init(&iterator, pool->connections);
    while (g_hash_table_iter_next(&iterator, &key, NULL))
        postern_connection_stop(key);
}
