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
        [POSTERN_BACKEND_STARTING_TLS] = "starting TLS",
        [POSTERN_BACKEND_IDLE] = "idle",
        [POSTERN_BACKEND_IDENTIFYING] = "identifying",
        [POSTERN_BACKEND_AUTHENTICATING] = "authenticating",
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
    if (command->expect == POSTERN_EXPECT_AUTH)
        explicit_bzero(command->line, strlen(command->line));
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

/* The first of queue, whose items hold their own link; NULL: none. */
static gpointer pop(GQueue *queue)
{
    GList *link = g_queue_pop_head_link(queue);
    return link != NULL ? link->data : NULL;
}

static void push(GQueue *queue, GList *link, gpointer item)
{
    link->data = item;
    g_queue_push_tail_link(queue, link);
}

static void clear_commands(GQueue *queue)
{
    PosternBackendCommand *command;
    while ((command = pop(queue)) != NULL)
        postern_backend_command_free(command);
}

void postern_backend_forget_commands(PosternBackend *backend)
{
    clear_commands(&backend->unsent);
    for (GList *link = backend->in_flight.head; link != NULL; link = link->next)
        ((PosternBackendCommand *)link->data)->unwanted = TRUE;
}

PosternBackendCommand *postern_backend_answered(PosternBackend *backend)
{
    return pop(&backend->in_flight);
}

void postern_backend_free(PosternBackend *backend)
{
    if (backend == NULL)
        return;
    clear_commands(&backend->unsent);
    clear_commands(&backend->in_flight);
    PosternBackendEvent *event;
    while ((event = pop(&backend->events)) != NULL)
        postern_backend_event_free(event);
    postern_reply_parser_clear(&backend->parser);
    postern_lmtp_replies_clear(&backend->finals);
    g_string_free(backend->output, TRUE);
    g_free(backend->tls);
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
    PosternBackendEvent *event = g_new(PosternBackendEvent, 1);
    *event =
        (PosternBackendEvent){.kind = kind,
                              .reply = reply,
                              .during = backend->presents ? POSTERN_BACKEND_IDENTIFYING : backend->state};
    push(&backend->events, &event->link, event);
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
    gboolean optional =
        backend->state == POSTERN_BACKEND_STARTING_TLS && backend->options.tls == POSTERN_TLS_MAY;
    event->fault = optional ? POSTERN_BACKEND_FAULT_TLS : fault;
    postern_backend_set_state(backend, POSTERN_BACKEND_CLOSED);
}

static gboolean is_pipelinable(PosternExpect expect)
{
    return expect == POSTERN_EXPECT_XFORWARD || expect == POSTERN_EXPECT_MAIL ||
           expect == POSTERN_EXPECT_RCPT || expect == POSTERN_EXPECT_RSET;
}

/* RFC 2920 3.1, XFORWARD_README: XFORWARD, MAIL, RCPT and RSET may stand before others in a group, the rest
 * only at its end. Behind the dot nothing is said but by the server, for each recipient (RFC 2033 4.2). */
static gboolean may_send_next(const PosternBackend *backend)
{
    if (backend->in_flight.tail == NULL)
        return TRUE;
    const PosternBackendCommand *before = backend->in_flight.tail->data;
    return before->expect == POSTERN_EXPECT_FINAL ||
           ((backend->ehlo.capabilities & POSTERN_CAPABILITY_PIPELINING) != 0 &&
            is_pipelinable(before->expect));
}

void postern_backend_enqueue(PosternBackend *backend, PosternExpect expect, const char *first, ...)
{
    gsize length = 0;
    va_list pieces;
    va_start(pieces, first);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): seen only if clang-tidy is given several files */
    for (const char *piece = first; piece != NULL; piece = va_arg(pieces, const char *))
        length += strlen(piece);
    va_end(pieces);
    PosternBackendCommand *command = g_malloc(sizeof *command + length + 1);
    *command = (PosternBackendCommand){.expect = expect};
    char *end = command->line;
    va_start(pieces, first);
    /* NOLINTNEXTLINE(clang-analyzer-valist.Uninitialized): as above */
    for (const char *piece = first; piece != NULL; piece = va_arg(pieces, const char *))
        end = g_stpcpy(end, piece);
    va_end(pieces);
    push(&backend->unsent, &command->link, command);
}

void postern_backend_set_tls_level(PosternBackend *backend, PosternTls level)
{
    backend->options.tls = level;
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
        PosternBackendCommand *command = pop(&backend->unsent);
        g_string_append(backend->output, command->line);
        push(&backend->in_flight, &command->link, command);
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
    backend->deadline = G_MAXINT64;
    if (backend->options.client_address >= POSTERN_CLIENT_ADDRESS_PROXY_V1) {
        backend->reusable = TRUE; /* it greets nobody before it knows whom */
        postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
        postern_backend_emit(backend, POSTERN_BACKEND_READY, NULL);
        return;
    }
    postern_backend_await_greeting(backend);
    postern_backend_flush(backend, now);
}

void postern_backend_await_greeting(PosternBackend *backend)
{
    postern_backend_set_state(backend, POSTERN_BACKEND_GREETING);
    postern_backend_enqueue(backend, POSTERN_EXPECT_GREETING, "", NULL);
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
        if (backend->starts_tls && length > 0)
            postern_backend_tls_begins(backend, TRUE, now);
    }
    postern_backend_flush(backend, now);
}

void postern_backend_tls_begins(PosternBackend *backend, gboolean early, gint64 now)
{
    if (backend->state != POSTERN_BACKEND_EHLO || !backend->starts_tls)
        return;
    backend->starts_tls = FALSE;
    if (early) {
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_LOST, NULL,
                             "the back-end has spoken behind its reply to STARTTLS: somebody may be between");
        return;
    }
    postern_backend_set_state(backend, POSTERN_BACKEND_STARTING_TLS);
    postern_backend_say_ehlo(backend);
    postern_backend_flush(backend, now);
}

void postern_backend_set_tls(PosternBackend *backend, const PosternTlsFacts *facts)
{
    g_free(backend->tls);
    backend->tls = g_strconcat(facts->version, " ", facts->cipher, facts->verified ? " verified" : "", NULL);
}

const char *postern_backend_server(const PosternBackend *backend)
{
    return backend->options.server;
}

const char *postern_backend_tls(const PosternBackend *backend)
{
    return backend->tls;
}

void postern_backend_tls_failed(PosternBackend *backend, const char *problem)
{
    if (backend->state == POSTERN_BACKEND_STARTING_TLS)
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_SETUP, NULL, "TLS with the back-end failed: %s",
                             problem);
    else
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_LOST, NULL,
                             "TLS with the back-end failed: %s (while %s)", problem,
                             postern_backend_state_name(backend->state));
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
    guint maximum = backend->ehlo.mail_max; /* RFC 9422 4.1 */
    return backend->reusable && backend->state == POSTERN_BACKEND_IDLE &&
           (maximum == 0 || backend->mails < maximum);
}

GString *postern_backend_output(PosternBackend *backend)
{
    return backend->output;
}

PosternBackendEvent *postern_backend_next_event(PosternBackend *backend)
{
    return pop(&backend->events);
}
