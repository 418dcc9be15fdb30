#include "dns/resolver.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"

/* A name server in the test's own loop, that keeps the last question until it is told to answer. */
typedef struct {
    struct event_base *loop;
    struct event *readable;
    int fd;
    char address[32];
    guint asked;
    guint8 packet[512];
    ssize_t length;
    struct sockaddr_in peer;
} Server;

typedef struct {
    Server server;
    PosternResolver *resolver;
    PosternAnswers *answers;
    PosternResolverAsk *ask;
    guint done;
    gboolean inside;
    gboolean free_when_done;
} Fixture;

static void server_read(evutil_socket_t fd, short what, void *user_data)
{
    Server *server = user_data;
    socklen_t size = sizeof server->peer;
    server->length =
        recvfrom(fd, server->packet, sizeof server->packet, 0, (struct sockaddr *)&server->peer, &size);
    g_assert_cmpint(server->length, >, 12);
    server->asked++;
}

/* Answers the last question with rcode and no records. */
static void server_answer(Server *server, guint8 rcode)
{
    server->packet[2] |= 0x80;
    server->packet[3] = 0x80 | rcode;
    g_assert_cmpint(sendto(server->fd, server->packet, (gsize)server->length, 0,
                           (struct sockaddr *)&server->peer, sizeof server->peer),
                    ==, server->length);
}

static void server_start(Server *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    server->loop = event_base_new();
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint(bind(server->fd, (struct sockaddr *)&address, size), ==, 0);
    g_assert_cmpint(getsockname(server->fd, (struct sockaddr *)&address, &size), ==, 0);
    g_snprintf(server->address, sizeof server->address, "127.0.0.1@%u", ntohs(address.sin_port));
    server->readable = event_new(server->loop, server->fd, EV_READ | EV_PERSIST, server_read, server);
    event_add(server->readable, NULL);
}

static PosternResolver *resolver_of(Server *server, guint timeout_ms)
{
    const char *const servers[] = {server->address, NULL};
    const PosternResolverOptions options = {
        .servers = servers, .timeout_ms = timeout_ms, .cache_octets = 1024 * 1024};
    g_autoptr(GError) error = NULL;
    PosternResolver *resolver = postern_resolver_new(server->loop, &options, &error);
    g_assert_no_error(error);
    return resolver;
}

static void set_up(Fixture *fixture, gconstpointer timeout_ms)
{
    server_start(&fixture->server);
    fixture->resolver = resolver_of(&fixture->server, GPOINTER_TO_UINT(timeout_ms));
    fixture->answers = postern_answers_new();
}

static void set_up_file(Fixture *fixture, gconstpointer text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternAnswersFile) file = postern_answers_file_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    server_start(&fixture->server);
    fixture->resolver = postern_resolver_new_from_file(fixture->server.loop, file);
    fixture->answers = postern_answers_new();
}

static void tear_down(Fixture *fixture, gconstpointer unused)
{
    postern_resolver_free(fixture->resolver);
    postern_answers_unref(fixture->answers);
    event_free(fixture->server.readable);
    event_base_free(fixture->server.loop);
    close(fixture->server.fd);
}

static void done(gpointer user_data)
{
    Fixture *fixture = user_data;
    g_assert_false(fixture->inside);
    fixture->done++;
    if (fixture->free_when_done)
        g_clear_pointer(&fixture->resolver, postern_resolver_free);
}

static void ask(Fixture *fixture)
{
    fixture->inside = TRUE;
    fixture->ask =
        postern_resolver_ask(fixture->resolver, POSTERN_FAIR_QUEUE_NOBODY, fixture->answers, done, fixture);
    fixture->inside = FALSE;
}

/* Runs the loop until *counter is wanted; an alarm of the test's own ends a test that never gets there. */
static void run_until(Fixture *fixture, const guint *counter, guint wanted)
{
    while (*counter < wanted)
        g_assert_cmpint(event_base_loop(fixture->server.loop, EVLOOP_ONCE), ==, 0);
    g_assert_cmpuint(*counter, ==, wanted);
}

