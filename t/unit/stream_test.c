#include "proxy/connection/stream.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "proxy/connection/message_sender.h"

/* A transport that takes and gives as little at a time as it is told to. */
typedef struct {
    PosternTransport transport;
    GString *inbound;
    GString *outbound;
    gsize room;   /* octets that are taken before EAGAIN */
    guint writes; /* that took something */
    guint wanted;
    int error; /* of the next read or write, or 0 */
    gboolean ended, closed, reset, shut;
} Fake;

static gssize fake_read(PosternTransport *transport, void *octets, gsize maximum)
{
    Fake *fake = (Fake *)transport;
    gsize length = MIN(maximum, fake->inbound->len);
    errno = fake->error != 0 ? fake->error : EAGAIN;
    if (fake->error != 0 || (length == 0 && !fake->ended))
        return -1;
    memcpy(octets, fake->inbound->str, length);
    g_string_erase(fake->inbound, 0, (gssize)length);
    return (gssize)length;
}

static gssize fake_write(PosternTransport *transport, const struct iovec *pieces, int count, gboolean more)
{
    Fake *fake = (Fake *)transport;
    gsize taken = 0;
    errno = fake->error != 0 ? fake->error : EAGAIN;
    for (int i = 0; i < count && fake->error == 0; i++) {
        gsize length = MIN(pieces[i].iov_len, fake->room);
        g_string_append_len(fake->outbound, pieces[i].iov_base, (gssize)length);
        fake->room -= length;
        taken += length;
    }
    fake->writes += taken > 0;
    return taken > 0 ? (gssize)taken : -1;
}

static void fake_want(PosternTransport *transport, guint events)
{
    ((Fake *)transport)->wanted = events;
}

static int fake_finish_connect(PosternTransport *transport)
{
    return ((Fake *)transport)->error;
}

static void fake_shutdown(PosternTransport *transport)
{
    ((Fake *)transport)->shut = TRUE;
}

static gboolean fake_has_input(PosternTransport *transport)
{
    return ((Fake *)transport)->inbound->len > 0;
}

static gboolean fake_is_stuck(PosternTransport *transport, gint64 milliseconds)
{
    return FALSE;
}

static void fake_close(PosternTransport *transport, gboolean reset)
{
    Fake *fake = (Fake *)transport;
    fake->closed = TRUE;
    fake->reset = reset;
}

static const PosternTransportFunctions fake_functions = {
    .read = fake_read,
    .write = fake_write,
    .want = fake_want,
    .finish_connect = fake_finish_connect,
    .shutdown = fake_shutdown,
    .has_input = fake_has_input,
    .is_stuck = fake_is_stuck,
    .close = fake_close,
};

/* Nothing here has a deadline. */
static PosternTimer *no_timer_new(PosternWorld *world, PosternWorldCallback callback, gpointer user_data)
{
    return NULL;
}

static void no_timer_free(PosternTimer *timer)
{
}

static const PosternWorldFunctions world_functions = {.timer_new = no_timer_new, .timer_free = no_timer_free};
static PosternWorld *the_world(void)
{
    static const PosternWorld world = {.functions = &world_functions};
    return (PosternWorld *)(guintptr)&world;
}

typedef struct {
    Fake fake;
    PosternStream *stream;
    gsize taken; /* octets that are consumed of each INPUT */
    GString *got;
    GString *events; /* "input drained …" */
    gboolean frees;  /* in INPUT */
} Fixture;

static void on_stream(PosternStream *stream, PosternStreamEvent event, gpointer user_data)
{
    static const char *const names[] = {
        [POSTERN_STREAM_CONNECTED] = "connected", [POSTERN_STREAM_INPUT] = "input",
        [POSTERN_STREAM_DRAINED] = "drained",     [POSTERN_STREAM_CLOSED] = "closed",
        [POSTERN_STREAM_FAILED] = "failed",       [POSTERN_STREAM_DEADLINE] = "deadline",
    };
    Fixture *fixture = user_data;
    g_string_append_printf(fixture->events, "%s ", names[event]);
    if (event != POSTERN_STREAM_INPUT)
        return;
    if (fixture->frees) {
        g_clear_pointer(&fixture->stream, postern_stream_free);
        return;
    }
    gsize length = 0;
    const char *octets = postern_stream_input(stream, &length);
    length = MIN(length, fixture->taken);
    g_string_append_len(fixture->got, octets, (gssize)length);
    postern_stream_consume(stream, length);
}

static void start(Fixture *fixture, gboolean connecting)
{
    *fixture =
        (Fixture){.fake.transport.functions = &fake_functions, .fake.room = G_MAXSIZE, .taken = G_MAXSIZE};
    fixture->fake.inbound = g_string_new(NULL);
    fixture->fake.outbound = g_string_new(NULL);
    fixture->got = g_string_new(NULL);
    fixture->events = g_string_new(NULL);
    fixture->stream =
        postern_stream_new(the_world(), &fixture->fake.transport, connecting, on_stream, fixture);
}

