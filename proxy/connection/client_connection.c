#include <string.h>

#include "base/log.h"
#include "proxy/connection/thread_private.h"
#include "proxy/connection/tls_transport.h"

/* A client that has come, or has said something, often goes on at once, and is not parked in between, unless
 * a thread has so many at work that their sessions would be felt. */
#define PARK_AFTER_MS 1000
#define AT_WORK_MAX 64

/* How long the last reply may take to leave. */
#define CLOSE_TIMEOUT_MS 10000

typedef enum {
    CLIENT_OPEN,
    CLIENT_SAYS_NO_MORE, /* it has ended its side, and may still listen */
    CLIENT_GONE,         /* nothing reaches it any more; its session may still await the back-end */
    CLIENT_CLOSING,      /* its session is over; closes when all is sent */
    CLIENT_CLOSED,       /* it is to be freed */
} ClientState;

typedef enum {
    TLS_AS_IT_IS,
    TLS_ASKED,    /* STARTTLS is to be answered */
    TLS_ANSWERED, /* it begins when the 220 has left */
} TlsStep;

struct PosternClientConnection {
    PosternClient *client;
    PosternProxyThread *thread;
    guint64 number;
    PosternSession *session;
    PosternStream *stream;
    PosternPool *pool;                 /* where it borrowed last */
    PosternBackendConnection *backend; /* borrowed */
    gpointer inspection;               /* the world's */
    guint64 charged;                   /* octets of the session's budget, for those that wait here */
    gint64 waiting_since;
    gint64 parks_at; /* not before that */
    gint64 reads_at; /* likewise: a suspect's message is read slowly */
    ClientState state;
    TlsStep tls;
    gboolean tls_told; /* the session knows what was agreed upon */
};

/* The one place where the state changes. */
static void set_state(PosternClientConnection *client, ClientState state)
{
    static const char *const names[] = {
        [CLIENT_OPEN] = "open",     [CLIENT_SAYS_NO_MORE] = "says no more",
        [CLIENT_GONE] = "gone",     [CLIENT_CLOSING] = "closing",
        [CLIENT_CLOSED] = "closed",
    };
    postern_log_state("client of session", postern_session_identifier(client->session)->text,
                      names[client->state], names[state]);
    client->state = state;
}

static gboolean is_closing(const PosternClientConnection *client)
{
    return client->state == CLIENT_CLOSING || client->state == CLIENT_CLOSED;
}

/* Nothing reaches it any more. */
static void lose(PosternClientConnection *client)
{
    set_state(client, is_closing(client) ? CLIENT_CLOSED : CLIENT_GONE);
}

PosternSession *postern_client_connection_session(PosternClientConnection *client)
{
    return client->session;
}

const PosternProxySettings *postern_client_connection_settings(const PosternClientConnection *client)
{
    return client->client->settings;
}

/* What has come and is not taken, and what was said and is not sent, is charged as messages are. */
static gboolean charge(PosternClientConnection *client)
{
    const PosternPace *pace = client->client->pace;
    guint64 held = postern_stream_unread(client->stream) + postern_stream_unsent(client->stream) +
                   (pace != NULL ? pace->length : 0);
    PosternBudget *budget = postern_session_budget(client->session);
    while (held > client->charged && !postern_budget_reserve(budget, held - client->charged))
        if (!postern_session_make_room(client->session, held - client->charged,
                                       postern_thread_now(client->thread)))
            return FALSE;
    if (held < client->charged)
        postern_budget_release(budget, client->charged - held);
    client->charged = held;
    return TRUE;
}

static void set_waiting(PosternClientConnection *client, gboolean waiting)
{
    if (postern_client_set_waiting(client->client, waiting))
        client->waiting_since = postern_thread_now(client->thread);
}

/* Who has said something in the middle of a message goes last; other talk does not count. */
static void judge_waiting(PosternClientConnection *client, gboolean has_spoken)
{
    PosternSessionWait wait = postern_session_wait(client->session);
    if (has_spoken && wait == POSTERN_SESSION_WAITS_IN_MESSAGE)
        set_waiting(client, FALSE);
    set_waiting(client, !is_closing(client) && wait != POSTERN_SESSION_WAITS_NOT);
}

