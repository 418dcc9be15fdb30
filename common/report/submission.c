#include "report/submission.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/uio.h>

#include "base/endpoint.h"
#include "base/error.h"
#include "base/limits.h"
#include "wire/data.h"
#include "wire/reply.h"

#define READ_OCTETS 4096
#define PIECES 16

typedef struct {
    const PosternSubmission *submission;
    GSocketConnection *connection;
    GOutputStream *out;
    GInputStream *in;
    PosternReplyParser parser;
    GString *unread;
    gboolean in_message; /* what is written is no command */
} Dialogue;

PosternSubmission postern_submission_of(const PosternConfiguration *configuration,
                                        const GPtrArray *recipients, const GString *message)
{
    return (PosternSubmission){
        .server = configuration->report.server,
        .helo = configuration->proxy.hostname[0] != '\0' ? configuration->proxy.hostname : g_get_host_name(),
        .sender = configuration->report.envelope_sender,
        .recipients = recipients,
        .message = message,
    };
}

static gboolean connect_to(Dialogue *dialogue, GError **error)
{
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GInetSocketAddress) address = postern_endpoint_parse(dialogue->submission->server, error);
    if (address == NULL)
        return FALSE;
    g_socket_client_set_timeout(client, POSTERN_REPORT_SERVER_SECONDS);
    g_socket_client_set_enable_proxy(client, FALSE);
    dialogue->connection = g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, error);
    if (dialogue->connection == NULL) {
        g_prefix_error(error, "[report] server %s: ", dialogue->submission->server);
        return FALSE;
    }
    dialogue->out = g_io_stream_get_output_stream(G_IO_STREAM(dialogue->connection));
    dialogue->in = g_io_stream_get_input_stream(G_IO_STREAM(dialogue->connection));
    dialogue->unread = g_string_new(NULL);
    postern_reply_parser_init(&dialogue->parser);
    return TRUE;
}

static void disconnect(Dialogue *dialogue)
{
    if (dialogue->connection == NULL)
        return;
    if (!dialogue->in_message)
        (void)g_output_stream_write_all(dialogue->out, "QUIT\r\n", 6, NULL, NULL, NULL);
    postern_reply_parser_clear(&dialogue->parser);
    g_string_free(dialogue->unread, TRUE);
    g_object_unref(dialogue->connection);
}

/* NULL and error: the connection is of no use. */
static PosternReply *read_reply(Dialogue *dialogue, GError **error)
{
    char octets[READ_OCTETS];
    for (;;) {
        PosternReply *reply = NULL;
        const char *problem = NULL;
        gsize consumed = 0;
        int result = postern_reply_parser_next(&dialogue->parser, dialogue->unread->str,
                                               dialogue->unread->len, &consumed, &reply, &problem);
        g_string_erase(dialogue->unread, 0, (gssize)consumed);
        if (result > 0)
            return reply;
        if (result < 0) {
            g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL, "[report] server: %s", problem);
            return NULL;
        }
        gssize length = g_input_stream_read(dialogue->in, octets, sizeof octets, NULL, error);
        if (length == 0)
            g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                        "[report] server has closed the connection");
        if (length <= 0)
            return NULL;
        g_string_append_len(dialogue->unread, octets, length);
    }
}

/* What the reply makes of the attempt; SUBMITTED: it is of the class that was wanted. */
static PosternSubmissionResult await(Dialogue *dialogue, guint wanted_class, const char *to, GError **error)
{
    g_autoptr(PosternReply) reply = read_reply(dialogue, error);
    if (reply == NULL)
        return POSTERN_SUBMIT_LATER;
    if (postern_reply_class(reply) == wanted_class)
        return POSTERN_SUBMITTED;
    g_autofree char *text = postern_reply_to_text(reply);
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE, "[report] server says to %s: %s", to, text);
    return postern_reply_class(reply) == 5 ? POSTERN_SUBMIT_REFUSED : POSTERN_SUBMIT_LATER;
}

static PosternSubmissionResult command(Dialogue *dialogue, guint wanted_class, GError **error,
                                       const char *format, ...) G_GNUC_PRINTF(4, 5);
static PosternSubmissionResult command(Dialogue *dialogue, guint wanted_class, GError **error,
                                       const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *line = g_strconcat(text, "\r\n", NULL);
    if (!g_output_stream_write_all(dialogue->out, line, strlen(line), NULL, NULL, error))
        return POSTERN_SUBMIT_LATER;
    return await(dialogue, wanted_class, text, error);
}

