#include <string.h>

#include "base/identifier.h"
#include "proxy/backend_private.h"
#include "wire/xclient.h"

typedef void (*Handler)(PosternBackend *backend, PosternReply *reply);

static gboolean is_success(const PosternReply *reply)
{
    return postern_reply_class(reply) == 2;
}

/* Refused what we, not the client, wanted: of no more use. configuration: it is set up otherwise than we are.
 */
static void refuse(PosternBackend *backend, const char *what, gboolean configuration, PosternReply *reply)
{
    g_autofree char *text = postern_reply_to_text(reply);
    postern_backend_fail(backend, configuration, reply, "the back-end refused %s: %s", what, text);
}

/* Not known, not implemented, not authorised. Any other refusal may be about this client alone, such as a 501
 * for its name or a 554 for its address, and one client must not take the back-end from all. */
static gboolean is_refusal_of_way(const PosternReply *reply)
{
    return reply->code == 500 || reply->code == 502 || reply->code == 550;
}

/* Our own greeting ends in a session id; a back-end that greets with one of this run's is ourselves. */
static gboolean is_our_greeting(const PosternReply *reply)
{
    const char *text = g_ptr_array_index(reply->lines, 0);
    const char *space = strrchr(text, ' ');
    const char *word = space != NULL ? space + 1 : text;
    return postern_identifier_is_ours(word, strlen(word));
}

static void handle_greeting(PosternBackend *backend, PosternReply *reply)
{
    if (reply->code != 220) {
        refuse(backend, "the connection", postern_reply_class(reply) == 5, reply);
        return;
    }
    if (is_our_greeting(reply)) {
        postern_backend_fail(backend, TRUE, reply,
                             "the back-end is this proxy itself: set [proxy] backend to the MTA");
        return;
    }
    postern_reply_free(reply);
    postern_backend_set_state(backend, POSTERN_BACKEND_EHLO);
    postern_backend_enqueue(backend, POSTERN_EXPECT_EHLO,
                            g_strdup_printf("EHLO %s\r\n", backend->options.hostname), TRUE);
}

/* Promise 7: where the way of telling the client's address is not taken, the back-end cannot be used. */
static const char *missing_way_to_tell_client(const PosternBackend *backend)
{
    switch (backend->options.client_address) {
    case POSTERN_CLIENT_ADDRESS_XCLIENT:
        if ((backend->ehlo.xclient_attributes & POSTERN_CLIENT_ADDR) == 0)
            return "the back-end does not offer XCLIENT ADDR to us: in Postfix set "
                   "smtpd_authorized_xclient_hosts, or "
                   "choose another [proxy] client_address";
        return NULL;
    case POSTERN_CLIENT_ADDRESS_XFORWARD:
        if ((backend->ehlo.xforward_attributes & POSTERN_CLIENT_ADDR) == 0)
            return "the back-end does not offer XFORWARD ADDR to us: in Postfix set "
                   "smtpd_authorized_xforward_hosts, or "
                   "choose another [proxy] client_address";
        return NULL;
    case POSTERN_CLIENT_ADDRESS_NONE:
        return NULL;
    }
    return NULL;
}

static void handle_ehlo(PosternBackend *backend, PosternReply *reply)
{
    if (!is_success(reply)) {
        refuse(backend, "EHLO", postern_reply_class(reply) == 5, reply);
        return;
    }
    backend->ehlo = postern_ehlo_parse(reply);
    postern_reply_free(reply);
    const char *missing = missing_way_to_tell_client(backend);
    if (missing != NULL) {
        postern_backend_fail(backend, TRUE, NULL, "%s", missing);
        return;
    }
    backend->reusable = TRUE;
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, POSTERN_BACKEND_READY, NULL);
}

static void handle_xclient(PosternBackend *backend, PosternReply *reply)
{
    if (reply->code != 220) {
        refuse(backend, "XCLIENT", is_refusal_of_way(reply), reply);
        return;
    }
    postern_reply_free(reply);
    postern_backend_enqueue(backend, POSTERN_EXPECT_XCLIENT_EHLO,
                            g_strdup_printf("EHLO %s\r\n", backend->client_helo), TRUE);
}

