#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/log.h"
#include "proxy/connection/message_sender.h"
#include "proxy/connection/server_tls.h"
#include "proxy/connection/thread_private.h"
#include "proxy/connection/tls_transport.h"

typedef enum {
    CONNECTION_OPENING,   /* until it is greeted */
    CONNECTION_POOLED,    /* nobody's */
    CONNECTION_ASSIGNED,  /* user's */
    CONNECTION_RETURNING, /* its user is done; the pool has it again once it is reset */
    CONNECTION_QUITTING,
    CONNECTION_ENDING, /* nothing is said any more; the peer's end is awaited, for its slot is free then */
    CONNECTION_CLOSED, /* the pool was told; it is to be freed */
} ConnectionState;

struct PosternBackendConnection {
    PosternProxyThread *thread;
    guint64 number;
    PosternServer *server;
    PosternPool *pool;
    PosternProxySettings *settings;
    const PosternProxyGroup *group; /* of settings */
    PosternBackend *backend;
    PosternServerTls *tls;
    PosternStream *stream; /* NULL: not yet, or no descriptor could be had */
    ConnectionState state;
    gboolean presented;           /* what it announces is known only once a client is */
    gboolean probes;              /* ASSIGNED: to the relay probe */
    guint64 user;                 /* ASSIGNED: to a client */
    gint64 since;                 /* OPENING, ENDING: it began */
    gsize discarded;              /* octets that came since */
    PosternMessageSender *sender; /* while a message is sent */
};

/* The one place where the state changes. */
static void set_state(PosternBackendConnection *connection, ConnectionState state)
{
    static const char *const names[] = {
        [CONNECTION_OPENING] = "opening",   [CONNECTION_POOLED] = "pooled",
        [CONNECTION_ASSIGNED] = "assigned", [CONNECTION_RETURNING] = "returning",
        [CONNECTION_QUITTING] = "quitting", [CONNECTION_ENDING] = "ending",
        [CONNECTION_CLOSED] = "closed",
    };
    postern_log_numbered_state("slot of back-end connection", connection->number, names[connection->state],
                               names[state]);
    connection->state = state;
}

static gboolean is_over(const PosternBackendConnection *connection)
{
    return connection->state == CONNECTION_ENDING || connection->state == CONNECTION_CLOSED;
}

PosternBackend *postern_backend_connection_backend(PosternBackendConnection *connection)
{
    return connection->backend;
}

guint64 postern_backend_connection_number(const PosternBackendConnection *connection)
{
    return connection->number;
}

PosternServer *postern_backend_connection_server(const PosternBackendConnection *connection)
{
    return connection->server;
}

PosternPool *postern_backend_connection_pool(const PosternBackendConnection *connection)
{
    return connection->pool;
}

gboolean postern_backend_connection_suits(const PosternBackendConnection *connection,
                                          const PosternProxySettings *settings)
{
    return postern_proxy_settings_suit(settings, connection->settings, connection->group);
}

gboolean postern_backend_connection_is_current(const PosternBackendConnection *connection)
{
    const PosternProxyGroup *group = postern_thread_group(connection->thread, connection->pool);
    return group != NULL && group->settings.generation == connection->group->settings.generation;
}

gboolean postern_backend_connection_is_in_use(const PosternBackendConnection *connection)
{
    return connection->state == CONNECTION_ASSIGNED && !connection->probes;
}

void postern_backend_connection_free(PosternBackendConnection *connection)
{
    postern_message_sender_free(connection->sender);
    postern_stream_free(connection->stream);
    postern_server_tls_free(connection->tls);
    postern_backend_free(connection->backend);
    postern_proxy_settings_unref(connection->settings);
    postern_server_unref(connection->server);
    g_free(connection);
}

static void receive(PosternBackendConnection *connection, gint64 now)
{
    gsize length = 0;
    const char *octets = postern_stream_input(connection->stream, &length);
    if (connection->state == CONNECTION_ENDING)
        connection->discarded += length;
    else
        postern_backend_receive(connection->backend, octets, length, now);
    postern_stream_consume(connection->stream, length);
}