static gboolean send_pieces(Dialogue *dialogue, const struct iovec *pieces, int count, GError **error)
{
    for (int i = 0; i < count; i++)
        if (!g_output_stream_write_all(dialogue->out, pieces[i].iov_base, pieces[i].iov_len, NULL, NULL,
                                       error))
            return FALSE;
    return TRUE;
}

/* All but its end. */
static gboolean send_message(Dialogue *dialogue, struct iovec *ret_end, GError **error)
{
    const GString *message = dialogue->submission->message;
    PosternDataEncoder encoder;
    dialogue->in_message = TRUE;
    postern_data_encoder_init(&encoder);
    for (gsize at = 0; at < message->len;) {
        struct iovec pieces[PIECES];
        gsize consumed = 0;
        int count = postern_data_encoder_next(&encoder, message->str + at, message->len - at, &consumed,
                                              pieces, PIECES);
        if (count < 0 || consumed == 0)
            return postern_error_set(error, POSTERN_ERROR_INPUT, "the message has lines without CRLF");
        if (!send_pieces(dialogue, pieces, count, error))
            return FALSE;
        at += consumed;
    }
    return postern_data_encoder_end(&encoder, ret_end) == 1;
}

static PosternSubmissionResult send_envelope(Dialogue *dialogue, GError **error)
{
    const PosternSubmission *submission = dialogue->submission;
    PosternSubmissionResult result = await(dialogue, 2, "the connection", error);
    PosternSubmissionResult worst = POSTERN_SUBMIT_REFUSED;
    guint accepted = 0;
    if (result == POSTERN_SUBMITTED)
        result = command(dialogue, 2, error, "EHLO %s", submission->helo);
    if (result == POSTERN_SUBMITTED)
        result = command(dialogue, 2, error, "MAIL FROM:<%s>", submission->sender);
    if (result != POSTERN_SUBMITTED)
        return result;
    for (guint i = 0; i < submission->recipients->len; i++) {
        g_autoptr(GError) problem = NULL;
        result =
            command(dialogue, 2, &problem, "RCPT TO:<%s>", (const char *)submission->recipients->pdata[i]);
        accepted += result == POSTERN_SUBMITTED;
        worst = result == POSTERN_SUBMIT_LATER ? result : worst;
        if (problem != NULL && error != NULL && *error == NULL)
            g_propagate_error(error, g_steal_pointer(&problem));
    }
    if (accepted == 0)
        return worst;
    g_clear_error(error);
    return command(dialogue, 3, error, "DATA");
}

PosternSubmissionResult postern_submit(const PosternSubmission *submission,
                                       PosternSubmissionBeforeEnd before_end, gpointer user_data,
                                       GError **error)
{
    Dialogue dialogue = {.submission = submission};
    struct iovec end = {NULL, 0};
    PosternSubmissionResult result = POSTERN_SUBMIT_LATER;
    if (connect_to(&dialogue, error))
        result = send_envelope(&dialogue, error);
    if (result == POSTERN_SUBMITTED) {
        gboolean ready = send_message(&dialogue, &end, error) && before_end(user_data, error);
        result = ready ? POSTERN_SUBMITTED : POSTERN_SUBMIT_LATER;
    }
    if (result == POSTERN_SUBMITTED) {
        g_autoptr(GError) lost = NULL;
        gboolean sent = send_pieces(&dialogue, &end, 1, &lost);
        dialogue.in_message = !sent;
        g_autoptr(PosternReply) reply = sent ? read_reply(&dialogue, &lost) : NULL;
        g_autofree char *text = reply != NULL ? postern_reply_to_text(reply) : NULL;
        guint class = reply != NULL ? postern_reply_class(reply) : 0;
        result = class == 0   ? POSTERN_SUBMIT_UNKNOWN
                 : class == 2 ? POSTERN_SUBMITTED
                 : class == 5 ? POSTERN_SUBMIT_REFUSED
                              : POSTERN_SUBMIT_LATER;
        if (lost != NULL)
            g_propagate_error(error, g_steal_pointer(&lost));
        else if (class != 2)
            g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE, "[report] server says: %s", text);
    }
    disconnect(&dialogue);
    return result;
}
