#include "inspector_client/client.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "inspector_client/packet.h"

#define PAUSE_FIRST_MS 20
#define PAUSE_MAX_MS 1000
#define PAUSE_FULL_MS 10 /* the socket takes nothing now */
#define GREETING_CHECK_MS 500
#define DOWN_MAX_US (3 * G_USEC_PER_SEC)
#define SENDINGS_MAX 2

struct PosternInspectorClient {
    struct event_base *loop;
    char *path;
    int socket;       /* -1: not connected */
    gboolean greeted; /* on this connection: somebody is there */
    gboolean ready;   /* and can inspect; else there is a reason in down_text, or it starts */
    struct event *readable;
    struct event *retry; /* connect, or send what waits */
    guint pause_ms;
    gint64 down_since; /* monotonic: nobody has greeted since; 0: somebody is there */
    char *down_text;
    PosternInspectorState state;
    PosternInspectorChanged changed; /* or NULL */
    gpointer changed_data;
    guint64 last_id;
    GHashTable *calls; /* all: guint64 * in the call -> PosternInspectorCall *, owned */
    GQueue waiting;    /* of PosternInspectorCall *, to be sent */
};

typedef enum {
    CALL_WAITING,
    CALL_SENT,
    CALL_FAILED, /* its timer will tell error */
} CallState;

struct PosternInspectorCall {
    PosternInspectorClient *client;
    guint64 id;
    CallState state;
    guint sendings;
    PosternPacket packet;
    gint64 deadline; /* monotonic */
    struct event *timer;
    GError *error;
    PosternInspectorDone done;
    gpointer user_data;
};

static void call_free(gpointer data)
{
    PosternInspectorCall *call = data;
    if (call->state == CALL_WAITING)
        g_queue_remove(&call->client->waiting, call);
    g_clear_pointer(&call->timer, event_free);
    g_clear_error(&call->error);
    postern_packet_clear(&call->packet);
    g_free(call);
}

/* Tells the caller and forgets call; the client may be gone when this returns. Takes response and error. */
static void call_finish(PosternInspectorCall *call, PosternResponse *response, GError *error)
{
    PosternInspectorDone done = call->done;
    gpointer user_data = call->user_data;
    g_hash_table_remove(call->client->calls, &call->id);
    done(response, error, user_data);
    g_clear_error(&error);
}

/* The callback runs from the loop. Takes error. */
static void call_fail_later(PosternInspectorCall *call, GError *error)
{
    if (call->state == CALL_WAITING)
        g_queue_remove(&call->client->waiting, call);
    call->state = CALL_FAILED;
    call->error = error;
    event_active(call->timer, EV_TIMEOUT, 1);
}

static void on_call_timer(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    PosternInspectorCall *call = data;
    GError *error = g_steal_pointer(&call->error);
    if (error == NULL) {
        const char *why = postern_inspector_client_is_loading(call->client) ? "signatures are being loaded"
                                                                            : call->client->down_text;
        g_set_error(&error, POSTERN_ERROR, POSTERN_ERROR_TIMEOUT, "the inspector did not answer in time%s%s",
                    why != NULL ? ": " : "", why != NULL ? why : "");
    }
    call_finish(call, NULL, error);
}

static GError *down_error(const PosternInspectorClient *client)
{
    return g_error_new(POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE, "no inspector at %s: %s", client->path,
                       client->down_text != NULL ? client->down_text : "it does not answer");
}

static int compare_ids(gconstpointer a, gconstpointer b, gpointer user_data)
{
    (void)user_data;
    const PosternInspectorCall *first = a, *second = b;
    return first->id < second->id ? -1 : first->id > second->id;
}

static void retry_after(PosternInspectorClient *client, guint milliseconds)
{
    struct timeval pause = {.tv_sec = milliseconds / 1000, .tv_usec = (milliseconds % 1000) * 1000};
    evtimer_add(client->retry, &pause);
}

