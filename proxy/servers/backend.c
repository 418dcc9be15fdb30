#include "proxy/servers/backend.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"
#include "base/log.h"
#include "proxy/servers/backend_private.h"

const char *postern_backend_state_name(PosternBackendState state)
{
    static const char *const names[] = {
        [POSTERN_BACKEND_CONNECTING] = "connecting",
        [POSTERN_BACKEND_GREETING] = "greeting",
        [POSTERN_BACKEND_EHLO] = "ehlo",
        [POSTERN_BACKEND_IDLE] = "idle",
        [POSTERN_BACKEND_IDENTIFYING] = "identifying",
        [POSTERN_BACKEND_ENVELOPE] = "envelope",
        [POSTERN_BACKEND_SENDING] = "sending",
        [POSTERN_BACKEND_DATA_END] = "data-end",
        [POSTERN_BACKEND_QUITTING] = "quitting",
        [POSTERN_BACKEND_CLOSED] = "closed",
    };
    return names[state];
}

gboolean postern_backend_is_before_data(PosternBackendState state)
{
    return state == POSTERN_BACKEND_IDLE || state == POSTERN_BACKEND_IDENTIFYING ||
           state == POSTERN_BACKEND_ENVELOPE;
}

void postern_backend_event_free(PosternBackendEvent *event)
{
    if (event == NULL)
        return;
    postern_reply_free(event->reply);
    g_free(event->text);
    g_free(event);
}

void postern_backend_command_free(PosternBackendCommand *command)
{
    if (command == NULL)
        return;
    g_free(command->line);
    g_free(command);
}

PosternBackend *postern_backend_new(const PosternBackendOptions *options, gint64 now)
{
    PosternBackend *backend = g_new0(PosternBackend, 1);
    backend->options = *options;
    backend->output = g_string_new(NULL);
    g_queue_init(&backend->unsent);
    g_queue_init(&backend->in_flight);
    g_queue_init(&backend->events);
    postern_reply_parser_init(&backend->parser);
    postern_backend_set_state(backend, POSTERN_BACKEND_CONNECTING);
    backend->deadline = now + options->connect_timeout_ms;
    return backend;
}

static void clear_commands(GQueue *queue)
{
    g_queue_clear_full(queue, (GDestroyNotify)postern_backend_command_free);
}

void postern_backend_free(PosternBackend *backend)
{
    if (backend == NULL)
        return;
    clear_commands(&backend->unsent);
    clear_commands(&backend->in_flight);
    g_queue_clear_full(&backend->events, (GDestroyNotify)postern_backend_event_free);
    postern_reply_parser_clear(&backend->parser);
    g_string_free(backend->output, TRUE);
    g_free(backend->client_hello);
    g_free(backend->plain_xclient);
    g_free(backend);
}

void postern_backend_set_state(PosternBackend *backend, PosternBackendState state)
{
    postern_log_numbered_state("back-end connection", backend->options.number,
                               postern_backend_state_name(backend->state), postern_backend_state_name(state));
    backend->state = state;
    if (state == POSTERN_BACKEND_CLOSED) {
        backend->deadline = G_MAXINT64;
        backend->reusable = FALSE;
        clear_commands(&backend->unsent);
        clear_commands(&backend->in_flight);
        g_string_truncate(backend->output, 0);
    }
}

void postern_backend_emit(PosternBackend *backend, PosternBackendEventKind kind, PosternReply *reply)
{
    PosternBackendEvent *event = g_new0(PosternBackendEvent, 1);
    event->kind = kind;
    event->reply = reply;
    event->during = backend->state;
    g_queue_push_tail(&backend->events, event);
}

void postern_backend_fail(PosternBackend *backend, PosternBackendFault fault, PosternReply *reply,
                          const char *format, ...)
{
    if (backend->state == POSTERN_BACKEND_CLOSED) {
        postern_reply_free(reply);
        return;
    }
    if (backend->state == POSTERN_BACKEND_QUITTING) {
        postern_reply_free(reply);
        postern_backend_emit(backend, POSTERN_BACKEND_ENDED, NULL);
        postern_backend_set_state(backend, POSTERN_BACKEND_CLOSED);
        return;
    }
    postern_backend_emit(backend, POSTERN_BACKEND_FAILED, reply);
    PosternBackendEvent *event = g_queue_peek_tail(&backend->events);
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    event->text = postern_escape(text, strlen(text), POSTERN_LOG_VALUE_MAX_OCTETS);
    event->fault = fault;
    postern_backend_set_state(backend, POSTERN_BACKEND_CLOSED);
}

static gboolean is_pipelinable(PosternExpect expect)
{
    return expect == POSTERN_EXPECT_XFORWARD || expect == POSTERN_EXPECT_MAIL ||
           expect == POSTERN_EXPECT_RCPT || expect == POSTERN_EXPECT_RSET;
}