gboolean postern_client_connection_is_dispensable(const PosternClientConnection *client)
{
    PosternSessionWait wait = postern_session_wait(client->session);
    gint64 silent_since = postern_thread_now(client->thread) - POSTERN_CROWDED_SILENCE_MS;
    if (client->client->queue == POSTERN_QUEUE_SLOWED)
        return !is_closing(client) && wait != POSTERN_SESSION_WAITS_NOT;
    return wait == POSTERN_SESSION_WAITS_IDLE ||
           (wait == POSTERN_SESSION_WAITS_IN_MESSAGE && client->waiting_since <= silent_since);
}

void postern_client_connection_let_go(PosternClientConnection *client)
{
    if (postern_stream_flush(client->stream) > 0) /* who does not read is not waited for */
        lose(client);
    postern_session_end(client->session, "Too many clients at once, try again later",
                        postern_thread_now(client->thread));
    postern_thread_mark_client(client->thread, client->number);
    postern_thread_run(client->thread);
}

void postern_client_connection_free(PosternClientConnection *client)
{
    client->thread->clients_at_work--;
    client->thread->world->functions->inspection_free(client->inspection);
    postern_budget_release(postern_session_budget(client->session), client->charged);
    postern_session_free(client->session);
    postern_stream_free(client->stream);
    g_free(client);
}

static void log_tls_problem(const PosternClientConnection *client)
{
    const char *problem = postern_tls_transport_problem(postern_stream_transport(client->stream));
    if (problem == NULL)
        return;
    g_autofree char *address = postern_address_to_string(postern_client_peer(client->client));
    postern_log(POSTERN_LOG_INFO, "session %s: TLS with client %s failed: %s",
                postern_session_identifier(client->session)->text, address, problem);
}

static void on_stream(PosternStream *stream, PosternStreamEvent event, gpointer user_data)
{
    PosternClientConnection *client = user_data;
    switch (event) {
    case POSTERN_STREAM_CONNECTED:
    case POSTERN_STREAM_INPUT:
    case POSTERN_STREAM_DRAINED:
        break;
    case POSTERN_STREAM_CLOSED:
        if (client->state == CLIENT_OPEN)
            set_state(client, CLIENT_SAYS_NO_MORE);
        break;
    case POSTERN_STREAM_FAILED:
        log_tls_problem(client);
        lose(client);
        break;
    case POSTERN_STREAM_DEADLINE:
        if (is_closing(client))
            lose(client);
        else
            postern_session_timer(client->session, postern_thread_now(client->thread));
        break;
    }
    postern_thread_mark_client(client->thread, client->number);
    postern_thread_run(client->thread);
}

PosternClientConnection *postern_client_connection_new(PosternClient *client, PosternSession *session,
                                                       PosternTransport *transport)
{
    PosternClientConnection *connection = g_new0(PosternClientConnection, 1);
    connection->client = client;
    connection->thread = client->thread;
    connection->number = client->number;
    connection->session = session;
    connection->parks_at = postern_thread_now(client->thread) + PARK_AFTER_MS;
    client->thread->clients_at_work++;
    connection->stream = postern_stream_new(client->thread->world, transport, FALSE, on_stream, connection);
    return connection;
}

void postern_client_connection_give(PosternClientConnection *client, PosternBackendConnection *backend,
                                    guint refusals)
{
    client->backend = backend;
    postern_backend_connection_set_user(backend, client->number);
    postern_log(POSTERN_LOG_DEBUG, "session %s: has back-end connection %" G_GUINT64_FORMAT,
                postern_session_identifier(client->session)->text,
                postern_backend_connection_number(backend));
    postern_session_borrowed(client->session, postern_backend_connection_backend(backend), refusals,
                             postern_thread_now(client->thread));
}

void postern_client_connection_recall(PosternClientConnection *client, guint64 connection)
{
    if (client->backend == NULL || postern_backend_connection_number(client->backend) != connection)
        return;
    postern_session_recalled(client->session, postern_thread_now(client->thread));
    postern_thread_mark_client(client->thread, client->number);
}