static void set_down_text(PosternInspectorClient *client, const char *text)
{
    char *copy = g_strdup(text);
    g_free(client->down_text);
    client->down_text = copy;
}

static gboolean is_down(const PosternInspectorClient *client)
{
    return client->down_since != 0 && g_get_monotonic_time() - client->down_since >= DOWN_MAX_US;
}

static void update_state(PosternInspectorClient *client)
{
    PosternInspectorState state = POSTERN_INSPECTOR_STARTING;
    if (is_down(client) || (client->greeted && !client->ready && client->down_text != NULL))
        state = POSTERN_INSPECTOR_DOWN;
    else if (client->greeted && client->ready)
        state = POSTERN_INSPECTOR_UP;
    if (state == client->state)
        return;
    client->state = state;
    if (client->changed != NULL)
        client->changed(state, state == POSTERN_INSPECTOR_DOWN ? client->down_text : NULL,
                        client->changed_data);
}

/* What was sent waits again, once; the second time it fails. */
static void disconnect(PosternInspectorClient *client)
{
    g_clear_pointer(&client->readable, event_free);
    close(client->socket);
    client->socket = -1;
    client->greeted = client->ready = FALSE;
    if (client->down_since == 0)
        client->down_since = g_get_monotonic_time();
    set_down_text(client, "its connection broke");
    GHashTableIter iterator;
    gpointer value = NULL;
    g_hash_table_iter_init(&iterator, client->calls);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        PosternInspectorCall *call = value;
        if (call->state != CALL_SENT)
            continue;
        if (call->sendings >= SENDINGS_MAX) {
            call_fail_later(call, down_error(client));
        } else {
            call->state = CALL_WAITING;
            g_queue_insert_sorted(&client->waiting, call, compare_ids, NULL);
        }
    }
    retry_after(client, client->pause_ms);
    client->pause_ms = MIN(client->pause_ms * 2, PAUSE_MAX_MS);
}

static void fail_waiting(PosternInspectorClient *client)
{
    while (!g_queue_is_empty(&client->waiting))
        call_fail_later(g_queue_peek_head(&client->waiting), down_error(client));
}

static GError *failure_error(const PosternPacket *packet)
{
    static const PosternError codes[] = {
        [POSTERN_FAILURE_CRASHED] = POSTERN_ERROR_UNAVAILABLE,
        [POSTERN_FAILURE_TIMEOUT] = POSTERN_ERROR_TIMEOUT,
        [POSTERN_FAILURE_OVERLOADED] = POSTERN_ERROR_LIMIT,
        [POSTERN_FAILURE_UNAVAILABLE] = POSTERN_ERROR_UNAVAILABLE,
        [POSTERN_FAILURE_INVALID] = POSTERN_ERROR_PROTOCOL,
    };
    gboolean known = packet->failure >= POSTERN_FAILURE_CRASHED && packet->failure <= POSTERN_FAILURE_INVALID;
    return g_error_new(POSTERN_ERROR, known ? codes[packet->failure] : POSTERN_ERROR_PROTOCOL,
                       "inspector: %s", packet->text[0] != '\0' ? packet->text : "gave no reason");
}

static void flush(PosternInspectorClient *client);

static void greet(PosternInspectorClient *client, const PosternPacket *packet)
{
    client->greeted = TRUE;
    client->ready = packet->value != 0;
    client->down_since = 0;
    client->pause_ms = PAUSE_FIRST_MS;
    set_down_text(client, !client->ready && packet->text[0] != '\0' ? packet->text : NULL);
    evtimer_del(client->retry);
    update_state(client);
    flush(client);
}

