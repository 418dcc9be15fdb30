#include "inspector/worker_pool_private.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "inspector_client/request.h"
#include "mail/envelope.h"

static void on_job_timer(evutil_socket_t descriptor, short what, void *data);

static PosternQueue *queue_of(const PosternJob *job)
{
    const PosternWorkerGroup *group = job->group;
    return job->put_off > 0 ? group->put_off : group->queue;
}

static void job_end(PosternWorkerPool *pool, PosternJob *job)
{
    g_hash_table_remove(pool->jobs, job);
    postern_worker_pool_check_drained(pool);
}

void postern_worker_pool_job_fail(PosternWorkerPool *pool, PosternJob *job, PosternFailure failure,
                                  const char *text)
{
    postern_counters_add(pool->counters, "inspections", "failed", 1);
    postern_job_fail(job, failure, text);
    job_end(pool, job);
}

static void refuse(PosternConnection *connection, const PosternPacket *request, PosternFailure failure,
                   const char *text)
{
    PosternPacket packet = {.kind = POSTERN_PACKET_FAILURE, .id = request->id, .failure = failure};
    postern_packet_set_text(&packet, text);
    postern_connection_send(connection, &packet);
}

/* It would only cost one more worker. What is asked about it that does not hang on its body is asked again,
 * without this. */
static void answer_unscannable(PosternConnection *connection, const PosternPacket *request)
{
    static const char text[] = "it has cost two workers, which crashed or were over their time";
    g_autoptr(PosternResponse) response = postern_response_new();
    g_auto(PosternPacket) packet = {.kind = POSTERN_PACKET_RESPONSE, .id = request->id};
    response->complete = POSTERN_CHECKS_KEPT;
    postern_virus_finding_note(&response->findings->virus, POSTERN_VIRUS_TOO_LARGE, text);
    postern_findings_replace(&response->findings->content.problem, text);
    postern_findings_replace(&response->findings->rules.undecided, text);
    g_autoptr(GBytes) octets = postern_response_serialise(response);
    if (postern_packet_set_content(&packet, octets, NULL, NULL))
        postern_connection_send(connection, &packet);
}

static guint connections_of(const PosternWorkerPool *pool, guint user)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(pool->users, GUINT_TO_POINTER(user)));
}

static void set_connections_of(PosternWorkerPool *pool, guint user, guint connections)
{
    if (connections == 0)
        g_hash_table_remove(pool->users, GUINT_TO_POINTER(user));
    else
        g_hash_table_insert(pool->users, GUINT_TO_POINTER(user), GUINT_TO_POINTER(connections));
}

static void on_request(PosternConnection *connection, PosternPacket *packet, gpointer user_data)
{
    PosternWorkerPool *pool = user_data;
    PosternWorkerGroup *group = pool->groups[packet->role];
    const char *unavailable = postern_worker_group_unavailable(group);
    const char *reason = NULL;
    guint user = postern_connection_user(connection);
    if (!postern_worker_group_is_wanted(group, &reason)) {
        refuse(connection, packet, POSTERN_FAILURE_INVALID, reason);
        return;
    }
    if (unavailable != NULL) {
        refuse(connection, packet, POSTERN_FAILURE_UNAVAILABLE, unavailable);
        return;
    }
    gint64 now = g_get_monotonic_time();
    const PosternAccountKey key = {.user = user, .client = packet->value};
    PosternAccount *account = postern_accounts_get(pool->accounts, &key, now);
    if (postern_account_is_paused(account, now)) {
        refuse(connection, packet, POSTERN_FAILURE_CRASHED,
               "too many requests for this client crashed a worker; it must pause");
        return;
    }
    if (group->role == POSTERN_ROLE_SCAN && postern_packet_has_fingerprint(packet) &&
        postern_memory_kills(pool->memory, user, packet->fingerprint, now)) {
        answer_unscannable(connection, packet);
        return;
    }
    guint timeout_ms = pool->configuration->inspector.scan_timeout_ms;
    PosternJob *job = postern_job_new(connection, account, packet, timeout_ms, &pool->octets);
    gboolean heavy = group->role == POSTERN_ROLE_SCAN && postern_account_is_heavy(account, now);
    guint maximum =
        heavy ? POSTERN_INSPECTOR_HEAVY_WAITING_MAX * postern_worker_group_workers(group) : G_MAXUINT;
    if (pool->octets > POSTERN_INSPECTOR_QUEUE_MAX_OCTETS ||
        !postern_queue_push(group->queue, user, account, maximum, job)) {
        postern_job_fail(job, POSTERN_FAILURE_OVERLOADED,
                         heavy ? "this client's mail takes too much time to scan; it must wait"
                               : "too many requests wait for a worker");
        postern_job_free(job);
        return;
    }
    job->group = group;
    job->goes_on = group->role == POSTERN_ROLE_SCAN && postern_packet_has_fingerprint(&job->packet);
    job->timer = evtimer_new(pool->loop, on_job_timer, job);
    postern_job_wait(job);
    g_hash_table_add(pool->jobs, job);
    postern_worker_pool_dispatch(group);
}

