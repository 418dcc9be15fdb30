#include "inspector_client/client.h"

#include <sys/mman.h>

#include "base/error.h"
#include "unit/inspector_fake.h"

typedef struct {
    struct event_base *loop;
    FakeInspector *fake;
    PosternInspectorClient *client;
    guint done, wanted;
    GPtrArray *names; /* of the virus found, in the order of done */
    GError *error;    /* the last one */
    PosternInspectorState state;
    GString *states; /* as they were told */
    gboolean free_client;
    gboolean sending;
} Fixture;

static void set_up(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->loop = event_base_new();
    fixture->fake = fake_new(fixture->loop);
    fixture->fake->user_data = fixture;
    fixture->client = postern_inspector_client_new(fixture->loop, fixture->fake->path);
    fixture->names = g_ptr_array_new_with_free_func(g_free);
    fixture->states = g_string_new(NULL);
}

static void tear_down(Fixture *fixture, gconstpointer data)
{
    (void)data;
    postern_inspector_client_free(fixture->client);
    fake_free(fixture->fake);
    event_base_free(fixture->loop);
    g_ptr_array_unref(fixture->names);
    g_string_free(fixture->states, TRUE);
    g_clear_error(&fixture->error);
}

static void on_done(PosternResponse *response, const GError *error, gpointer user_data)
{
    Fixture *fixture = user_data;
    g_autoptr(PosternResponse) owned = response;
    g_assert_false(fixture->sending);
    g_assert_true((response == NULL) == (error != NULL));
    g_ptr_array_add(fixture->names, response != NULL ? g_strdup(response->findings->virus.name) : NULL);
    g_clear_error(&fixture->error);
    fixture->error = error != NULL ? g_error_copy(error) : NULL;
    if (fixture->free_client)
        g_clear_pointer(&fixture->client, postern_inspector_client_free);
    if (++fixture->done == fixture->wanted)
        event_base_loopbreak(fixture->loop);
}

static void note_state(PosternInspectorState state, const char *reason, gpointer user_data)
{
    static const char *const names[] = {"starting", "up", "down"};
    Fixture *fixture = user_data;
    fixture->state = state;
    g_assert_true((reason != NULL) == (state == POSTERN_INSPECTOR_DOWN));
    g_string_append_printf(fixture->states, "%s%s%s;", names[state], reason != NULL ? " " : "",
                           reason != NULL ? reason : "");
}

static PosternInspectorCall *ask(Fixture *fixture, const char *receiver, guint deadline_ms)
{
    g_autoptr(PosternRequest) request = postern_request_new(POSTERN_STAGE_WHOLE, POSTERN_CHECKS_ALL);
    g_autoptr(PosternMessage) message = postern_message_new(100, NULL, NULL);
    g_free(request->receiver);
    request->receiver = g_strdup(receiver);
    g_assert_true(postern_message_append(message, "abc", 3, NULL));
    g_assert_true(postern_message_seal(message, NULL));
    fixture->sending = TRUE;
    PosternInspectorCall *call =
        postern_inspector_client_send(fixture->client, request, message, deadline_ms, on_done, fixture);
    fixture->sending = FALSE;
    return call;
}

static void run_until(Fixture *fixture, guint wanted)
{
    fixture->wanted = wanted;
    event_base_dispatch(fixture->loop);
    g_assert_cmpuint(fixture->done, ==, wanted);
}

/* The name that comes back is the receiver that was asked with. */
static void echo(FakeInspector *fake, guint64 id, const char *name)
{
    g_autoptr(PosternResponse) response = postern_response_new();
    postern_virus_finding_infected(&response->findings->virus, name);
    fake_respond(fake, id, response);
}

static void answer_echo(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                        guint64 octets)
{
    g_assert_cmpuint(octets, ==, 3);
    g_assert_cmpuint(packet->deadline_ms, <=, 5000);
    echo(fake, packet->id, request->receiver);
}

static void test_answers(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->fake->answer = answer_echo;
    ask(fixture, "one", 5000);
    ask(fixture, "two", 5000);
    run_until(fixture, 2);
    g_assert_no_error(fixture->error);
    g_assert_cmpstr(g_ptr_array_index(fixture->names, 0), ==, "one");
    g_assert_cmpstr(g_ptr_array_index(fixture->names, 1), ==, "two");
    g_assert_cmpuint(fixture->fake->connections, ==, 1);
}