static void on_stream(PosternStream *stream, PosternStreamEvent event, gpointer user_data)
{
    PosternBackendConnection *connection = user_data;
    PosternProxyThread *thread = connection->thread;
    gint64 now = postern_thread_now(thread);
    switch (event) {
    case POSTERN_STREAM_CONNECTED:
        postern_stream_set_reading(stream, TRUE);
        postern_backend_connected(connection->backend, now);
        break;
    case POSTERN_STREAM_INPUT:
        receive(connection, now);
        break;
    case POSTERN_STREAM_DRAINED:
        break;
    case POSTERN_STREAM_CLOSED:
        postern_backend_closed(connection->backend, NULL, now);
        break;
    case POSTERN_STREAM_FAILED:
        if (!postern_server_tls_has_failed(stream, connection->backend))
            postern_backend_closed(connection->backend, postern_stream_error(stream), now);
        break;
    case POSTERN_STREAM_DEADLINE:
        postern_backend_timer(connection->backend, now);
        break;
    }
    postern_thread_mark_backend(thread, connection->number);
    postern_thread_run(thread);
}

static void make(PosternBackendConnection *connection, gint64 now)
{
    g_autoptr(GError) error = NULL;
    PosternTransport *transport = postern_server_tls_make(connection->tls, &error);
    postern_backend_set_tls_level(connection->backend, postern_server_tls_level(connection->tls, now));
    if (transport != NULL)
        connection->stream =
            postern_stream_new(connection->thread->world, transport, TRUE, on_stream, connection);
    else
        postern_backend_closed(connection->backend, error->message, now);
    postern_thread_mark_backend(connection->thread, connection->number);
}

static void on_tls_known(gpointer user_data)
{
    PosternBackendConnection *connection = user_data;
    PosternProxyThread *thread = connection->thread;
    make(connection, postern_thread_now(thread));
    postern_thread_run(thread);
}

void postern_backend_connection_open(PosternProxyThread *thread, PosternPool *pool, guint64 number,
                                     PosternServer *server)
{
    const PosternConfiguration *configuration = thread->settings->configuration;
    gint64 now = postern_thread_now(thread);
    PosternBackendConnection *connection = g_new0(PosternBackendConnection, 1);
    connection->thread = thread;
    connection->number = number;
    connection->since = now;
    connection->server = postern_server_ref(server);
    connection->pool = pool;
    connection->settings = postern_proxy_settings_ref(thread->settings);
    connection->group = postern_thread_group(thread, pool);
    connection->presented = connection->group->client_address >= POSTERN_CLIENT_ADDRESS_PROXY_V1;
    PosternBackendOptions options = {
        .number = number,
        .hostname = configuration->proxy.hostname,
        .server = postern_server_name(connection->server),
        .client_address = connection->group->client_address,
        .software = connection->group->software,
        .lmtp_recipients = postern_server_speaks_lmtp(server) ? configuration->proxy.lmtp_recipients : 0,
        .connect_timeout_ms = configuration->proxy.backend_connect_timeout_ms,
        .timeout_ms = configuration->proxy.backend_timeout_ms,
        .data_end_timeout_ms = configuration->proxy.backend_data_end_timeout_ms,
    };
    connection->backend = postern_backend_new(&options, now);
    g_hash_table_insert(thread->backends, &connection->number, connection);
    connection->tls =
        postern_server_tls_new(thread->world, connection->group, server, on_tls_known, connection);
    if (postern_server_tls_is_known(connection->tls))
        make(connection, now);
}

void postern_backend_connection_set_user(PosternBackendConnection *connection, guint64 client)
{
    const PosternConfiguration *configuration = connection->thread->settings->configuration;
    set_state(connection, CONNECTION_ASSIGNED);
    connection->probes = FALSE;
    connection->user = client;
    postern_backend_set_timeouts(connection->backend, configuration->proxy.backend_timeout_ms,
                                 configuration->proxy.backend_data_end_timeout_ms);
}