static void assert_status(Fixture *fixture, const char *name, PosternAnswerStatus status)
{
    const PosternAnswer *answer = postern_answers_look_up(fixture->answers, name, POSTERN_DNS_A);
    g_assert_nonnull(answer);
    g_assert_cmpstr(postern_answer_status_name(answer->status), ==, postern_answer_status_name(status));
}

static void test_file(Fixture *fixture, gconstpointer unused)
{
    postern_answers_look_up(fixture->answers, "a.test", POSTERN_DNS_A);
    postern_answers_look_up(fixture->answers, "slow.test", POSTERN_DNS_A);
    postern_answers_look_up(fixture->answers, "none.test", POSTERN_DNS_A);
    ask(fixture);
    g_assert_cmpuint(fixture->done, ==, 0);
    run_until(fixture, &fixture->done, 1);
    assert_status(fixture, "a.test", POSTERN_ANSWER_RECORDS);
    assert_status(fixture, "slow.test", POSTERN_ANSWER_TIMEOUT);
    assert_status(fixture, "none.test", POSTERN_ANSWER_NXDOMAIN);
    g_assert_cmpuint(postern_answers_questions(fixture->answers)->len, ==, 0);
}

static void test_no_question(Fixture *fixture, gconstpointer unused)
{
    ask(fixture);
    run_until(fixture, &fixture->done, 1);
    ask(fixture);
    postern_resolver_cancel(fixture->ask);
    postern_resolver_cancel(NULL);
    event_base_loop(fixture->server.loop, EVLOOP_NONBLOCK);
    g_assert_cmpuint(fixture->done, ==, 1);
}

static void test_answer(Fixture *fixture, gconstpointer unused)
{
    postern_answers_look_up(fixture->answers, "gone.test", POSTERN_DNS_A);
    ask(fixture);
    run_until(fixture, &fixture->server.asked, 1);
    server_answer(&fixture->server, 3);
    run_until(fixture, &fixture->done, 1);
    assert_status(fixture, "gone.test", POSTERN_ANSWER_NXDOMAIN);
}

/* libunbound calls back from inside the call for a name that it answers itself: we must not. */
static void test_known_at_once(Fixture *fixture, gconstpointer unused)
{
    postern_answers_look_up(fixture->answers, "localhost", POSTERN_DNS_A);
    postern_answers_look_up(fixture->answers, "x.onion", POSTERN_DNS_A);
    ask(fixture);
    g_assert_cmpuint(fixture->done, ==, 0);
    run_until(fixture, &fixture->done, 1);
    assert_status(fixture, "localhost", POSTERN_ANSWER_RECORDS);
    assert_status(fixture, "x.onion", POSTERN_ANSWER_NXDOMAIN);
    g_assert_cmpuint(fixture->server.asked, ==, 0);
}

static void test_late_answer(Fixture *fixture, gconstpointer unused)
{
    postern_answers_look_up(fixture->answers, "late.test", POSTERN_DNS_A);
    postern_answers_look_up(fixture->answers, "localhost", POSTERN_DNS_A);
    ask(fixture);
    while (fixture->done == 0)
        g_assert_cmpint(event_base_loop(fixture->server.loop, EVLOOP_ONCE), ==, 0);
    assert_status(fixture, "late.test", POSTERN_ANSWER_TIMEOUT);
    assert_status(fixture, "localhost", POSTERN_ANSWER_RECORDS);
    g_assert_cmpuint(fixture->server.asked, >, 0);
    server_answer(&fixture->server, 3);
    for (int i = 0; i < 10; i++)
        event_base_loop(fixture->server.loop, EVLOOP_NONBLOCK);
    g_assert_cmpuint(fixture->done, ==, 1);
    assert_status(fixture, "late.test", POSTERN_ANSWER_TIMEOUT);
}

static void test_cancel(Fixture *fixture, gconstpointer unused)
{
    postern_answers_look_up(fixture->answers, "cancelled.test", POSTERN_DNS_A);
    ask(fixture);
    run_until(fixture, &fixture->server.asked, 1);
    postern_resolver_cancel(fixture->ask);
    g_clear_pointer(&fixture->answers, postern_answers_unref);
    server_answer(&fixture->server, 3);
    for (int i = 0; i < 10; i++)
        event_base_loop(fixture->server.loop, EVLOOP_NONBLOCK);
    g_assert_cmpuint(fixture->done, ==, 0);
}