void postern_client_connection_backend_event(PosternClientConnection *client,
                                             const PosternBackendEvent *event)
{
    PosternProxyThread *thread = client->thread;
    postern_session_backend_event(client->session, event, postern_thread_now(client->thread));
    if (event->kind == POSTERN_BACKEND_FAILED)
        client->backend = NULL;
    postern_thread_mark_client(thread, client->number);
}

static void on_inspected(const PosternFindings *findings, const char *problem, gpointer user_data)
{
    PosternClientConnection *client = user_data;
    PosternProxyThread *thread = client->thread;
    postern_session_inspected(client->session, findings, problem, postern_thread_now(thread));
    postern_thread_mark_client(thread, client->number);
    postern_thread_run(thread);
}

static void let_backend_go(PosternClientConnection *client, gboolean abandon)
{
    PosternBackendConnection *backend = client->backend;
    client->backend = NULL;
    if (backend == NULL)
        return;
    if (abandon)
        postern_backend_connection_abandon(backend);
    else
        postern_backend_connection_return(backend);
}

static void act(PosternClientConnection *client, PosternSessionAction *action, gint64 now)
{
    const PosternEnvelope *envelope = postern_session_envelope(client->session);
    PosternWorld *world = client->thread->world;
    switch (action->kind) {
    case POSTERN_SESSION_BORROW:
        client->pool = postern_thread_borrow(client->thread, client->number, client->session, action->group);
        break;
    case POSTERN_SESSION_BORROW_CANCEL:
        postern_pool_cancel(client->pool, client->number, now);
        break;
    case POSTERN_SESSION_OFFER:
        if (client->backend != NULL)
            postern_pool_offer(postern_backend_connection_pool(client->backend),
                               postern_backend_connection_number(client->backend), now);
        break;
    case POSTERN_SESSION_RETURN:
    case POSTERN_SESSION_ABANDON:
        let_backend_go(client, action->kind == POSTERN_SESSION_ABANDON);
        break;
    case POSTERN_SESSION_SEND_MESSAGE:
        if (client->backend != NULL)
            postern_backend_connection_send_message(client->backend, action);
        break;
    case POSTERN_SESSION_LOOK_UP_NAME:
    case POSTERN_SESSION_CHECK_CLIENT:
        postern_client_look_up(client->client, envelope, action->kind == POSTERN_SESSION_CHECK_CLIENT);
        break;
    case POSTERN_SESSION_LOG:
        world->functions->log(world, g_steal_pointer(&action->line));
        break;
    case POSTERN_SESSION_START_TLS:
        client->tls = TLS_ASKED;
        break;
    case POSTERN_SESSION_CLOSE:
        set_state(client, client->state == CLIENT_GONE ? CLIENT_CLOSED : CLIENT_CLOSING);
        break;
    case POSTERN_SESSION_INSPECT_ENVELOPE:
    case POSTERN_SESSION_INSPECT_ORIGIN:
    case POSTERN_SESSION_INSPECT_HEADER:
    case POSTERN_SESSION_INSPECT_MESSAGE:
    case POSTERN_SESSION_INSPECT_CANCEL:
    case POSTERN_SESSION_KEEP:
        world->functions->inspect(world, &client->inspection, action, client->client->settings,
                                  postern_session_envelope(client->session), on_inspected, client);
        break;
    }
}

static void run_actions(PosternClientConnection *client, gint64 now)
{
    PosternSessionAction action;
    while (postern_session_next_action(client->session, &action)) {
        act(client, &action, now);
        postern_session_action_clear(&action);
    }
    /* What the session has said to its back-end waits in the back-end's output. */
    if (client->backend != NULL)
        postern_thread_mark_backend(client->thread, postern_backend_connection_number(client->backend));
}

