#include <string.h>

#include "base/identifier.h"
#include "proxy/servers/backend_private.h"
#include "wire/xclient.h"

typedef void (*Handler)(PosternBackend *backend, PosternReply *reply);

static gboolean is_success(const PosternReply *reply)
{
    return postern_reply_class(reply) == 2;
}

/* Refused what we, or the client, wanted: the connection is no longer usable. */
static void refuse(PosternBackend *backend, const char *what, PosternBackendFault fault, PosternReply *reply)
{
    g_autofree char *text = postern_reply_to_text(reply);
    postern_backend_fail(backend, fault, reply, "the back-end refused %s: %s", what, text);
}

/* What is ours alone is refused: for good, or for now. */
static PosternBackendFault fault_of_ours(const PosternReply *reply)
{
    return postern_reply_class(reply) == 5 ? POSTERN_BACKEND_FAULT_SETUP : POSTERN_BACKEND_FAULT_LOST;
}

/* What is refused once the client has been told is refused to the client. */
static PosternBackendFault fault_of_client(const PosternReply *reply)
{
    return postern_reply_class(reply) >= 4 ? POSTERN_BACKEND_FAULT_CLIENT : POSTERN_BACKEND_FAULT_LOST;
}

/* What Postfix says to whom it does not let say XCLIENT or XFORWARD, in its own words and in ours: only at
 * the start of the text, for the rest of a reply may be the client's words. */
static gboolean is_insufficient_authorization(const PosternReply *reply)
{
    static const char words[] = "insufficient authorization";
    const char *text = g_ptr_array_index(reply->lines, 0);
    text += strspn(text, "0123456789. ");
    if (g_ascii_strncasecmp(text, "Error: ", strlen("Error: ")) == 0)
        text += strlen("Error: ");
    return reply->code == 550 && g_ascii_strncasecmp(text, words, strlen(words)) == 0;
}

/* Not known, not implemented, not allowed. Any other refusal is of this client, such as a 554 for its address
 * or a 550 of a list, and one client must not take the back-end from all. */
static gboolean is_refusal_of_way(const PosternReply *reply)
{
    return (reply->code >= 500 && reply->code <= 502) || is_insufficient_authorization(reply);
}

static PosternBackendFault fault_of_way(const PosternReply *reply)
{
    return is_refusal_of_way(reply) ? POSTERN_BACKEND_FAULT_SETUP : fault_of_client(reply);
}

/* XFORWARD is for the log: no client is refused by it. A 501 may be for a name of this one's. */
static PosternBackendFault fault_of_xforward(const PosternReply *reply)
{
    return is_refusal_of_way(reply) && reply->code != 501 ? POSTERN_BACKEND_FAULT_SETUP
                                                          : POSTERN_BACKEND_FAULT_LOST;
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
        refuse(backend, "the connection", fault_of_ours(reply), reply);
        return;
    }
    if (is_our_greeting(reply)) {
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_SETUP, reply,
                             "the back-end is this proxy itself: set [proxy] backend to the MTA");
        return;
    }
    postern_reply_free(reply);
    postern_backend_set_state(backend, POSTERN_BACKEND_EHLO);
    postern_backend_enqueue(backend, POSTERN_EXPECT_EHLO,
                            g_strdup_printf("EHLO %s\r\n", backend->options.hostname), TRUE);
}

/* Promise 7: if the way of telling the client's address is not taken, the back-end cannot be used. */
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
        refuse(backend, "EHLO", fault_of_ours(reply), reply);
        return;
    }
    backend->ehlo = postern_ehlo_parse(reply);
    postern_reply_free(reply);
    const char *missing = missing_way_to_tell_client(backend);
    if (missing != NULL) {
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_SETUP, NULL, "%s", missing);
        return;
    }
    backend->reusable = TRUE;
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, POSTERN_BACKEND_READY, NULL);
}

static void handle_xclient(PosternBackend *backend, PosternReply *reply)
{
    if (reply->code == 501 && backend->plain_xclient != NULL) {
        /* A name that it does not like is the client's, and no matter; numbers alone are ours. */
        postern_reply_free(reply);
        postern_backend_enqueue(backend, POSTERN_EXPECT_XCLIENT, g_steal_pointer(&backend->plain_xclient),
                                TRUE);
        return;
    }
    if (reply->code != 220) {
        refuse(backend, "XCLIENT", fault_of_way(reply), reply);
        return;
    }
    postern_reply_free(reply);
    postern_backend_enqueue(backend,
                            backend->client_esmtp ? POSTERN_EXPECT_XCLIENT_EHLO : POSTERN_EXPECT_XCLIENT_HELO,
                            g_steal_pointer(&backend->client_hello), TRUE);
}