/* Two asks wait for one question of the server's; the first is cancelled and the second gets its answer. */
static void test_two_asks(Fixture *fixture, gconstpointer unused)
{
    postern_answers_look_up(fixture->answers, "shared.test", POSTERN_DNS_A);
    ask(fixture);
    PosternResolverAsk *first = fixture->ask;
    ask(fixture);
    run_until(fixture, &fixture->server.asked, 1);
    postern_resolver_cancel(first);
    server_answer(&fixture->server, 3);
    run_until(fixture, &fixture->done, 1);
    assert_status(fixture, "shared.test", POSTERN_ANSWER_NXDOMAIN);
}

static void count_done(gpointer user_data)
{
    ++*(guint *)user_data;
}

/* An ask waits for its own questions, and not for what another one asks for the same table. */
static void test_ask_these(Fixture *fixture, gconstpointer unused)
{
    g_autoptr(GPtrArray) questions = g_ptr_array_new_with_free_func((GDestroyNotify)postern_question_free);
    guint ended = 0;
    g_ptr_array_add(questions, postern_question_new("quick.test", POSTERN_DNS_A));
    postern_answers_look_up(fixture->answers, "slow.test", POSTERN_DNS_A);
    ask(fixture);
    run_until(fixture, &fixture->server.asked, 1);
    postern_answers_look_up(fixture->answers, "quick.test", POSTERN_DNS_A);
    postern_resolver_ask_these(fixture->resolver, POSTERN_FAIR_QUEUE_NOBODY, questions, fixture->answers,
                               count_done, &ended);
    run_until(fixture, &fixture->server.asked, 2);
    server_answer(&fixture->server, 3);
    run_until(fixture, &ended, 1);
    g_assert_cmpuint(fixture->done, ==, 0);
    assert_status(fixture, "quick.test", POSTERN_ANSWER_NXDOMAIN);
    g_assert_null(postern_answers_look_up(fixture->answers, "slow.test", POSTERN_DNS_A));
    postern_resolver_cancel(fixture->ask);
}

static void test_free_with_ask(Fixture *fixture, gconstpointer unused)
{
    postern_answers_look_up(fixture->answers, "outstanding.test", POSTERN_DNS_A);
    ask(fixture);
    run_until(fixture, &fixture->server.asked, 1);
    g_clear_pointer(&fixture->resolver, postern_resolver_free);
    g_assert_cmpuint(fixture->done, ==, 0);
    g_assert_null(postern_answers_look_up(fixture->answers, "outstanding.test", POSTERN_DNS_A));
}

static void test_free_when_done(Fixture *fixture, gconstpointer unused)
{
    fixture->free_when_done = TRUE;
    postern_answers_look_up(fixture->answers, "localhost", POSTERN_DNS_A);
    postern_answers_look_up(fixture->answers, "never.test", POSTERN_DNS_A);
    ask(fixture);
    run_until(fixture, &fixture->done, 1);
    g_assert_null(fixture->resolver);
}

static void test_question_limit(Fixture *fixture, gconstpointer unused)
{
    const guint asks = POSTERN_RESOLVER_QUESTIONS_MAX / POSTERN_QUESTIONS_PER_MESSAGE_MAX + 1;
    guint ended = 0, refused = 0;
    g_autoptr(GPtrArray) tables = g_ptr_array_new_with_free_func((GDestroyNotify)postern_answers_unref);
    for (guint i = 0; i < asks; i++) {
        PosternAnswers *answers = postern_answers_new();
        g_ptr_array_add(tables, answers);
        for (guint j = 0; j < POSTERN_QUESTIONS_PER_MESSAGE_MAX; j++) {
            g_autofree char *name = g_strdup_printf("n%u.test", j);
            postern_answers_look_up(answers, name, POSTERN_DNS_A);
        }
        postern_resolver_ask(fixture->resolver, POSTERN_FAIR_QUEUE_NOBODY, answers, count_done, &ended);
    }
    for (guint i = 0; i < asks; i++)
        refused += postern_answers_count(tables->pdata[i]);
    g_assert_cmpuint(refused, ==, asks * POSTERN_QUESTIONS_PER_MESSAGE_MAX - POSTERN_RESOLVER_QUESTIONS_MAX);
    while (ended < asks)
        g_assert_cmpint(event_base_loop(fixture->server.loop, EVLOOP_ONCE), ==, 0);
    for (guint i = 0; i < asks; i++)
        g_assert_cmpuint(postern_answers_count(tables->pdata[i]), ==, POSTERN_QUESTIONS_PER_MESSAGE_MAX);
}