static void handle_xclient_ehlo(PosternBackend *backend, PosternReply *reply)
{
    if (!is_success(reply)) {
        refuse(backend, "EHLO after XCLIENT", FALSE, reply);
        return;
    }
    backend->ehlo = postern_ehlo_parse(reply);
    postern_reply_free(reply);
    /* Postfix looks at the client's address when the next XCLIENT comes: announced still means it may come.
     */
    backend->reusable = (backend->ehlo.xclient_attributes & POSTERN_CLIENT_ADDR) != 0 && !backend->logged_in;
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, POSTERN_BACKEND_IDENTIFIED, NULL);
}

static void handle_xforward(PosternBackend *backend, PosternReply *reply)
{
    if (!is_success(reply)) {
        refuse(backend, "XFORWARD", is_refusal_of_way(reply), reply);
        return;
    }
    postern_reply_free(reply);
    if (g_queue_is_empty(&backend->unsent) && g_queue_is_empty(&backend->in_flight)) {
        postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
        postern_backend_emit(backend, POSTERN_BACKEND_IDENTIFIED, NULL);
    }
}

static void handle_mail(PosternBackend *backend, PosternReply *reply)
{
    postern_backend_emit(backend, POSTERN_BACKEND_MAIL_REPLY, reply);
}

static void handle_rcpt(PosternBackend *backend, PosternReply *reply)
{
    postern_backend_emit(backend, POSTERN_BACKEND_RCPT_REPLY, reply);
}

static void handle_data(PosternBackend *backend, PosternReply *reply)
{
    /* After any other of these it might take commands for mail. */
    if (reply->code != 354 && postern_reply_class(reply) < 4) {
        postern_backend_fail(backend, FALSE, reply, "the back-end answered DATA with %u", reply->code);
        return;
    }
    if (reply->code == 354)
        postern_backend_set_state(backend, POSTERN_BACKEND_SENDING);
    postern_backend_emit(backend, POSTERN_BACKEND_DATA_REPLY, reply);
}

static void handle_final(PosternBackend *backend, PosternReply *reply)
{
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, POSTERN_BACKEND_FINAL_REPLY, reply);
}

static void handle_rset(PosternBackend *backend, PosternReply *reply)
{
    if (!is_success(reply)) {
        refuse(backend, "RSET", FALSE, reply);
        return;
    }
    postern_reply_free(reply);
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, POSTERN_BACKEND_RESET_DONE, NULL);
}

static void handle_quit(PosternBackend *backend, PosternReply *reply)
{
    postern_reply_free(reply);
    postern_backend_emit(backend, POSTERN_BACKEND_ENDED, NULL);
    postern_backend_set_state(backend, POSTERN_BACKEND_CLOSED);
}

static const Handler handlers[] = {
    [POSTERN_EXPECT_GREETING] = handle_greeting, [POSTERN_EXPECT_EHLO] = handle_ehlo,
    [POSTERN_EXPECT_XCLIENT] = handle_xclient,   [POSTERN_EXPECT_XCLIENT_EHLO] = handle_xclient_ehlo,
    [POSTERN_EXPECT_XFORWARD] = handle_xforward, [POSTERN_EXPECT_MAIL] = handle_mail,
    [POSTERN_EXPECT_RCPT] = handle_rcpt,         [POSTERN_EXPECT_DATA] = handle_data,
    [POSTERN_EXPECT_FINAL] = handle_final,       [POSTERN_EXPECT_RSET] = handle_rset,
    [POSTERN_EXPECT_QUIT] = handle_quit,
};

void postern_backend_handle_reply(PosternBackend *backend, PosternReply *reply, gint64 now)
{
    PosternBackendCommand *command = g_queue_pop_head(&backend->in_flight);
    if (command == NULL) {
        g_autofree char *text = postern_reply_to_text(reply);
        postern_backend_fail(backend, FALSE, reply, "the back-end spoke unasked: %s", text);
        return;
    }
    backend->deadline = G_MAXINT64;       /* the next reply has its own time */
    gboolean leaves = reply->code == 421; /* RFC 5321 3.8: it closes the connection after this reply */
    if (command->unwanted)
        postern_reply_free(reply);
    else
        handlers[command->expect](backend, reply);
    postern_backend_command_free(command);
    if (leaves)
        postern_backend_fail(backend, FALSE, NULL, "the back-end closes the connection (421)");
}