static void answer_last_first(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                              guint64 octets)
{
    if (fake->requests == 2) {
        echo(fake, packet->id, "second");
        echo(fake, packet->id - 1, "first");
    }
}

static void test_any_order(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->fake->answer = answer_last_first;
    ask(fixture, "", 5000);
    ask(fixture, "", 5000);
    run_until(fixture, 2);
    g_assert_cmpstr(g_ptr_array_index(fixture->names, 0), ==, "second");
    g_assert_cmpstr(g_ptr_array_index(fixture->names, 1), ==, "first");
}

static void answer_second_connection(FakeInspector *fake, const PosternPacket *packet,
                                     PosternRequest *request, guint64 octets)
{
    if (fake->connections == 1)
        fake_hang_up(fake);
    else
        echo(fake, packet->id, request->receiver);
}

static void test_sent_once_more(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->fake->answer = answer_second_connection;
    ask(fixture, "again", 5000);
    run_until(fixture, 1);
    g_assert_no_error(fixture->error);
    g_assert_cmpstr(g_ptr_array_index(fixture->names, 0), ==, "again");
    g_assert_cmpuint(fixture->fake->requests, ==, 2);
}

static void answer_hang_up(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                           guint64 octets)
{
    fake_hang_up(fake);
}

static void test_broken_twice(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->fake->answer = answer_hang_up;
    ask(fixture, "", 5000);
    run_until(fixture, 1);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE);
    g_assert_cmpuint(fixture->fake->requests, ==, 2);
}

static void answer_nothing(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                           guint64 octets)
{
}

static void test_deadline(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->fake->answer = answer_nothing;
    ask(fixture, "", 30);
    run_until(fixture, 1);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_TIMEOUT);
}

static void test_no_inspector(Fixture *fixture, gconstpointer data)
{
    (void)data;
    unlink(fixture->fake->path);
    ask(fixture, "", 30);
    run_until(fixture, 1);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_TIMEOUT);
    g_assert_nonnull(strstr(fixture->error->message, "No such file"));
}

/* The socket is there, and nobody behind it: each request is told so soon, the second one at once. */
static void test_nobody_greets(Fixture *fixture, gconstpointer data)
{
    (void)data;
    event_del(fixture->fake->acceptable);
    ask(fixture, "", 60000);
    run_until(fixture, 1);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE);
    g_assert_nonnull(strstr(fixture->error->message, "nobody answers"));
    ask(fixture, "", 60000);
    run_until(fixture, 2);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE);
    /* It comes: on the connection that waits for it. */
    fixture->fake->answer = answer_echo;
    event_add(fixture->fake->acceptable, NULL);
    postern_inspector_client_watch(fixture->client, note_state, fixture);
    while (fixture->state != POSTERN_INSPECTOR_UP)
        event_base_loop(fixture->loop, EVLOOP_ONCE);
    ask(fixture, "up", 5000);
    run_until(fixture, 3);
    g_assert_no_error(fixture->error);
    g_assert_cmpuint(fixture->fake->connections, ==, 1);
}

static void wait_for_state(Fixture *fixture, PosternInspectorState state)
{
    while (fixture->state != state)
        event_base_loop(fixture->loop, EVLOOP_ONCE);
}

static void test_states(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->fake->answer = answer_echo;
    fixture->fake->silent = TRUE;
    postern_inspector_client_watch(fixture->client, note_state, fixture);
    while (fixture->fake->socket < 0)
        event_base_loop(fixture->loop, EVLOOP_ONCE);
    fake_greet(fixture->fake, FALSE, NULL); /* it loads its signatures: requests wait, and are served */
    ask(fixture, "early", 5000);
    run_until(fixture, 1);
    g_assert_no_error(fixture->error);
    g_assert_cmpuint(fixture->states->len, ==, 0);
    fake_greet(fixture->fake, TRUE, NULL);
    wait_for_state(fixture, POSTERN_INSPECTOR_UP);
    fake_greet(fixture->fake, FALSE, "no signatures");
    wait_for_state(fixture, POSTERN_INSPECTOR_DOWN);
    fixture->fake->silent = FALSE;
    fake_hang_up(fixture->fake); /* and connects again by itself */
    wait_for_state(fixture, POSTERN_INSPECTOR_UP);
    g_autofree char *told = g_strdup(fixture->states->str);
    g_assert_true(g_str_has_prefix(told, "up;down no signatures;"));
    g_assert_true(g_str_has_suffix(told, "up;"));
}

