#include <string.h>

#include "session_replies.h"
#include "support/smtp_peer.h"
#include "support/world.h"

#define THREADS 4
#define LIMIT 5
#define CLIENTS_MAX 40

static const char configuration_text[] =
    "[screen]\ntrickle = 0\n[proxy]\nhostname = mx.test\nclient_address = none\nrecipient_domains = "
    "y.test\nrelay_probe = no\n"
    "inspect = no\nbackend_connections = 5\nbackend_wait = 1h\nbackend_idle = 1h\n";

static const char envelope_text[] = "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\n";

typedef struct Test Test;

typedef struct {
    Test *test;
    Wire *wire;
    GString *heard;
} Client;

typedef struct {
    Test *test;
    Wire *wire;
    SmtpPeer peer;
} Mta;

/* An MTA that takes all, and counts its connections. */
struct Test {
    World world;
    GPtrArray *mtas; /* of Mta * */
    guint most;
    guint messages;
    Client clients[CLIENTS_MAX];
    guint count;
};

/* ---- the MTA */

static void free_mta(gpointer data)
{
    Mta *mta = data;
    smtp_peer_clear(&mta->peer);
    wire_leave(mta->wire, FALSE);
    g_free(mta);
}

static void mta_received(Wire *wire, const char *octets, gsize length)
{
    Mta *mta = wire->user_data;
    for (gsize at = 0; at < length;) {
        gsize taken = 0;
        SmtpPeerEvent event = smtp_peer_take(&mta->peer, octets + at, length - at, &taken);
        at += taken;
        if (event == SMTP_PEER_MORE)
            continue;
        mta->test->messages += event == SMTP_PEER_MESSAGE;
        const char *reply = harness_default_reply(event == SMTP_PEER_MESSAGE ? "." : mta->peer.line->str);
        if (g_str_has_prefix(reply, "354"))
            smtp_peer_expect_message(&mta->peer);
        wire_say(wire, reply, strlen(reply));
        if (event == SMTP_PEER_COMMAND && g_str_equal(mta->peer.line->str, "QUIT")) {
            g_ptr_array_remove(mta->test->mtas, mta);
            return;
        }
    }
}

static void mta_shut(Wire *wire)
{
    Mta *mta = wire->user_data;
    g_ptr_array_remove(mta->test->mtas, mta);
}

static void mta_closed(Wire *wire, gboolean reset)
{
    mta_shut(wire);
}

static gboolean on_connect(World *world, Wire *wire, const PosternAddress *address)
{
    static const WirePeer peer = {.received = mta_received, .shut = mta_shut, .closed = mta_closed};
    Test *test = world->user_data;
    Mta *mta = g_new0(Mta, 1);
    const char *greeting = harness_default_reply("connect");
    mta->test = test;
    mta->wire = wire;
    wire->peer = &peer;
    wire->user_data = mta;
    smtp_peer_init(&mta->peer);
    g_ptr_array_add(test->mtas, mta);
    test->most = MAX(test->most, test->mtas->len);
    wire_answer_connect(wire, 0);
    wire_say(wire, greeting, strlen(greeting));
    return TRUE;
}

/* ---- clients */

static void client_received(Wire *wire, const char *octets, gsize length)
{
    g_string_append_len(((Client *)wire->user_data)->heard, octets, (gssize)length);
}

static void client_shut(Wire *wire)
{
}

static void client_closed(Wire *wire, gboolean reset)
{
    wire_leave(g_steal_pointer(&((Client *)wire->user_data)->wire), FALSE);
}

static void run(Test *test)
{
    world_run(&test->world, test->world.now);
}

/* One of an address of its own, on that thread, says text. */
static Client *add_client(Test *test, guint thread, const char *text)
{
    static const WirePeer peer = {.received = client_received, .shut = client_shut, .closed = client_closed};
    Client *client = &test->clients[test->count++];
    g_autofree char *name = g_strdup_printf("198.51.100.%u", test->count);
    PosternAddress address;
    g_assert_true(postern_address_parse(&address, name));
    *client = (Client){.test = test, .heard = g_string_new(NULL)};
    client->wire = wire_new(&test->world, &peer, client);
    wire_say(client->wire, "EHLO client.test\r\n", strlen("EHLO client.test\r\n"));
    wire_say(client->wire, text, strlen(text));
    world_accept(&test->world, thread, client->wire, &address, FALSE);
    run(test);
    return client;
}