/* One answer; the client may be gone when this returns. */
static void answer(PosternInspectorClient *client, PosternPacket *packet)
{
    if (packet->kind == POSTERN_PACKET_READY) {
        greet(client, packet);
        return;
    }
    PosternInspectorCall *call = g_hash_table_lookup(client->calls, &packet->id);
    gboolean failure = packet->kind == POSTERN_PACKET_FAILURE;
    if (packet->id > client->last_id || (packet->kind != POSTERN_PACKET_RESPONSE && !failure)) {
        disconnect(client);
        return;
    }
    client->pause_ms = PAUSE_FIRST_MS;
    if (call == NULL || call->state != CALL_SENT)
        return;
    if (failure) {
        call_finish(call, NULL, failure_error(packet));
        return;
    }
    GError *error = NULL;
    PosternResponse *parsed = NULL;
    g_autoptr(GBytes) octets = postern_packet_content(packet, POSTERN_INSPECTOR_RESPONSE_MAX_OCTETS, &error);
    if (octets != NULL)
        parsed = postern_response_parse(octets, &error);
    call_finish(call, parsed, error);
}

/* One packet each time: the callback it leads to may free the client. */
static void on_readable(evutil_socket_t descriptor, short what, void *data)
{
    (void)what;
    PosternInspectorClient *client = data;
    g_auto(PosternPacket) packet = {0};
    int received = postern_packet_receive(descriptor, &packet, NULL);
    if (received < 0)
        disconnect(client);
    else if (received > 0)
        answer(client, &packet);
}

static gboolean peer_is_trusted(int descriptor, GError **error)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(descriptor, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0)
        return postern_error_set_system(error, errno, "asking who runs the inspector");
    if (peer.uid != 0 && peer.uid != geteuid())
        return postern_error_set(error, POSTERN_ERROR_UNAVAILABLE,
                                 "it is run by user %u; only root's or our own (user %u) is trusted",
                                 (guint)peer.uid, (guint)geteuid());
    return TRUE;
}

/* A connected socket, or -1 and error. */
static int connect_to(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_USAGE, "the path of the socket is too long");
        return -1;
    }
    int descriptor = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        postern_error_set_system(error, errno, "making a socket");
        return -1;
    }
    if (connect(descriptor, (const struct sockaddr *)&address, sizeof address) != 0) {
        postern_error_set_system(error, errno, "connecting");
        close(descriptor);
        return -1;
    }
    if (!peer_is_trusted(descriptor, error)) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

gboolean postern_inspector_client_probe(const char *path, GError **error)
{
    int descriptor = connect_to(path, error);
    if (descriptor >= 0)
        close(descriptor);
    return descriptor >= 0;
}

/* Once connected, an inspector that is alive greets: its socket may be there without it. */
static void connect_or_pause(PosternInspectorClient *client)
{
    g_autoptr(GError) error = NULL;
    if (client->down_since == 0)
        client->down_since = g_get_monotonic_time();
    client->socket = connect_to(client->path, &error);
    if (client->socket >= 0) {
        set_down_text(client, "nobody answers at its socket");
        client->readable = event_new(client->loop, client->socket, EV_READ | EV_PERSIST, on_readable, client);
        event_add(client->readable, NULL);
        retry_after(client, GREETING_CHECK_MS);
        return;
    }
    set_down_text(client, error->message);
    retry_after(client, client->pause_ms);
    client->pause_ms = MIN(client->pause_ms * 2, PAUSE_MAX_MS);
}

/* 1: sent; 0: no room now; -1: the connection is broken. */
static int send_call(PosternInspectorClient *client, PosternInspectorCall *call)
{
    gint64 left_ms = MAX(1, (call->deadline - g_get_monotonic_time()) / 1000);
    call->packet.deadline_ms = (guint32)MIN(left_ms, G_MAXUINT32);
    return postern_packet_send(client->socket, &call->packet, NULL);
}

static void flush(PosternInspectorClient *client)
{
    while (client->greeted && !g_queue_is_empty(&client->waiting)) {
        PosternInspectorCall *call = g_queue_peek_head(&client->waiting);
        int sent = send_call(client, call);
        if (sent == 0) {
            retry_after(client, PAUSE_FULL_MS);
            return;
        }
        g_queue_pop_head(&client->waiting);
        call->state = CALL_SENT;
        call->sendings++;
        if (sent < 0)
            disconnect(client);
    }
}