static const struct {
    PosternFailure failure;
    PosternError code;
} failures[] = {
    {POSTERN_FAILURE_CRASHED, POSTERN_ERROR_UNAVAILABLE},
    {POSTERN_FAILURE_TIMEOUT, POSTERN_ERROR_TIMEOUT},
    {POSTERN_FAILURE_OVERLOADED, POSTERN_ERROR_LIMIT},
    {POSTERN_FAILURE_UNAVAILABLE, POSTERN_ERROR_UNAVAILABLE},
    {POSTERN_FAILURE_INVALID, POSTERN_ERROR_PROTOCOL},
    {(PosternFailure)77, POSTERN_ERROR_PROTOCOL},
};

static void answer_failure(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                           guint64 octets)
{
    fake_fail(fake, packet->id, failures[fake->requests - 1].failure, "this is why");
}

static void test_failures(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->fake->answer = answer_failure;
    for (guint i = 0; i < G_N_ELEMENTS(failures); i++) {
        ask(fixture, "", 5000);
        run_until(fixture, i + 1);
        g_assert_error(fixture->error, POSTERN_ERROR, (gint)failures[i].code);
        g_assert_nonnull(strstr(fixture->error->message, "this is why"));
    }
}

static void answer_unsealed(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                            guint64 octets)
{
    g_auto(PosternPacket) bad = {.kind = POSTERN_PACKET_RESPONSE,
                                 .id = packet->id,
                                 .descriptors = {memfd_create("unsealed", MFD_CLOEXEC)},
                                 .descriptor_count = 1};
    if (fake->requests == 1)
        g_assert_cmpint(postern_packet_send(fake->socket, &bad, NULL), ==, 1);
    else
        echo(fake, packet->id, "good");
}

static void test_unsealed(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->fake->answer = answer_unsealed;
    ask(fixture, "", 5000);
    run_until(fixture, 1);
    g_assert_error(fixture->error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
    ask(fixture, "", 5000);
    run_until(fixture, 2);
    g_assert_no_error(fixture->error);
    g_assert_cmpuint(fixture->fake->connections, ==, 1);
}

static void answer_never_asked(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request,
                               guint64 octets)
{
    echo(fake, fake->requests == 1 ? packet->id + 1000 : packet->id, "asked");
}

/* An answer to what was never asked breaks the connection; the request is sent on another. */
static void test_never_asked(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->fake->answer = answer_never_asked;
    ask(fixture, "", 5000);
    run_until(fixture, 1);
    g_assert_no_error(fixture->error);
    g_assert_cmpuint(fixture->fake->connections, ==, 2);
}

static void test_cancelled(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->fake->answer = answer_echo;
    ask(fixture, "first", 5000);
    run_until(fixture, 1);
    PosternInspectorCall *cancelled = ask(fixture, "no", 5000);
    ask(fixture, "yes", 5000);
    postern_inspector_client_cancel(cancelled);
    postern_inspector_client_cancel(NULL);
    run_until(fixture, 2);
    g_assert_cmpuint(fixture->fake->requests, ==, 3);
    g_assert_cmpstr(g_ptr_array_index(fixture->names, 1), ==, "yes");
}

static void test_freed_in_callback(Fixture *fixture, gconstpointer data)
{
    (void)data;
    fixture->fake->answer = answer_echo;
    fixture->free_client = TRUE;
    ask(fixture, "", 5000);
    ask(fixture, "", 5000);
    run_until(fixture, 1);
}

static void add(const char *path, void (*test)(Fixture *fixture, gconstpointer data))
{
    g_test_add(path, Fixture, NULL, set_up, test, tear_down);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/client/answers", test_answers);
    add("/client/any-order", test_any_order);
    add("/client/sent-once-more", test_sent_once_more);
    add("/client/broken-twice", test_broken_twice);
    add("/client/deadline", test_deadline);
    add("/client/no-inspector", test_no_inspector);
    add("/client/nobody-greets", test_nobody_greets);
    add("/client/states", test_states);
    add("/client/failures", test_failures);
    add("/client/unsealed", test_unsealed);
    add("/client/never-asked", test_never_asked);
    add("/client/cancelled", test_cancelled);
    add("/client/freed-in-callback", test_freed_in_callback);
    return g_test_run();
}