static void test_options(void)
{
    static const struct {
        const char *server, *trust_anchor_file, *problem;
    } cases[] = {
        {"not an address", NULL, "not an address"},
        {"127.0.0.1@port", NULL, "127.0.0.1@port"},
        {"127.0.0.1", "/nonexistent/anchor", "trust anchors"},
    };
    struct event_base *loop = event_base_new();
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *const servers[] = {cases[i].server, NULL};
        const PosternResolverOptions options = {.servers = servers,
                                                .timeout_ms = 1000,
                                                .cache_octets = 1024 * 1024,
                                                .trust_anchor_file = cases[i].trust_anchor_file};
        g_autoptr(GError) error = NULL;
        g_assert_null(postern_resolver_new(loop, &options, &error));
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
        g_assert_nonnull(strstr(error->message, cases[i].problem));
    }
    event_base_free(loop);
}

static gpointer make_and_free(gpointer address)
{
    const char *const servers[] = {address, NULL};
    const PosternResolverOptions options = {.servers = servers, .timeout_ms = 100};
    for (int i = 0; i < 5; i++) {
        struct event_base *loop = event_base_new();
        g_autoptr(GError) error = NULL;
        PosternResolver *resolver = postern_resolver_new(loop, &options, &error);
        g_assert_no_error(error);
        g_autoptr(PosternAnswers) answers = postern_answers_new();
        guint ended = 0;
        postern_answers_look_up(answers, "localhost", POSTERN_DNS_A);
        postern_resolver_ask(resolver, POSTERN_FAIR_QUEUE_NOBODY, answers, count_done, &ended);
        while (ended == 0)
            g_assert_cmpint(event_base_loop(loop, EVLOOP_ONCE), ==, 0);
        postern_resolver_free(resolver);
        event_base_free(loop);
    }
    return NULL;
}

static void test_threads(void)
{
    GThread *threads[4];
    char address[] = "127.0.0.1@9";
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        threads[i] = g_thread_new("resolver", make_and_free, address);
    for (gsize i = 0; i < G_N_ELEMENTS(threads); i++)
        g_thread_join(threads[i]);
}

int main(int argc, char **argv)
{
    static const char file_text[] = "a.test A 127.0.0.1\nslow.test * !TIMEOUT\n";
    const struct {
        const char *path;
        guint timeout_ms;
        void (*test)(Fixture *, gconstpointer);
    } tests[] = {
        {"/resolver/no-question", 5000, test_no_question},
        {"/resolver/answer", 5000, test_answer},
        {"/resolver/known-at-once", 5000, test_known_at_once},
        {"/resolver/late-answer", 100, test_late_answer},
        {"/resolver/cancel", 5000, test_cancel},
        {"/resolver/two-asks", 5000, test_two_asks},
        {"/resolver/ask-these", 5000, test_ask_these},
        {"/resolver/free-with-ask", 5000, test_free_with_ask},
        {"/resolver/free-when-done", 100, test_free_when_done},
        {"/resolver/question-limit", 50, test_question_limit},
    };
    g_test_init(&argc, &argv, NULL);
    alarm(100);
    g_test_add("/resolver/file", Fixture, file_text, set_up_file, test_file, tear_down);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, Fixture, GUINT_TO_POINTER(tests[i].timeout_ms), set_up, tests[i].test,
                   tear_down);
    g_test_add_func("/resolver/options", test_options);
    g_test_add_func("/resolver/threads", test_threads);
    return g_test_run();
}