static void on_closed(PosternConnection *connection, gpointer user_data)
{
    PosternWorkerPool *pool = user_data;
    GHashTableIter iterator;
    gpointer key = NULL;
    guint user = postern_connection_user(connection);
    set_connections_of(pool, user, connections_of(pool, user) - 1);
    g_hash_table_iter_init(&iterator, pool->jobs);
    while (g_hash_table_iter_next(&iterator, &key, NULL)) {
        PosternJob *job = key;
        if (job->connection != connection)
            continue;
        job->connection = NULL;
        if (job->place == POSTERN_JOB_WAITS) {
            postern_queue_remove(queue_of(job), job->user, job->account, job);
            g_hash_table_iter_remove(&iterator);
        }
    }
    g_hash_table_remove(pool->connections, connection);
    postern_worker_pool_check_drained(pool);
}

static const PosternConnectionCalls connection_calls = {.request = on_request, .closed = on_closed};

static void on_job_timer(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    PosternJob *job = data;
    PosternWorkerGroup *group = job->group;
    if (job->place == POSTERN_JOB_RUNS) {
        postern_worker_pool_job_timer(group->pool, job);
        return;
    }
    postern_queue_remove(queue_of(job), job->user, job->account, job);
    const char *why = group->failure_text;
    if (why == NULL)
        why = postern_worker_group_has_tested_worker(group) ? "no worker was free in time"
                                                            : "signatures are being loaded";
    postern_worker_pool_job_fail(group->pool, job, POSTERN_FAILURE_TIMEOUT, why);
}

static const char *version_of(const PosternWorkerProcess *worker)
{
    const PosternTemplateProcess *process = worker->template_process;
    return process->version;
}

GBytes *postern_worker_pool_kept(PosternWorkerPool *pool, const PosternJob *job,
                                 const PosternWorkerProcess *worker)
{
    return job->goes_on ? postern_memory_find(pool->memory, job->packet.fingerprint, version_of(worker))
                        : NULL;
}

void postern_worker_pool_note_death(PosternWorkerPool *pool, guint user, const guint8 *fingerprint)
{
    static const guint8 none[POSTERN_FINGERPRINT_OCTETS];
    if (memcmp(fingerprint, none, sizeof none) != 0 &&
        postern_memory_note_death(pool->memory, user, fingerprint, g_get_monotonic_time()))
        postern_log(POSTERN_LOG_NOTICE,
                    "a message for user %u has cost two workers: from now on it is unscannable", user);
}

void postern_worker_pool_answer(PosternWorkerPool *pool, PosternJob *job, PosternPacket *packet)
{
    packet->id = job->packet.id;
    postern_counters_add(pool->counters, "inspections", "answered", 1);
    if ((packet->value & POSTERN_ANSWER_KEEP) != 0 && job->goes_on && packet->content_octets > 0) {
        postern_memory_keep(pool->memory, job->packet.fingerprint, version_of(job->worker), packet->octets);
        postern_log(POSTERN_LOG_DEBUG, "worker %d: its message is remembered", (int)job->worker->process);
    }
    if ((packet->value & POSTERN_ANSWER_GREW) != 0)
        postern_worker_pool_count_loss(job);
    postern_job_leave(job);
    if (job->connection != NULL)
        postern_connection_send(job->connection, packet);
    job_end(pool, job);
}

