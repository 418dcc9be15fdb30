/* What a worker that is no longer ours may send to the pool: one answer to its request, or it is done with.
 */
#include "inspector/worker_process.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
    struct event_base *loop;
    PosternWorkerProcess *worker;
    int other; /* the worker's end */
    guint ready, answered, ended;
    guint64 answer; /* the id of the last */
} Case;

static void on_ready(PosternWorkerProcess *worker, gboolean confined, gpointer user_data)
{
    Case *one = user_data;
    one->ready++;
}

static void on_answered(PosternWorkerProcess *worker, PosternPacket *packet, gpointer user_data)
{
    Case *one = user_data;
    one->answered++;
    one->answer = packet->id;
}

static void on_ended(PosternWorkerProcess *worker, const char *text, gpointer user_data)
{
    Case *one = user_data;
    one->ended++;
    g_clear_pointer(&one->worker, postern_worker_process_free);
}

static const PosternWorkerCalls calls = {.ready = on_ready, .answered = on_answered, .ended = on_ended};

static void run(Case *one)
{
    for (guint i = 0; i < 10; i++)
        event_base_loop(one->loop, EVLOOP_NONBLOCK);
}

static void send_to_pool(Case *one, PosternPacket packet)
{
    g_autoptr(GBytes) octets = g_bytes_new_static("x", 1);
    if (packet.kind == POSTERN_PACKET_RESPONSE && packet.descriptor_count == 0) {
        packet.octets = octets;
        packet.content_octets = 1;
    }
    (void)!postern_packet_send(one->other, &packet, NULL);
}

/* A worker that has proved itself, and has request 7 if busy. */
static void begin(Case *one, gboolean busy)
{
    int pair[2];
    const PosternPacket request = {.kind = POSTERN_PACKET_FAILURE};
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
    *one = (Case){.loop = event_base_new(), .other = pair[1]};
    one->worker = postern_worker_process_new(one->loop, 1, pair[0], &calls, one);
    postern_worker_process_adopt(one->worker, getpid(), -1);
    send_to_pool(one, (PosternPacket){.kind = POSTERN_PACKET_READY});
    run(one);
    g_assert_cmpuint(one->ready, ==, 1);
    if (busy)
        g_assert_true(postern_worker_process_send(one->worker, 7, &request, NULL, -1, POSTERN_SCANNER_NONE));
}

static void end(Case *one)
{
    postern_worker_process_free(one->worker);
    event_base_free(one->loop);
    if (one->other >= 0)
        close(one->other);
}

static void test_answer(void)
{
    Case one;
    begin(&one, TRUE);
    send_to_pool(&one, (PosternPacket){.kind = POSTERN_PACKET_RESPONSE, .id = 7});
    run(&one);
    g_assert_cmpuint(one.answered, ==, 1);
    g_assert_cmpuint(one.answer, ==, 7);
    g_assert_cmpuint(one.ended, ==, 0);
    end(&one);
}

typedef struct {
    const char *name;
    gboolean idle;
    PosternPacket packet;
} BadAnswer;

static const BadAnswer bad_answers[] = {
    {"to another request", FALSE, {.kind = POSTERN_PACKET_RESPONSE, .id = 8}},
    {"to the request before", FALSE, {.kind = POSTERN_PACKET_RESPONSE, .id = 6}},
    {"a failure of another request", FALSE, {.kind = POSTERN_PACKET_FAILURE, .id = 0}},
    {"nobody asked", TRUE, {.kind = POSTERN_PACKET_RESPONSE, .id = 7}},
    {"ready again", TRUE, {.kind = POSTERN_PACKET_READY}},
    {"ready in the middle", FALSE, {.kind = POSTERN_PACKET_READY, .id = 7}},
    {"a word for the log", TRUE, {.kind = POSTERN_PACKET_LOG}},
    {"an end of another", FALSE, {.kind = POSTERN_PACKET_ENDED, .id = 7}},
    {"no kind", FALSE, {.kind = 99, .id = 7}},
    {"no role", FALSE, {.kind = POSTERN_PACKET_RESPONSE, .id = 7, .role = 99}},
    {"a message", FALSE, {.kind = POSTERN_PACKET_RESPONSE, .id = 7, .has_message = 1}},
    {"control octets", FALSE, {.kind = POSTERN_PACKET_FAILURE, .id = 7, .text = "\n"}},
};