void postern_backend_connection_set_probe(PosternBackendConnection *connection)
{
    set_state(connection, CONNECTION_ASSIGNED);
    connection->probes = TRUE;
}

void postern_backend_connection_return(PosternBackendConnection *connection)
{
    set_state(connection, CONNECTION_RETURNING);
    postern_thread_mark_backend(connection->thread, connection->number);
}

/* Nothing is said any more: closed on our side. */
static void begin_to_end(PosternBackendConnection *connection, gint64 now)
{
    set_state(connection, CONNECTION_ENDING);
    connection->since = now;
    g_clear_pointer(&connection->sender, postern_message_sender_free);
    postern_backend_closed(connection->backend, NULL, now);
    if (connection->stream == NULL)
        return;
    postern_stream_shutdown(connection->stream);
    postern_stream_set_reading(connection->stream, TRUE);
}

void postern_backend_connection_abandon(PosternBackendConnection *connection)
{
    if (!is_over(connection))
        begin_to_end(connection, postern_thread_now(connection->thread));
    postern_thread_mark_backend(connection->thread, connection->number);
}

void postern_backend_connection_quit(PosternBackendConnection *connection)
{
    if (is_over(connection))
        return;
    set_state(connection, CONNECTION_QUITTING);
    postern_backend_quit(connection->backend, postern_thread_now(connection->thread));
    postern_thread_mark_backend(connection->thread, connection->number);
}

void postern_backend_connection_send_message(PosternBackendConnection *connection,
                                             const PosternSessionAction *action)
{
    g_autoptr(GError) error = NULL;
    connection->sender = action->transit != NULL
                             ? postern_message_sender_new_transit(action->transit, action->edits)
                             : postern_message_sender_new(action->message, action->edits, &error);
    if (error != NULL)
        postern_backend_closed(connection->backend, error->message, postern_thread_now(connection->thread));
    postern_thread_mark_backend(connection->thread, connection->number);
}

static void send_message(PosternBackendConnection *connection, gint64 now)
{
    gsize octets = 0;
    if (connection->sender == NULL)
        return;
    int result = postern_message_sender_write(connection->sender, connection->stream, &octets);
    if (result == 0) {
        gboolean waits = postern_message_sender_waits(connection->sender);
        if (octets > 0 || waits)
            postern_backend_progress(connection->backend, waits, now);
        if (waits && octets > 0) /* its client was not read from meanwhile */
            postern_thread_mark_client(connection->thread, connection->user);
        return;
    }
    g_clear_pointer(&connection->sender, postern_message_sender_free);
    /* A message that cannot be put on the wire as it is must not end there either: the connection is cut. */
    if (result < 0)
        postern_backend_closed(connection->backend, "the message holds a bare CR or LF", now);
    else
        postern_backend_message_sent(connection->backend, now);
}

void postern_backend_connection_send_more(PosternBackendConnection *connection)
{
    if (!is_over(connection))
        send_message(connection, postern_thread_now(connection->thread));
    postern_thread_mark_backend(connection->thread, connection->number);
}

static void flush_output(PosternBackendConnection *connection)
{
    GString *output = postern_backend_output(connection->backend);
    if (connection->stream == NULL || output->len == 0)
        return;
    postern_stream_send(connection->stream, output->str, output->len);
    g_string_truncate(output, 0);
}

static void hand_over_event(PosternBackendConnection *connection, const PosternBackendEvent *event)
{
    PosternProxyThread *thread = connection->thread;
    if (connection->state != CONNECTION_ASSIGNED)
        return;
    PosternClientConnection *client = postern_client_find(thread, connection->user);
    if (connection->probes)
        postern_relay_probe_event(thread, connection, event);
    else if (client != NULL)
        postern_client_connection_backend_event(client, event);
}