/* What it announces is not known after a HELO: it serves this client, and nobody after it. */
static void handle_xclient_helo(PosternBackend *backend, PosternReply *reply)
{
    if (!is_success(reply)) {
        refuse(backend, "HELO after XCLIENT", fault_of_client(reply), reply);
        return;
    }
    postern_reply_free(reply);
    backend->ehlo = (PosternEhlo){0};
    backend->reusable = FALSE;
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, POSTERN_BACKEND_IDENTIFIED, NULL);
}

static void handle_xclient_ehlo(PosternBackend *backend, PosternReply *reply)
{
    if (!is_success(reply)) {
        refuse(backend, "EHLO after XCLIENT", fault_of_client(reply), reply);
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
        refuse(backend, "XFORWARD", fault_of_xforward(reply), reply);
        return;
    }
    postern_reply_free(reply);
    if (backend->state == POSTERN_BACKEND_IDENTIFYING && g_queue_is_empty(&backend->unsent) &&
        g_queue_is_empty(&backend->in_flight)) {
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
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_LOST, reply, "the back-end answered DATA with %u",
                             reply->code);
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
        refuse(backend, "RSET", POSTERN_BACKEND_FAULT_LOST, reply);
        return;
    }
    postern_reply_free(reply);
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, POSTERN_BACKEND_RESET_DONE, NULL);
}

static void handle_quit(PosternBackend *backend, PosternReply *reply)
{
    postern_backend_emit(backend, POSTERN_BACKEND_ENDED, reply);
    postern_backend_set_state(backend, POSTERN_BACKEND_CLOSED);
}

static const Handler handlers[] = {
    [POSTERN_EXPECT_GREETING] = handle_greeting,
    [POSTERN_EXPECT_EHLO] = handle_ehlo,
    [POSTERN_EXPECT_XCLIENT] = handle_xclient,
    [POSTERN_EXPECT_XCLIENT_EHLO] = handle_xclient_ehlo,
    [POSTERN_EXPECT_XCLIENT_HELO] = handle_xclient_helo,
    [POSTERN_EXPECT_XFORWARD] = handle_xforward,
    [POSTERN_EXPECT_MAIL] = handle_mail,
    [POSTERN_EXPECT_RCPT] = handle_rcpt,
    [POSTERN_EXPECT_DATA] = handle_data,
    [POSTERN_EXPECT_FINAL] = handle_final,
    [POSTERN_EXPECT_RSET] = handle_rset,
    [POSTERN_EXPECT_QUIT] = handle_quit,
};

/* RFC 3207 4, RFC 4954 6: it wants TLS or a login first. Whoever the client is, that is between it and us. */
static gboolean is_demand(const PosternReply *reply, PosternExpect expect)
{
    return reply->code == 530 && expect != POSTERN_EXPECT_GREETING && expect != POSTERN_EXPECT_FINAL &&
           expect != POSTERN_EXPECT_QUIT;
}

static void fail_by_demand(PosternBackend *backend, PosternReply *reply)
{
    g_autofree char *text = postern_reply_to_text(reply);
    gboolean of_us = backend->state == POSTERN_BACKEND_EHLO; /* no client has been told of yet */
    postern_backend_fail(
        backend, of_us ? POSTERN_BACKEND_FAULT_SETUP : POSTERN_BACKEND_FAULT_DEMAND, reply,
        "the back-end demands TLS or a login of us: %s; give it a port that does not (in "
        "Postfix a smtpd of its own with smtpd_tls_security_level=may), and set [proxy] backend "
        "to it",
        text);
}

void postern_backend_handle_reply(PosternBackend *backend, PosternReply *reply, gint64 now)
{
    PosternBackendCommand *command = g_queue_pop_head(&backend->in_flight);
    if (command == NULL) {
        g_autofree char *text = postern_reply_to_text(reply);
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_LOST, reply, "the back-end spoke unasked: %s",
                             text);
        return;
    }
    backend->deadline = G_MAXINT64;       /* the next reply has its own time */
    gboolean leaves = reply->code == 421; /* RFC 5321 3.8: it closes the connection after this reply */
    if (command->unwanted)
        postern_reply_free(reply);
    else if (is_demand(reply, command->expect))
        fail_by_demand(backend, reply);
    else
        handlers[command->expect](backend, reply);
    postern_backend_command_free(command);
    if (leaves)
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_LOST, NULL,
                             "the back-end closes the connection (421)");
}