/* What of a slow reply may leave now; all of it, if the client goes or wholly. */
static void send_pace(PosternClientConnection *client, gboolean wholly, gint64 now)
{
    PosternPace *pace = client->client->pace;
    wholly |= client->state != CLIENT_OPEN && client->state != CLIENT_SAYS_NO_MORE;
    if (pace == NULL || (now < pace->next && !wholly))
        return;
    gsize left = (gsize)pace->length - pace->sent;
    if (pace->is_greeting) {
        pace->is_greeting = FALSE;
        if (postern_stream_has_more(client->stream))
            postern_session_spoke_early(client->session, now);
        postern_pace_set(pace, postern_screen_trickle(&client->client->screen, left));
    }
    gsize due = wholly ? left : postern_pace_due(pace, now);
    if (client->state != CLIENT_GONE && client->state != CLIENT_CLOSED)
        postern_stream_send(client->stream, postern_pace_octets(pace), due);
    if (postern_pace_is_done_after(pace, due, now))
        postern_client_has_heard(client->client, client->session, now);
}

static void flush_output(PosternClientConnection *client)
{
    GString *output = postern_session_output(client->session);
    gint64 now = postern_thread_now(client->thread);
    if (output->len == 0)
        return;
    gboolean ends = is_closing(client) || client->state == CLIENT_GONE || client->tls != TLS_AS_IT_IS;
    PosternPace *pace =
        ends ? NULL : postern_client_slow_down(client->client, client->session, client->stream, output, now);
    if (postern_session_has_our_turn(client->session))
        postern_session_our_turn_ends(
            client->session, (pace == NULL || !pace->is_greeting) && postern_stream_has_more(client->stream),
            now);
    if (pace == NULL)
        send_pace(client, TRUE, now); /* a 220 that has begun is ended before a 421 (RFC 5321 4.2.1) */
    if (pace != NULL)
        client->client->pace = pace;
    else if (client->state != CLIENT_GONE && client->state != CLIENT_CLOSED)
        postern_stream_send(client->stream, output->str, output->len);
    g_string_truncate(output, 0);
}

/* Octets that the client has not heard; one that does not read its replies is not read from either. */
static gboolean is_heard(const PosternClientConnection *client)
{
    return postern_session_output(client->session)->len + postern_stream_unsent(client->stream) <
           POSTERN_PIPELINE_MAX_OCTETS;
}

/* What came of a message that is streamed goes on before it would have to be copied. */
static void pass_on(PosternClientConnection *client, gint64 now)
{
    if (client->backend != NULL)
        postern_backend_connection_send_more(client->backend);
    postern_session_settle(client->session, now);
    run_actions(client, now);
}

/* Gives the session what came, as far as it takes it; TRUE if there was anything. */
static gboolean feed(PosternClientConnection *client, gint64 now)
{
    gsize length = 0;
    gsize taken = 0;
    gboolean any = FALSE;
    do {
        const char *octets = postern_stream_input(client->stream, &length);
        gboolean streams = length > 0 && postern_session_is_streaming(client->session);
        gboolean in_message = postern_session_is_in_message(client->session);
        taken = length > 0 ? postern_session_receive(client->session, octets, length, now) : 0;
        if (in_message)
            client->reads_at = postern_client_reads_at(client->client, client->session, taken, now);
        run_actions(client, now);
        if (streams)
            pass_on(client, now);
        postern_stream_consume(client->stream, taken);
        any |= taken > 0;
    } while (taken > 0 && is_heard(client) && now >= client->reads_at);
    if (client->state == CLIENT_SAYS_NO_MORE && now >= client->reads_at &&
        !postern_session_awaits_answers(client->session)) {
        postern_session_client_closed(client->session, now);
        run_actions(client, now);
    }
    return any;
}

/* Who has spoken behind STARTTLS is found out before the 220 leaves: after it TLS may come at once. */
static void answer_starttls(PosternClientConnection *client, gint64 now)
{
    gboolean early = postern_stream_has_more(client->stream);
    client->tls = early ? TLS_AS_IT_IS : TLS_ANSWERED;
    postern_session_answer_starttls(client->session, early, now);
    run_actions(client, now);
}

void postern_client_connection_begin_tls(PosternClientConnection *client, gint64 now)
{
    client->tls = TLS_AS_IT_IS;
    PosternTransport *transport =
        postern_tls_transport_accept(client->client->settings->tls, postern_stream_transport(client->stream));
    if (transport == NULL) {
        lose(client);
        return;
    }
    postern_stream_replace_transport(client->stream, transport);
    postern_session_tls_begins(client->session, now);
}