/* TRUE if the peer has no connection any more, or has not had one. */
static gboolean peer_is_gone(const PosternBackendConnection *connection)
{
    return connection->stream == NULL || postern_stream_peer_is_gone(connection->stream);
}

static void free_slot(PosternBackendConnection *connection, const char *failure, gint64 now)
{
    set_state(connection, CONNECTION_CLOSED);
    postern_pool_closed(connection->pool, connection->number, failure, now);
}

/* The dialogue is over. The slot is free at once only if the peer has ended too, or never began. */
static void give_up(PosternBackendConnection *connection, const char *failure, gboolean peer_ended,
                    gint64 now)
{
    if (peer_ended) {
        free_slot(connection, failure, now);
        return;
    }
    begin_to_end(connection, now);
    postern_pool_ending(connection->pool, connection->number, failure, now);
}

static void handle_ready(PosternBackendConnection *connection, gint64 now)
{
    PosternProxyThread *thread = connection->thread;
    PosternTlsFacts facts;
    postern_counters_time(thread->settings->counters, POSTERN_LATENCY_CONNECT, now - connection->since);
    if (postern_tls_transport_facts(postern_stream_transport(connection->stream), &facts))
        postern_backend_set_tls(connection->backend, &facts);
    if (!postern_backend_connection_is_current(connection)) {
        postern_backend_connection_quit(connection); /* it was opened for who waits no more */
        return;
    }
    set_state(connection, CONNECTION_POOLED);
    if (postern_pool_is_up(connection->pool, connection->server))
        postern_thread_note_problem(thread, connection->server, NULL);
    postern_pool_opened(connection->pool, connection->number,
                        connection->presented ? NULL : postern_backend_ehlo(connection->backend), now);
}

/* What is wrong with the back-end, not with this connection alone; of one that is no longer the back-end,
 * nothing is said. TRUE: whoever waits for such a connection is to be refused, another one would be no
 * better.
 */
static gboolean judge_failure(PosternBackendConnection *connection, const PosternBackendEvent *event,
                              gboolean opening, gint64 now)
{
    if (!postern_backend_connection_is_current(connection))
        return FALSE;
    if (event->fault == POSTERN_BACKEND_FAULT_TLS) {
        g_autofree char *text = g_strdup_printf("%s; for %d minutes it is served without", event->text,
                                                POSTERN_TLS_RETRY_MS / 60000);
        postern_server_warn(connection->server, text);
        postern_server_do_without_tls(connection->server, now + POSTERN_TLS_RETRY_MS);
        return FALSE;
    }
    gboolean is_told = event->reply != NULL && event->reply->code == 421;
    if (opening && is_told)
        postern_pool_note_failure(connection->pool, connection->server, POSTERN_SERVER_REST_MS, now);
    else if (connection->state == CONNECTION_ASSIGNED && event->fault == POSTERN_BACKEND_FAULT_LOST &&
             !is_told)
        postern_pool_note_failure(connection->pool, connection->server, 0, now);
    if (opening || event->fault == POSTERN_BACKEND_FAULT_SETUP)
        postern_thread_note_problem(connection->thread, connection->server, event->text);
    if (event->fault == POSTERN_BACKEND_FAULT_DEMAND) {
        postern_server_warn(connection->server, event->text);
        /* whether it demands that of everybody */
        postern_relay_probe_hurry(connection->thread, connection->pool, connection->server);
    }
    if (event->fault == POSTERN_BACKEND_FAULT_SETUP)
        postern_pool_mark_down(connection->pool, connection->server, event->text, POSTERN_BACKEND_RETRY_MS,
                               now);
    return opening;
}