static void finish(Fixture *fixture)
{
    g_clear_pointer(&fixture->stream, postern_stream_free);
    g_assert_true(fixture->fake.closed);
    GString *strings[] = {fixture->fake.inbound, fixture->fake.outbound, fixture->got, fixture->events};
    for (gsize i = 0; i < G_N_ELEMENTS(strings); i++)
        g_string_free(strings[i], TRUE);
}

static void tell(Fixture *fixture, PosternTransportEvent event)
{
    g_assert_true((fixture->fake.wanted & event) != 0);
    fixture->fake.transport.ready(event, fixture->fake.transport.user_data);
}

static void expect_events(Fixture *fixture, const char *events)
{
    g_assert_cmpstr(fixture->events->str, ==, events);
    g_string_truncate(fixture->events, 0);
}

/* What is not consumed in the callback is there afterwards, in its order. */
static void test_input(void)
{
    Fixture fixture;
    start(&fixture, FALSE);
    g_assert_cmpuint(fixture.fake.wanted, ==, 0);
    postern_stream_set_reading(fixture.stream, TRUE);
    fixture.taken = 3;
    g_string_assign(fixture.fake.inbound, "abcdefgh");
    tell(&fixture, POSTERN_TRANSPORT_READ);
    g_assert_cmpuint(postern_stream_unread(fixture.stream), ==, 5);
    g_string_assign(fixture.fake.inbound, "ij");
    tell(&fixture, POSTERN_TRANSPORT_READ);
    g_assert_cmpuint(postern_stream_unread(fixture.stream), ==, 4);
    g_assert_true(postern_stream_has_more(fixture.stream));
    fixture.taken = G_MAXSIZE;
    g_string_assign(fixture.fake.inbound, "k");
    tell(&fixture, POSTERN_TRANSPORT_READ);
    g_assert_cmpstr(fixture.got->str, ==, "abcdefghijk");
    g_assert_false(postern_stream_has_more(fixture.stream));
    fixture.fake.ended = TRUE;
    tell(&fixture, POSTERN_TRANSPORT_READ);
    expect_events(&fixture, "input input input closed ");
    g_assert_cmpuint(fixture.fake.wanted, ==, 0);
    g_assert_true(postern_stream_peer_is_gone(fixture.stream));
    finish(&fixture);
}

static void test_freed_in_callback(void)
{
    Fixture fixture;
    start(&fixture, FALSE);
    postern_stream_set_reading(fixture.stream, TRUE);
    fixture.frees = TRUE;
    g_string_assign(fixture.fake.inbound, "abc");
    tell(&fixture, POSTERN_TRANSPORT_READ);
    expect_events(&fixture, "input ");
    finish(&fixture);
}

static void test_short_writes(void)
{
    Fixture fixture;
    start(&fixture, FALSE);
    fixture.fake.room = 4;
    postern_stream_send(fixture.stream, "abcdef", 6);
    postern_stream_send(fixture.stream, "gh", 2);
    g_assert_cmpuint(postern_stream_unsent(fixture.stream), ==, 4);
    postern_stream_shutdown(fixture.stream);
    for (guint i = 0; i < 4; i++) {
        g_assert_false(fixture.fake.shut);
        fixture.fake.room = 1;
        tell(&fixture, POSTERN_TRANSPORT_WRITE);
    }
    g_assert_cmpstr(fixture.fake.outbound->str, ==, "abcdefgh");
    g_assert_true(fixture.fake.shut); /* after all was written */
    expect_events(&fixture, "drained ");
    g_assert_cmpuint(fixture.fake.wanted, ==, 0);
    finish(&fixture);
}

/* A peer that does not read is not kept octets for without end. */
static void test_unsent_limit(void)
{
    g_autofree char *text = g_strnfill(POSTERN_STREAM_UNSENT_MAX_OCTETS / 4, 'x');
    Fixture fixture;
    start(&fixture, FALSE);
    fixture.fake.room = 0;
    for (guint i = 0; i < 6; i++)
        postern_stream_send(fixture.stream, text, strlen(text));
    g_assert_cmpuint(postern_stream_unsent(fixture.stream), <=, POSTERN_STREAM_UNSENT_MAX_OCTETS);
    expect_events(&fixture, "");
    tell(&fixture, POSTERN_TRANSPORT_WRITE);
    expect_events(&fixture, "failed ");
    g_assert_false(postern_stream_peer_is_gone(fixture.stream));
    postern_stream_abort(fixture.stream);
    g_clear_pointer(&fixture.stream, postern_stream_free);
    g_assert_true(fixture.fake.reset);
    finish(&fixture);
}