void postern_worker_pool_count_loss(PosternJob *job)
{
    PosternAccount *account = job->account;
    if (!postern_account_note_crash(account, g_get_monotonic_time()))
        return;
    g_autofree char *client = postern_client_number_to_string(account->key.client);
    postern_log(POSTERN_LOG_WARNING,
                "mail of client %s, asked for by user %u, cost %d workers; it must pause for %d seconds",
                client, job->user, POSTERN_INSPECTOR_CLIENT_CRASHES_MAX,
                POSTERN_INSPECTOR_CLIENT_PAUSE_SECONDS);
}

void postern_worker_pool_job_lost(PosternWorkerPool *pool, PosternJob *job, gboolean crashed)
{
    postern_job_leave(job);
    job->deaths += crashed;
    if (crashed)
        postern_worker_pool_count_loss(job);
    if (job->deaths >= POSTERN_INSPECTOR_REQUEST_DEATHS_MAX) {
        postern_worker_pool_job_fail(pool, job, POSTERN_FAILURE_CRASHED, "two workers died of this request");
    } else if (job->connection == NULL) {
        job_end(pool, job);
    } else {
        postern_queue_push_back(queue_of(job), job);
        postern_job_wait(job);
    }
}

void postern_worker_pool_fail_waiting(PosternWorkerGroup *group, PosternFailure failure, const char *text)
{
    PosternQueue *const queues[] = {group->queue, group->put_off};
    for (gsize i = 0; i < G_N_ELEMENTS(queues); i++)
        for (PosternJob *job = postern_queue_pop(queues[i], NULL, NULL); job != NULL;
             job = postern_queue_pop(queues[i], NULL, NULL))
            postern_worker_pool_job_fail(group->pool, job, failure, text);
}

static void tell(const PosternWorkerPool *pool, PosternConnection *connection)
{
    PosternPacket packet = {.kind = POSTERN_PACKET_READY, .value = pool->ready};
    postern_packet_set_text(&packet, pool->not_ready);
    postern_connection_send(connection, &packet);
}

static void tell_all(PosternWorkerPool *pool, gboolean ready, const char *reason)
{
    GHashTableIter iterator;
    gpointer key = NULL;
    if (ready == pool->ready && g_strcmp0(reason, pool->not_ready) == 0)
        return;
    char *copy = g_strdup(reason);
    g_free(pool->not_ready);
    pool->not_ready = copy;
    pool->ready = ready;
    g_hash_table_iter_init(&iterator, pool->connections);
    while (g_hash_table_iter_next(&iterator, &key, NULL))
        tell(pool, key);
}

/* A worker that is between two others is no reason to say that there is none. */
void postern_worker_pool_tell_state(PosternWorkerGroup *group)
{
    const char *unavailable = postern_worker_group_unavailable(group);
    if (group->role != POSTERN_ROLE_SCAN)
        return;
    if (unavailable != NULL)
        tell_all(group->pool, FALSE, unavailable);
    else if (postern_worker_group_has_tested_worker(group))
        tell_all(group->pool, TRUE, NULL);
}

static gboolean has_room(PosternWorkerPool *pool, guint user)
{
    return connections_of(pool, user) < pool->clients_maximum / 2 &&
           g_hash_table_size(pool->connections) < pool->clients_maximum;
}

static void add_client(PosternWorkerPool *pool, int socket)
{
    PosternConnection *connection = postern_connection_new(pool->loop, socket, &connection_calls, pool);
    if (connection == NULL)
        return;
    guint user = postern_connection_user(connection);
    if (!has_room(pool, user)) {
        postern_connection_free(connection);
        return;
    }
    set_connections_of(pool, user, connections_of(pool, user) + 1);
    g_hash_table_add(pool->connections, connection);
    tell(pool, connection);
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