static void on_retry(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    PosternInspectorClient *client = data;
    if (client->socket < 0)
        connect_or_pause(client);
    if (is_down(client))
        fail_waiting(client);
    else if (client->greeted)
        flush(client);
    else if (client->socket >= 0)
        retry_after(client, GREETING_CHECK_MS);
    update_state(client);
}

void postern_inspector_client_watch(PosternInspectorClient *client, PosternInspectorChanged changed,
                                    gpointer user_data)
{
    client->changed = changed;
    client->changed_data = user_data;
    if (client->socket < 0 && !evtimer_pending(client->retry, NULL))
        connect_or_pause(client);
}

PosternInspectorClient *postern_inspector_client_new(struct event_base *loop, const char *path)
{
    PosternInspectorClient *client = g_new0(PosternInspectorClient, 1);
    client->loop = loop;
    client->path = g_strdup(path);
    client->socket = -1;
    client->pause_ms = PAUSE_FIRST_MS;
    client->retry = evtimer_new(loop, on_retry, client);
    client->calls = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, call_free);
    g_queue_init(&client->waiting);
    return client;
}

void postern_inspector_client_free(PosternInspectorClient *client)
{
    if (client == NULL)
        return;
    g_clear_pointer(&client->calls, g_hash_table_unref);
    g_clear_pointer(&client->readable, event_free);
    g_clear_pointer(&client->retry, event_free);
    if (client->socket >= 0)
        close(client->socket);
    g_free(client->down_text);
    g_free(client->path);
    g_free(client);
}

gboolean postern_inspector_client_is_loading(const PosternInspectorClient *client)
{
    return client->greeted && !client->ready && client->down_text == NULL;
}

struct event_base *postern_inspector_client_loop(const PosternInspectorClient *client)
{
    return client->loop;
}

PosternInspectorCall *postern_inspector_client_send(PosternInspectorClient *client,
                                                    const PosternRequest *request, PosternMessage *message,
                                                    guint deadline_ms, PosternInspectorDone done,
                                                    gpointer user_data)
{
    g_autoptr(GBytes) octets = postern_request_serialise(request);
    PosternInspectorCall *call = g_new0(PosternInspectorCall, 1);
    GError *error = NULL;
    struct timeval deadline = {.tv_sec = deadline_ms / 1000, .tv_usec = (deadline_ms % 1000) * 1000};
    call->client = client;
    call->id = ++client->last_id;
    call->state = CALL_FAILED;
    call->deadline = g_get_monotonic_time() + (gint64)deadline_ms * 1000;
    call->packet = (PosternPacket){.kind = POSTERN_PACKET_REQUEST,
                                   .id = call->id,
                                   .value = postern_address_client_number(&request->envelope->client),
                                   .role = postern_stage_role(request->stage)};
    if (request->fingerprint != NULL)
        memcpy(call->packet.fingerprint, request->fingerprint, POSTERN_FINGERPRINT_OCTETS);
    call->done = done;
    call->user_data = user_data;
    call->timer = evtimer_new(client->loop, on_call_timer, call);
    evtimer_add(call->timer, &deadline);
    g_hash_table_insert(client->calls, &call->id, call);
    if (!postern_packet_set_content(&call->packet, octets, message, &error)) {
        call_fail_later(call, error);
        return call;
    }
    if (is_down(client) && (client->socket >= 0 || evtimer_pending(client->retry, NULL))) {
        call_fail_later(call, down_error(client));
        return call;
    }
    call->state = CALL_WAITING;
    g_queue_push_tail(&client->waiting, call);
    if (client->socket < 0 && !evtimer_pending(client->retry, NULL))
        connect_or_pause(client);
    flush(client);
    return call;
}

void postern_inspector_client_cancel(PosternInspectorCall *call)
{
    if (call != NULL)
        g_hash_table_remove(call->client->calls, &call->id);
}