/* An error of a write is told by the loop, and what has come before can be read still. */
static void test_failed_write(void)
{
    Fixture fixture;
    start(&fixture, FALSE);
    postern_stream_set_reading(fixture.stream, TRUE);
    fixture.fake.error = EPIPE;
    postern_stream_send(fixture.stream, "abc", 3);
    expect_events(&fixture, "");
    fixture.fake.error = 0;
    g_string_assign(fixture.fake.inbound, "421 closing\r\n");
    tell(&fixture, POSTERN_TRANSPORT_READ);
    tell(&fixture, POSTERN_TRANSPORT_WRITE);
    expect_events(&fixture, "input failed ");
    g_assert_cmpstr(fixture.got->str, ==, "421 closing\r\n");
    g_assert_cmpstr(fixture.fake.outbound->str, ==, "");
    g_assert_true(postern_stream_peer_is_gone(fixture.stream));
    finish(&fixture);
}

static void test_connect(void)
{
    for (guint fails = 0; fails < 2; fails++) {
        Fixture fixture;
        start(&fixture, TRUE);
        postern_stream_send(fixture.stream, "abc", 3);
        fixture.fake.error = fails ? ECONNREFUSED : 0;
        tell(&fixture, POSTERN_TRANSPORT_WRITE);
        if (!fails)
            tell(&fixture, POSTERN_TRANSPORT_WRITE);
        expect_events(&fixture, fails ? "failed " : "connected drained ");
        g_assert_cmpstr(fixture.fake.outbound->str, ==, fails ? "" : "abc");
        g_assert_cmpint(postern_stream_peer_is_gone(fixture.stream), ==, fails);
        finish(&fixture);
    }
}

static PosternMessage *message_of(const char *text)
{
    PosternMessage *message = postern_message_new(G_MAXINT64, NULL, NULL);
    g_assert_true(postern_message_append(message, text, strlen(text), NULL));
    g_assert_true(postern_message_seal(message, NULL));
    return message;
}

/* Header, body and dot leave in one write, and in as many as a slow peer needs. */
static void test_message(void)
{
    static const char wire[] = "A: b\r\nSubject: x\r\n\r\n..dot\r\nline\r\n...\r\n.\r\n";
    g_autoptr(PosternMessage) message = message_of("Subject: x\r\n\r\n.dot\r\nline\r\n..\r\n");
    g_autoptr(PosternEdits) edits = postern_edits_new();
    g_assert_true(postern_edits_insert(edits, "A", "b"));
    for (gsize room = 1; room <= sizeof wire; room++) {
        Fixture fixture;
        gsize octets = 0;
        gsize sum = 0;
        g_autoptr(PosternMessageSender) sender = postern_message_sender_new(message, edits, NULL);
        start(&fixture, FALSE);
        fixture.fake.room = room;
        while (postern_message_sender_write(sender, fixture.stream, &octets) == 0) {
            g_assert_cmpuint(octets, ==, room);
            sum += octets;
            fixture.fake.room = room;
            tell(&fixture, POSTERN_TRANSPORT_WRITE);
        }
        g_assert_cmpuint(sum + octets, ==, strlen(wire));
        g_assert_cmpstr(fixture.fake.outbound->str, ==, wire);
        g_assert_cmpuint(fixture.fake.writes, ==, (strlen(wire) + room - 1) / room);
        g_assert_cmpuint(postern_stream_unsent(fixture.stream), ==, 0);
        finish(&fixture);
    }
}

static void test_empty_message(void)
{
    g_autoptr(PosternMessage) message = postern_message_new(G_MAXINT64, NULL, NULL);
    g_assert_true(postern_message_seal(message, NULL));
    g_autoptr(PosternMessageSender) sender = postern_message_sender_new(message, NULL, NULL);
    Fixture fixture;
    gsize octets = 0;
    start(&fixture, FALSE);
    g_assert_cmpint(postern_message_sender_write(sender, fixture.stream, &octets), ==, 1);
    g_assert_cmpuint(octets, ==, strlen(".\r\n"));
    g_assert_cmpstr(fixture.fake.outbound->str, ==, ".\r\n");
    finish(&fixture);
}

static void test_message_that_is_unfit(void)
{
    g_autoptr(PosternMessage) message = message_of("Subject: x\r\n\r\nbare\n.\r\n");
    g_autoptr(PosternMessageSender) sender = postern_message_sender_new(message, NULL, NULL);
    Fixture fixture;
    gsize octets = 0;
    start(&fixture, FALSE);
    g_assert_cmpint(postern_message_sender_write(sender, fixture.stream, &octets), ==, -1);
    g_assert_null(strstr(fixture.fake.outbound->str, "bare"));
    finish(&fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/stream/input", test_input);
    g_test_add_func("/stream/freed-in-callback", test_freed_in_callback);
    g_test_add_func("/stream/short-writes", test_short_writes);
    g_test_add_func("/stream/unsent-limit", test_unsent_limit);
    g_test_add_func("/stream/failed-write", test_failed_write);
    g_test_add_func("/stream/connect", test_connect);
    g_test_add_func("/stream/message", test_message);
    g_test_add_func("/stream/empty-message", test_empty_message);
    g_test_add_func("/stream/message-that-is-unfit", test_message_that_is_unfit);
    return g_test_run();
}