static void tell_of_tls(PosternClientConnection *client)
{
    PosternTlsFacts facts;
    if (client->tls_told || client->client->settings->tls == NULL ||
        !postern_tls_transport_facts(postern_stream_transport(client->stream), &facts))
        return;
    client->tls_told = TRUE;
    postern_session_set_tls(client->session, &facts);
}

/* TRUE if its session was parked, and client is freed. */
static gboolean park(PosternClientConnection *client)
{
    if (client->state != CLIENT_OPEN || client->tls != TLS_AS_IT_IS ||
        !postern_stream_is_idle(client->stream))
        return FALSE;
    const PosternPace *pace = client->client->pace;
    if (pace != NULL && pace->length > POSTERN_PARKED_PACE_MAX_OCTETS)
        return FALSE;
    postern_budget_release(postern_session_budget(client->session), client->charged);
    client->charged = 0;
    gint64 deadline = pace != NULL ? postern_pace_deadline(pace) : postern_session_deadline(client->session);
    if (!postern_session_park(client->session, &client->client->parked))
        return FALSE;
    postern_client_park(client->client, postern_stream_release(client->stream), deadline);
    client->thread->clients_at_work--;
    client->thread->world->functions->inspection_free(client->inspection);
    g_free(client);
    return TRUE;
}

static gint64 deadline_of(const PosternClientConnection *client, gint64 now)
{
    if (client->state == CLIENT_CLOSING)
        return now + CLOSE_TIMEOUT_MS;
    gint64 deadline = postern_session_deadline(client->session);
    if (client->client->pace != NULL)
        deadline = MIN(deadline, postern_pace_deadline(client->client->pace));
    if (now < client->reads_at)
        deadline = MIN(deadline, client->reads_at);
    return now < client->parks_at ? MIN(deadline, client->parks_at) : deadline;
}

void postern_client_connection_run(PosternClientConnection *client)
{
    gint64 now = postern_thread_now(client->thread);
    tell_of_tls(client);
    if (client->state == CLIENT_GONE)
        postern_session_client_closed(client->session, now);
    run_actions(client, now);
    send_pace(client, FALSE, now);
    if (now >= client->reads_at && postern_session_is_in_message(client->session))
        client->reads_at = postern_client_reads_at(client->client, client->session, 0, now);
    gboolean has_spoken = client->client->pace == NULL && now >= client->reads_at && feed(client, now);
    client->parks_at = has_spoken ? now + PARK_AFTER_MS : client->parks_at;
    if (client->tls == TLS_ASKED)
        answer_starttls(client, now);
    flush_output(client);
    postern_client_heed_screen(client->client, client->session, postern_stream_transport(client->stream));
    if (client->tls == TLS_ANSWERED && !is_closing(client) && client->client->pace == NULL &&
        postern_stream_unsent(client->stream) == 0)
        postern_client_connection_begin_tls(client, now);
    if (!is_closing(client) && !charge(client)) {
        postern_session_end(client->session, "No room for what you have sent ahead", now);
        run_actions(client, now);
        flush_output(client);
    }
    if (client->state == CLIENT_CLOSING &&
        (postern_stream_unsent(client->stream) == 0 ||
         postern_tls_transport_shakes_hands(postern_stream_transport(client->stream))))
        set_state(client, CLIENT_CLOSED);
    if (client->state == CLIENT_CLOSED) {
        postern_client_end(client->client);
        return;
    }
    judge_waiting(client, has_spoken);
    gboolean parks = now >= client->parks_at || client->thread->clients_at_work > AT_WORK_MAX ||
                     client->client->pace != NULL;
    if (parks && park(client))
        return;
    gboolean reads = postern_session_wants_input(client->session) && is_heard(client) &&
                     client->client->pace == NULL && now >= client->reads_at;
    postern_stream_set_bulk(client->stream, postern_session_is_in_message(client->session) &&
                                                !postern_screen_reads_little(&client->client->screen));
    postern_stream_set_reading(client->stream, reads && client->state != CLIENT_GONE);
    postern_stream_set_deadline(client->stream, deadline_of(client, now));
}
