/*
 * What a client costs that is held, as octets of the heap: a thread of the proxy on its real loop, with
 * sockets. t/bench/held_bench.py shows the same of the running program, beside others.
 */
#include <errno.h>
#include <event2/event.h>
#include <malloc.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "proxy/connection/event_world.h"
#include "proxy/connection/socket_transport.h"
#include "proxy/connection/thread.h"

#define CLIENTS 400
#define OCTETS_MAX 512

typedef struct {
    PosternEventWorld world;
    PosternWorldFunctions functions;
    PosternProxySettings *settings;
    PosternClientTable *table;
    PosternProxyThread *thread;
    guint ended; /* closing lines */
    int ends[CLIENTS];
} Fixture;

#ifdef __SANITIZE_ADDRESS__
size_t __sanitizer_get_current_allocated_bytes(void);
#endif

static gsize heap(void)
{
#ifdef __SANITIZE_ADDRESS__
    return __sanitizer_get_current_allocated_bytes();
#else
    return mallinfo2().uordblks;
#endif
}

typedef struct {
    PosternWorldCallback done;
    gpointer user_data;
} Ask;

static void on_answered(evutil_socket_t descriptor, short what, void *data)
{
    g_autofree Ask *ask = data;
    ask->done(ask->user_data);
}

/* Every client has a name, which is verified. */
static gpointer answer(PosternWorld *world, guint64 client, PosternAnswers *answers,
                       PosternWorldCallback done, gpointer user_data)
{
    static const char name[] = "host-192-0-2-7.example";
    const struct timeval now = {0};
    const Ask ask = {done, user_data};
    PosternAddress address;
    g_assert_true(postern_address_parse(&address, "192.0.2.7"));
    while (postern_answers_questions(answers)->len > 0) {
        const PosternQuestion *question = g_ptr_array_index(postern_answers_questions(answers), 0);
        PosternAnswer *one = postern_answer_new(POSTERN_ANSWER_RECORDS);
        if (question->type == POSTERN_DNS_PTR)
            postern_answer_add(one, name, strlen(name));
        else
            postern_answer_add(one, &address.ipv4, sizeof address.ipv4);
        postern_answers_add(answers, question, one);
    }
    event_base_once(((PosternEventWorld *)world)->loop, -1, EV_TIMEOUT, on_answered,
                    g_memdup2(&ask, sizeof ask), &now);
    return NULL;
}

static void no_cancel(gpointer ask)
{
}

static PosternTransport *no_server(PosternWorld *world, const PosternAddress *address, GError **error)
{
    postern_error_set_system(error, ECONNREFUSED, "there is none");
    return NULL;
}

static void count_line(PosternWorld *world, PosternLogLine *line)
{
    Fixture *fixture = (Fixture *)world;
    if (strstr(postern_log_line_text(line), "session ") != NULL) {
        fixture->ended++;
        g_assert_nonnull(strstr(postern_log_line_text(line), " name=host-192-0-2-7.example"));
    }
    postern_log_line_free(line);
}

static void start(Fixture *fixture)
{
    static const char text[] = "[proxy]\nhostname = mx.test\ninspect = no\nclient_address = xforward\n"
                               "recipient_domains = y.test\nmax_connections_per_client = 1000\n";
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_parse(text, strlen(text), "test", &error);
    g_assert_no_error(error);
    fixture->settings = postern_proxy_settings_new(configuration, NULL, &error);
    g_assert_no_error(error);
    fixture->functions = postern_event_world_functions;
    fixture->functions.connect = no_server;
    fixture->functions.ask = answer;
    fixture->functions.ask_cancel = no_cancel;
    fixture->functions.log = count_line;
    fixture->world.world.functions = &fixture->functions;
    fixture->world.loop = event_base_new();
    fixture->table = postern_client_table_new(fixture->settings->configuration);
    postern_proxy_settings_count_in(fixture->settings, fixture->table);
    const PosternProxyThreadOptions options = {
        .world = &fixture->world.world,
        .settings = fixture->settings,
        .clients = fixture->table,
    };
    fixture->thread = postern_proxy_thread_new(&options);
}