static void handle_event(PosternBackendConnection *connection, const PosternBackendEvent *event, gint64 now)
{
    gboolean opening = connection->state == CONNECTION_OPENING;
    /* A back-end that was started anew has left all its connections dead: the client's one more try is to
     * meet a new one. */
    if (event->kind == POSTERN_BACKEND_FAILED && postern_backend_is_before_data(event->during))
        postern_pool_end_idle(connection->pool, connection->server, now);
    hand_over_event(connection, event);
    switch (event->kind) {
    case POSTERN_BACKEND_IDENTIFIED:
        if (connection->presented && postern_backend_ehlo(connection->backend)->capabilities != 0 &&
            postern_backend_connection_is_current(connection))
            postern_pool_note_announced(connection->pool, connection->server,
                                        postern_backend_ehlo(connection->backend), now);
        break;
    case POSTERN_BACKEND_START_TLS:
        postern_server_tls_begin(connection->tls, connection->stream, connection->backend, now);
        break;
    case POSTERN_BACKEND_READY:
        handle_ready(connection, now);
        break;
    case POSTERN_BACKEND_FAILED:
        give_up(connection, judge_failure(connection, event, opening, now) ? event->text : NULL,
                peer_is_gone(connection), now);
        break;
    case POSTERN_BACKEND_ENDED:
        give_up(connection, NULL, event->reply != NULL || peer_is_gone(connection), now);
        break;
    default:
        break;
    }
}

static void run_events(PosternBackendConnection *connection, gint64 now)
{
    for (;;) {
        g_autoptr(PosternBackendEvent) event = postern_backend_next_event(connection->backend);
        if (event == NULL)
            return;
        handle_event(connection, event, now);
    }
}

/* The slot is free when the peer has closed too. One that is there and does not read is told by a reset. One
 * that is out of reach, or does not come to it, may have the connection still: it has its time, if we do not
 * stop. */
static void wait_for_end(PosternBackendConnection *connection, gint64 now)
{
    gint64 first = connection->since + POSTERN_BACKEND_QUIT_TIMEOUT_MS;
    gint64 last =
        connection->thread->draining
            ? first
            : connection->since + connection->thread->settings->configuration->proxy.backend_lost_timeout_ms;
    if (!peer_is_gone(connection)) {
        gboolean deaf = now >= first && postern_stream_is_stuck(connection->stream, now - connection->since);
        gboolean babbles = connection->discarded > POSTERN_REPLY_MAX_OCTETS;
        if (!deaf && !babbles && now < last) {
            postern_stream_set_deadline(connection->stream, now < first ? MIN(first, last) : last);
            return;
        }
    }
    if (connection->stream != NULL)
        postern_stream_abort(connection->stream);
    free_slot(connection, NULL, now);
}

/* What was said, heard and sent; in the end it may be ENDING or CLOSED. */
static void run_dialogue(PosternBackendConnection *connection, gint64 now)
{
    run_events(connection, now);
    if (is_over(connection))
        return;
    flush_output(connection);
    send_message(connection, now);
    run_events(connection, now);
}

/* Its user is done with it, and the back-end has answered RSET. */
static void return_if_reset(PosternBackendConnection *connection, gint64 now)
{
    if (connection->state != CONNECTION_RETURNING ||
        postern_backend_state(connection->backend) != POSTERN_BACKEND_IDLE)
        return;
    set_state(connection, CONNECTION_POOLED);
    gboolean reusable =
        postern_backend_is_reusable(connection->backend) && postern_backend_connection_is_current(connection);
    postern_pool_returned(connection->pool, connection->number, reusable, now);
}

void postern_backend_connection_run(PosternBackendConnection *connection)
{
    gint64 now = postern_thread_now(connection->thread);
    if (connection->state != CONNECTION_ENDING)
        run_dialogue(connection, now);
    if (connection->state == CONNECTION_ENDING)
        wait_for_end(connection, now);
    if (connection->state == CONNECTION_CLOSED) {
        g_hash_table_remove(connection->thread->backends, &connection->number);
    } else if (connection->state != CONNECTION_ENDING) {
        return_if_reset(connection, now);
        flush_output(connection);
        if (connection->stream != NULL)
            postern_stream_set_deadline(connection->stream, postern_backend_deadline(connection->backend));
    }
}
