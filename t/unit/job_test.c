/* The timer of a request that is in a worker. */
#include "inspector/job.h"

#include <sys/socket.h>
#include <unistd.h>

#define BUSY_MS 40
#define LIMIT_MS 60000

typedef struct {
    struct event_base *loop;
    PosternJob *job;
    PosternWorkerProcess *worker;
    guint slow;
} Case;

static void on_request(PosternConnection *connection, PosternPacket *packet, gpointer user_data)
{
}

static void on_closed(PosternConnection *connection, gpointer user_data)
{
}

static const PosternConnectionCalls client_calls = {.request = on_request, .closed = on_closed};
static const PosternWorkerCalls worker_calls;

static void on_job_timer(evutil_socket_t descriptor, short what, void *data)
{
    Case *one = data;
    g_assert_cmpint(postern_job_look(one->job), !=, POSTERN_JOB_OVER);
    one->slow = one->job->account->slow;
    if (one->slow > 0)
        event_base_loopbreak(one->loop);
}

static void on_other(evutil_socket_t descriptor, short what, void *data)
{
}

/* What the loop does before it in the same round: its time stands still meanwhile. */
static void on_busy(evutil_socket_t descriptor, short what, void *data)
{
    Case *one = data;
    for (gint64 end = g_get_monotonic_time() + BUSY_MS * 1000; g_get_monotonic_time() < end;)
        continue;
    postern_job_run(one->job, one->worker, LIMIT_MS, TRUE);
}

/* A timer that runs early is not the last that is heard of it. */
static void test_slow_after_a_busy_round(void)
{
    static const struct timeval at_once = {0}, soon = {.tv_usec = 10 * 1000};
    const struct timeval too_late = {.tv_sec = LIMIT_MS / 2000};
    int client[2], process[2];
    guint64 total = 0;
    Case one = {.loop = event_base_new()};
    PosternAccount account = {0};
    PosternPacket packet = {.kind = POSTERN_PACKET_REQUEST};
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, client), ==, 0);
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, process), ==, 0);
    PosternConnection *connection = postern_connection_new(one.loop, client[0], &client_calls, NULL);
    one.worker = postern_worker_process_new(one.loop, 1, process[0], &worker_calls, NULL);
    one.job = postern_job_new(connection, &account, &packet, LIMIT_MS, &total);
    one.job->timer = evtimer_new(one.loop, on_job_timer, &one);
    struct event *other = event_new(one.loop, -1, EV_PERSIST, on_other, NULL);
    event_add(other, &soon);
    postern_job_wait(one.job);
    g_assert_cmpint(event_base_once(one.loop, -1, EV_TIMEOUT, on_busy, &one, &at_once), ==, 0);
    event_base_loopexit(one.loop, &too_late);
    event_base_dispatch(one.loop);
    g_assert_cmpuint(one.slow, ==, 1);
    (void)postern_job_look(one.job);
    g_assert_cmpuint(account.slow, ==, 1);
    postern_job_free(one.job);
    g_assert_cmpuint(account.slow, ==, 0);
    postern_worker_process_free(one.worker);
    postern_connection_free(connection);
    event_free(other);
    event_base_free(one.loop);
    close(client[1]);
    close(process[1]);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/job/slow-after-a-busy-round", test_slow_after_a_busy_round);
    return g_test_run();
}