static void test_bad_answers(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(bad_answers); i++) {
        Case one;
        g_test_message("%s", bad_answers[i].name);
        begin(&one, !bad_answers[i].idle);
        send_to_pool(&one, bad_answers[i].packet);
        run(&one);
        g_assert_cmpuint(one.answered, ==, 0);
        g_assert_cmpuint(one.ended, ==, 1);
        end(&one);
    }
}

/* Octets without end: the first that are no answer end it. */
static void test_endless(void)
{
    static const char octets[4096];
    Case one;
    begin(&one, TRUE);
    while (send(one.other, octets, sizeof octets, MSG_NOSIGNAL) > 0) {
    }
    run(&one);
    g_assert_cmpuint(one.ended, ==, 1);
    end(&one);
    begin(&one, TRUE);
    for (guint i = 0; i < 50; i++)
        send_to_pool(&one, (PosternPacket){.kind = POSTERN_PACKET_RESPONSE, .id = 7});
    run(&one);
    g_assert_cmpuint(one.answered, ==, 1);
    g_assert_cmpuint(one.ended, ==, 1);
    end(&one);
}

/* Whatever its answer is in, no descriptor stays open; what it is the client sees (packet_test). */
static void test_descriptors(void)
{
    for (guint count = 1; count <= POSTERN_PACKET_DESCRIPTORS_MAX; count++) {
        Case one;
        int pipe_ends[2];
        char octet;
        g_assert_cmpint(pipe(pipe_ends), ==, 0);
        begin(&one, TRUE);
        PosternPacket packet = {.kind = POSTERN_PACKET_RESPONSE, .id = 7, .descriptor_count = count};
        for (guint i = 0; i < count; i++)
            packet.descriptors[i] = pipe_ends[1];
        send_to_pool(&one, packet);
        close(pipe_ends[1]);
        run(&one);
        g_assert_cmpuint(one.answered, ==, count == 1);
        g_assert_cmpuint(one.ended, ==, count != 1);
        g_assert_cmpint(read(pipe_ends[0], &octet, 1), ==, 0);
        close(pipe_ends[0]);
        end(&one);
    }
}

/* Its end of the socket may have been passed on: its template's word is enough, once all is read. */
static void test_end_is_told(void)
{
    Case one;
    begin(&one, TRUE);
    send_to_pool(&one, (PosternPacket){.kind = POSTERN_PACKET_RESPONSE, .id = 7});
    postern_worker_process_note_end(one.worker, 11);
    run(&one);
    g_assert_cmpuint(one.answered, ==, 1);
    g_assert_cmpuint(one.ended, ==, 1);
    end(&one);
    begin(&one, TRUE);
    postern_worker_process_note_end(one.worker, 0);
    run(&one);
    g_assert_cmpuint(one.answered, ==, 0);
    g_assert_cmpuint(one.ended, ==, 1);
    end(&one);
}

/* What it says of itself may come before what its template says of it. */
static void test_ready_before_known(void)
{
    Case one;
    int pair[2];
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair), ==, 0);
    one = (Case){.loop = event_base_new(), .other = pair[1]};
    one.worker = postern_worker_process_new(one.loop, 1, pair[0], &calls, &one);
    send_to_pool(&one, (PosternPacket){.kind = POSTERN_PACKET_READY});
    run(&one);
    g_assert_cmpuint(one.ready, ==, 0);
    g_assert_cmpint(one.worker->state, ==, POSTERN_WORKER_STARTING);
    postern_worker_process_adopt(one.worker, getpid(), -1);
    g_assert_cmpuint(one.ready, ==, 1);
    g_assert_cmpint(one.worker->state, ==, POSTERN_WORKER_IDLE);
    end(&one);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/worker-process/answer", test_answer);
    g_test_add_func("/worker-process/bad-answers", test_bad_answers);
    g_test_add_func("/worker-process/endless", test_endless);
    g_test_add_func("/worker-process/descriptors", test_descriptors);
    g_test_add_func("/worker-process/end-is-told", test_end_is_told);
    g_test_add_func("/worker-process/ready-before-known", test_ready_before_known);
    return g_test_run();
}