/* RFC 2920 3.1, XFORWARD_README: XFORWARD, MAIL, RCPT and RSET may stand before others in a group, the rest
 * only at its end. */
static gboolean may_send_next(const PosternBackend *backend)
{
    if (backend->in_flight.tail == NULL)
        return TRUE;
    const PosternBackendCommand *before = backend->in_flight.tail->data;
    return (backend->ehlo.capabilities & POSTERN_CAPABILITY_PIPELINING) != 0 &&
           is_pipelinable(before->expect);
}

void postern_backend_enqueue(PosternBackend *backend, PosternExpect expect, char *line, gboolean last)
{
    PosternBackendCommand *command = g_new0(PosternBackendCommand, 1);
    command->expect = expect;
    command->line = line;
    command->last = last;
    g_queue_push_tail(&backend->unsent, command);
}

void postern_backend_set_timeouts(PosternBackend *backend, guint timeout_ms, guint data_end_timeout_ms)
{
    backend->options.timeout_ms = timeout_ms;
    backend->options.data_end_timeout_ms = data_end_timeout_ms;
}

static guint reply_timeout(const PosternBackend *backend)
{
    switch (backend->state) {
    case POSTERN_BACKEND_DATA_END:
        return backend->options.data_end_timeout_ms;
    case POSTERN_BACKEND_QUITTING:
        return POSTERN_BACKEND_QUIT_TIMEOUT_MS;
    default:
        return backend->options.timeout_ms;
    }
}

void postern_backend_flush(PosternBackend *backend, gint64 now)
{
    while (!g_queue_is_empty(&backend->unsent) && may_send_next(backend)) {
        PosternBackendCommand *command = g_queue_pop_head(&backend->unsent);
        g_string_append(backend->output, command->line);
        g_queue_push_tail(&backend->in_flight, command);
    }
    if (backend->state == POSTERN_BACKEND_CLOSED || backend->state == POSTERN_BACKEND_CONNECTING)
        return;
    gboolean waiting = !g_queue_is_empty(&backend->in_flight) || backend->state == POSTERN_BACKEND_SENDING;
    if (!waiting)
        backend->deadline = G_MAXINT64;
    else if (backend->deadline == G_MAXINT64)
        backend->deadline = now + reply_timeout(backend);
}

void postern_backend_connected(PosternBackend *backend, gint64 now)
{
    if (backend->state != POSTERN_BACKEND_CONNECTING)
        return;
    postern_backend_set_state(backend, POSTERN_BACKEND_GREETING);
    backend->deadline = G_MAXINT64;
    postern_backend_enqueue(backend, POSTERN_EXPECT_GREETING, g_strdup(""), TRUE);
    postern_backend_flush(backend, now);
}

void postern_backend_receive(PosternBackend *backend, const char *octets, gsize length, gint64 now)
{
    while (length > 0 && backend->state != POSTERN_BACKEND_CLOSED) {
        gsize consumed = 0;
        PosternReply *reply = NULL;
        const char *problem = NULL;
        int result = postern_reply_parser_next(&backend->parser, octets, length, &consumed, &reply, &problem);
        if (result < 0) {
            postern_backend_fail(backend, POSTERN_BACKEND_FAULT_LOST, NULL,
                                 "the back-end does not speak SMTP: %s", problem);
            return;
        }
        octets += consumed;
        length -= consumed;
        if (result > 0)
            postern_backend_handle_reply(backend, reply, now);
    }
    postern_backend_flush(backend, now);
}

void postern_backend_closed(PosternBackend *backend, const char *reason, gint64 now)
{
    if (reason != NULL)
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_LOST, NULL,
                             "connection to the back-end: %s (while %s)", reason,
                             postern_backend_state_name(backend->state));
    else
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_LOST, NULL,
                             "the back-end closed the connection (while %s)",
                             postern_backend_state_name(backend->state));
}

void postern_backend_timer(PosternBackend *backend, gint64 now)
{
    if (now < backend->deadline)
        return;
    postern_backend_fail(backend, POSTERN_BACKEND_FAULT_LOST, NULL,
                         "the back-end did not answer in time (while %s)",
                         postern_backend_state_name(backend->state));
}

gint64 postern_backend_deadline(const PosternBackend *backend)
{
    return backend->deadline;
}

PosternBackendState postern_backend_state(const PosternBackend *backend)
{
    return backend->state;
}

const PosternEhlo *postern_backend_ehlo(const PosternBackend *backend)
{
    return &backend->ehlo;
}

gboolean postern_backend_is_reusable(const PosternBackend *backend)
{
    return backend->reusable && backend->state == POSTERN_BACKEND_IDLE;
}

GString *postern_backend_output(PosternBackend *backend)
{
    return backend->output;
}

PosternBackendEvent *postern_backend_next_event(PosternBackend *backend)
{
    return g_queue_pop_head(&backend->events);
}