static void finish(Fixture *fixture)
{
    postern_proxy_thread_free(fixture->thread);
    postern_client_table_free(fixture->table);
    postern_proxy_settings_unref(fixture->settings);
    event_base_free(fixture->world.loop);
}

static void run(Fixture *fixture)
{
    for (guint i = 0; i < 20; i++)
        event_base_loop(fixture->world.loop, EVLOOP_NONBLOCK);
}

/* Those that have said nothing for a second are parked. */
static void wait_for_silence(Fixture *fixture)
{
    const struct timeval longer = {.tv_sec = 1, .tv_usec = 100000};
    event_base_loopexit(fixture->world.loop, &longer);
    event_base_dispatch(fixture->world.loop);
}

static void connect_all(Fixture *fixture)
{
    PosternAddress client, server;
    g_assert_true(postern_address_parse(&client, "192.0.2.7"));
    g_assert_true(postern_address_parse(&server, "198.51.100.1"));
    server.port = 25;
    for (guint i = 0; i < CLIENTS; i++) {
        int pair[2];
        client.port = (guint16)(1024 + i);
        g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), ==, 0);
        fixture->ends[i] = pair[1];
        postern_proxy_thread_accept(fixture->thread,
                                    postern_socket_transport_new(fixture->world.loop, pair[0]), &client,
                                    &server, FALSE);
        run(fixture);
    }
}

/* Each says text, and hears a reply of that code last. */
static void say_all(Fixture *fixture, const char *text, const char *code)
{
    for (guint i = 0; i < CLIENTS; i++) {
        char reply[1024] = "";
        gsize length = strlen(text);
        g_assert_cmpint(write(fixture->ends[i], text, length), ==, (gssize)length);
        run(fixture);
        g_assert_cmpint(read(fixture->ends[i], reply, sizeof reply - 1), >, 0);
        const char *last = g_strrstr(g_strchomp(reply), "\r\n");
        g_assert_true(g_str_has_prefix(last != NULL ? last + 2 : reply, code));
    }
}

static void leave_all(Fixture *fixture)
{
    for (guint i = 0; i < CLIENTS; i++)
        close(fixture->ends[i]);
    run(fixture);
}

static void expect_small(Fixture *fixture, gsize before)
{
    wait_for_silence(fixture);
    gsize octets = (heap() - before) / CLIENTS;
    g_test_message("%" G_GSIZE_FORMAT " octets a client", octets);
    g_assert_cmpuint(heap(), >, before);
    g_assert_cmpuint(octets, <=, OCTETS_MAX);
}

static void test_held(void)
{
    static const char mail[] = "MAIL FROM:<a@x.test>\r\n";
    Fixture fixture = {0};
    start(&fixture);
    connect_all(&fixture); /* what is allocated once, is; so are the loop's tables for clients at work */
    say_all(&fixture, "EHLO a.example\r\n", "250 ");
    say_all(&fixture, mail, "250 ");
    leave_all(&fixture);
    g_assert_cmpuint(fixture.ended, ==, CLIENTS);
    gsize before = heap();
    connect_all(&fixture);
    expect_small(&fixture, before);
    say_all(&fixture, "", "220 ");
    say_all(&fixture, "EHLO a-client-of-usual-name.sender.example\r\n", "250 ");
    expect_small(&fixture, before);
    say_all(&fixture, mail, "250 ");
    g_assert_cmpuint((heap() - before) / CLIENTS, >, OCTETS_MAX); /* a session each */
    say_all(&fixture, "RSET\r\n", "250 ");
    expect_small(&fixture, before);
    leave_all(&fixture);
    g_assert_cmpuint(fixture.ended, ==, 2 * CLIENTS);
    g_assert_cmpuint(heap(), <, before + CLIENTS * 50); /* the loop's own tables have grown */
    finish(&fixture);
}

int main(int argc, char **argv)
{
    postern_log_set_level(POSTERN_LOG_INFO);
    if (g_getenv("G_SLICE") == NULL) { /* read before main(): what GLib and libc keep is no client's */
        g_setenv("G_SLICE", "always-malloc", TRUE);
        g_setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", TRUE);
        execv("/proc/self/exe", argv);
    }
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/held-client/heap", test_held);
    return g_test_run();
}