static gboolean has_heard(const Client *client, const char *words)
{
    return strstr(client->heard->str, words) != NULL;
}

/* The MTA's reply to RCPT: the client has a connection. */
static gboolean is_served(const Client *client)
{
    return has_heard(client, "recipient ok");
}

static void test_init(Test *test)
{
    static const WorldHooks hooks = {.connect = on_connect};
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration =
        postern_configuration_parse(configuration_text, strlen(configuration_text), "test", &error);
    g_assert_no_error(error);
    PosternProxySettings *settings = postern_proxy_settings_new(configuration, NULL, &error);
    g_assert_no_error(error);
    *test = (Test){.mtas = g_ptr_array_new_with_free_func(free_mta)};
    world_start(&test->world, &hooks, test, settings, THREADS);
    run(test);
}

static void test_clear(Test *test)
{
    world_drain(&test->world, 0);
    while (!world_is_drained(&test->world))
        g_assert_true(world_step(&test->world, test->world.now + 3600000));
    for (guint i = 0; i < test->count; i++) {
        wire_leave(g_steal_pointer(&test->clients[i].wire), FALSE);
        g_string_free(test->clients[i].heard, TRUE);
    }
    g_ptr_array_unref(test->mtas);
    world_stop(&test->world);
}

/* One thread uses all connections that the servers allow; another thread's client has one as soon as one is
 * given back, and no sooner. */
static void test_one_thread_uses_all(void)
{
    Test test;
    test_init(&test);
    for (guint i = 0; i < LIMIT; i++)
        g_assert_true(is_served(add_client(&test, 2, envelope_text)));
    g_assert_cmpuint(test.mtas->len, ==, LIMIT);
    const Client *other = add_client(&test, 1, envelope_text);
    g_assert_true(has_heard(other, "250"));
    g_assert_false(is_served(other));
    wire_say(test.clients[0].wire, "RSET\r\n", strlen("RSET\r\n"));
    run(&test);
    g_assert_true(is_served(other));
    g_assert_cmpuint(test.mtas->len, ==, LIMIT);
    g_assert_cmpuint(test.most, ==, LIMIT);
    test_clear(&test);
}

/* What a thread has unused is ended for another. */
static void test_unused_moves(void)
{
    Test test;
    test_init(&test);
    for (guint i = 0; i < LIMIT; i++)
        add_client(&test, 3, envelope_text);
    for (guint i = 0; i < LIMIT; i++)
        wire_say(test.clients[i].wire, "QUIT\r\n", strlen("QUIT\r\n"));
    run(&test);
    g_assert_cmpuint(test.mtas->len, ==, LIMIT); /* kept for who comes next */
    for (guint i = 0; i < LIMIT; i++)
        g_assert_true(is_served(add_client(&test, 1, envelope_text)));
    g_assert_cmpuint(test.most, ==, LIMIT);
    test_clear(&test);
}

/* Many clients on all threads: all are served, all connections are in use, and never more. */
static void test_all_threads(void)
{
    static const char message_text[] = "MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n";
    Test test;
    test_init(&test);
    for (guint i = 0; i < CLIENTS_MAX; i++)
        add_client(&test, i % THREADS, message_text);
    g_assert_cmpuint(test.mtas->len, ==, LIMIT);
    for (guint rounds = 0; test.messages < CLIENTS_MAX; rounds++) {
        g_assert_cmpuint(rounds, <, CLIENTS_MAX);
        for (guint i = 0; i < CLIENTS_MAX; i++) {
            Client *client = &test.clients[i];
            if (!has_heard(client, "354 "))
                continue;
            g_string_truncate(client->heard, 0);
            wire_say(client->wire, "Subject: x\r\n\r\nx\r\n.\r\n", strlen("Subject: x\r\n\r\nx\r\n.\r\n"));
        }
        run(&test);
    }
    g_assert_cmpuint(test.messages, ==, CLIENTS_MAX);
    for (guint i = 0; i < CLIENTS_MAX; i++)
        g_assert_true(g_str_has_prefix(test.clients[i].heard->str, "250 "));
    g_assert_cmpuint(test.most, ==, LIMIT);
    test_clear(&test);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/thread-limit/one-thread-uses-all", test_one_thread_uses_all);
    g_test_add_func("/thread-limit/unused-moves", test_unused_moves);
    g_test_add_func("/thread-limit/all-threads", test_all_threads);
    return g_test_run();
}
