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
    if (postern_reply_class(reply) >= 4)
        postern_backend_fail(backend, fault, reply, "the back-end refused %s: %s", what, text);
    else
        postern_backend_fail(backend, fault, reply, "the back-end answered %s with %s", what, text);
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
    const char *text = reply->text;
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
    const char *text = reply->text;
    const char *space = strrchr(text, ' ');
    const char *word = space != NULL ? space + 1 : text;
    return postern_identifier_is_ours(word, strlen(word));
}

static void handle_greeting(PosternBackend *backend, PosternReply *reply)
{
    if (is_our_greeting(reply)) {
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_SETUP, reply,
                             "the back-end is this proxy itself: set [proxy] backend to the MTA");
        return;
    }
    backend->server = backend->options.software > 0 ? (PosternMailServer)(backend->options.software - 1)
                                                    : postern_mail_server_of(reply->text);
    postern_reply_free(reply);
    postern_backend_set_state(backend, POSTERN_BACKEND_EHLO);
    postern_backend_say_ehlo(backend);
}

void postern_backend_say_ehlo(PosternBackend *backend)
{
    if (backend->presents) {
        gboolean esmtp = backend->client_esmtp || backend->options.tls != POSTERN_TLS_OFF ||
                         backend->options.lmtp_recipients > 0;
        postern_backend_enqueue(backend, esmtp ? POSTERN_EXPECT_EHLO : POSTERN_EXPECT_XCLIENT_HELO,
                                backend->client_hello, NULL);
        return;
    }
    postern_backend_enqueue(backend, POSTERN_EXPECT_EHLO, postern_backend_hello(backend),
                            backend->options.hostname, "\r\n", NULL);
}

/* Without it the back-end would take our address for the client's, and relay for everybody. */
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
    default:
        return NULL;
    }
}

/* RFC 8689 3: what is to be protected all the way goes on only to whom we have verified. */
static void take_ehlo(PosternBackend *backend, PosternReply *reply)
{
    backend->ehlo = postern_ehlo_parse(reply);
    backend->ehlo.server = backend->server;
    if (backend->options.tls != POSTERN_TLS_VERIFY)
        backend->ehlo.capabilities &= ~(guint)POSTERN_CAPABILITY_REQUIRETLS;
    guint maximum = backend->options.lmtp_recipients;
    if (maximum > 0 && (backend->ehlo.rcpt_max == 0 || backend->ehlo.rcpt_max > maximum))
        backend->ehlo.rcpt_max = maximum;
    postern_reply_free(reply);
}

/* What it has announced is what there is. */
static void conclude_ehlo(PosternBackend *backend)
{
    const char *missing = missing_way_to_tell_client(backend);
    if (missing != NULL) {
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_SETUP, NULL, "%s", missing);
        return;
    }
    PosternBackendEventKind told = backend->presents ? POSTERN_BACKEND_IDENTIFIED : POSTERN_BACKEND_READY;
    backend->reusable = !backend->presents;
    backend->presents = FALSE;
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, told, NULL);
}

static void handle_ehlo(PosternBackend *backend, PosternReply *reply)
{
    take_ehlo(backend, reply);
    gboolean wanted =
        backend->options.tls != POSTERN_TLS_OFF && backend->state != POSTERN_BACKEND_STARTING_TLS;
    if (wanted && (backend->ehlo.capabilities & POSTERN_CAPABILITY_STARTTLS) != 0)
        postern_backend_enqueue(backend, POSTERN_EXPECT_STARTTLS, "STARTTLS\r\n", NULL);
    else if (wanted && backend->options.tls != POSTERN_TLS_MAY)
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_SETUP, NULL,
                             "the back-end does not offer STARTTLS, which [tls] servers asks for (in Postfix "
                             "set smtpd_tls_security_level = may)");
    else
        conclude_ehlo(backend);
}

static void handle_starttls(PosternBackend *backend, PosternReply *reply)
{
    if (reply->code == 220) {
        postern_reply_free(reply);
        backend->starts_tls = TRUE;
        postern_backend_emit(backend, POSTERN_BACKEND_START_TLS, NULL);
    } else {
        postern_reply_free(reply); /* RFC 3207 4: the dialogue goes on as it was */
        conclude_ehlo(backend);
    }
}

/* What it announces is not known without EHLO: it serves this client, and nobody after it. */
static void be_identified_without_ehlo(PosternBackend *backend)
{
    backend->ehlo = (PosternEhlo){0};
    backend->reusable = backend->presents = FALSE;
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, POSTERN_BACKEND_IDENTIFIED, NULL);
}

static void handle_xclient(PosternBackend *backend, PosternReply *reply)
{
    if (reply->code != 220) {
        /* A name that it does not like is the client's, and no matter; numbers alone are ours. */
        postern_reply_free(reply);
        postern_backend_enqueue(backend, POSTERN_EXPECT_XCLIENT, backend->plain_xclient, NULL);
        g_clear_pointer(&backend->plain_xclient, g_free);
        return;
    }
    postern_reply_free(reply);
    if (backend->client_hello == NULL) {
        be_identified_without_ehlo(backend);
        return;
    }
    postern_backend_enqueue(backend,
                            backend->client_esmtp ? POSTERN_EXPECT_XCLIENT_EHLO : POSTERN_EXPECT_XCLIENT_HELO,
                            backend->client_hello, NULL);
}

static void handle_xclient_helo(PosternBackend *backend, PosternReply *reply)
{
    postern_reply_free(reply);
    be_identified_without_ehlo(backend);
}

static void handle_xclient_ehlo(PosternBackend *backend, PosternReply *reply)
{
    take_ehlo(backend, reply);
    /* Postfix looks at the client's address when the next XCLIENT comes: announced still means it may come.
     */
    backend->reusable = (backend->ehlo.xclient_attributes & POSTERN_CLIENT_ADDR) != 0 && !backend->logged_in;
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, POSTERN_BACKEND_IDENTIFIED, NULL);
}

static void handle_xforward(PosternBackend *backend, PosternReply *reply)
{
    postern_reply_free(reply);
    if (backend->state == POSTERN_BACKEND_IDENTIFYING && g_queue_is_empty(&backend->unsent) &&
        g_queue_is_empty(&backend->in_flight)) {
        postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
        postern_backend_emit(backend, POSTERN_BACKEND_IDENTIFIED, NULL);
    }
}

static void handle_auth(PosternBackend *backend, PosternReply *reply)
{
    backend->authenticated = is_success(reply);
    if (reply->code != 334)
        postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, POSTERN_BACKEND_AUTH_REPLY, reply);
}

static void handle_query(PosternBackend *backend, PosternReply *reply)
{
    postern_backend_set_state(backend,
                              backend->asked_within ? POSTERN_BACKEND_ENVELOPE : POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, POSTERN_BACKEND_QUERY_REPLY, reply);
}

static void handle_mail(PosternBackend *backend, PosternReply *reply)
{
    postern_backend_emit(backend, POSTERN_BACKEND_MAIL_REPLY, reply);
}

static void handle_rcpt(PosternBackend *backend, PosternReply *reply)
{
    backend->recipients += is_success(reply);
    postern_backend_emit(backend, POSTERN_BACKEND_RCPT_REPLY, reply);
}

static void handle_data(PosternBackend *backend, PosternReply *reply)
{
    if (reply->code == 354)
        postern_backend_set_state(backend, POSTERN_BACKEND_SENDING);
    postern_backend_emit(backend, POSTERN_BACKEND_DATA_REPLY, reply);
}

static void handle_final(PosternBackend *backend, PosternReply *reply)
{
    gboolean partial;
    postern_lmtp_replies_add(&backend->finals, reply);
    if (!g_queue_is_empty(&backend->in_flight))
        return;
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    reply = postern_lmtp_replies_conclude(&backend->finals, &partial);
    postern_backend_emit(backend, POSTERN_BACKEND_FINAL_REPLY, reply);
    ((PosternBackendEvent *)g_queue_peek_tail(&backend->events))->partial = partial;
}

static void handle_rset(PosternBackend *backend, PosternReply *reply)
{
    postern_reply_free(reply);
    postern_backend_set_state(backend, POSTERN_BACKEND_IDLE);
    postern_backend_emit(backend, POSTERN_BACKEND_RESET_DONE, NULL);
}

static void handle_quit(PosternBackend *backend, PosternReply *reply)
{
    postern_backend_emit(backend, POSTERN_BACKEND_ENDED, reply);
    postern_backend_set_state(backend, POSTERN_BACKEND_CLOSED);
}

/* ---- what is taken for an answer; backend is NULL if it is only told of (postern_backend_describe()) */

static gboolean is_ready(const PosternBackend *backend, const PosternReply *reply)
{
    return reply->code == 220;
}

static gboolean is_done(const PosternBackend *backend, const PosternReply *reply)
{
    return is_success(reply);
}

static gboolean is_any(const PosternBackend *backend, const PosternReply *reply)
{
    return TRUE;
}

static gboolean is_final(const PosternBackend *backend, const PosternReply *reply)
{
    return postern_reply_class(reply) != 3;
}

static gboolean is_of_starttls(const PosternBackend *backend, const PosternReply *reply)
{
    gboolean may = backend != NULL && backend->options.tls == POSTERN_TLS_MAY;
    return reply->code == 220 || (may && postern_reply_class(reply) >= 4);
}

static gboolean is_of_xclient(const PosternBackend *backend, const PosternReply *reply)
{
    gboolean may_be_plainer = backend != NULL && backend->plain_xclient != NULL;
    return reply->code == 220 || (may_be_plainer && reply->code == 501);
}

static gboolean is_of_auth(const PosternBackend *backend, const PosternReply *reply)
{
    return reply->code == 334 || postern_reply_class(reply) != 3;
}

/* After any other it might take commands for mail. */
static gboolean is_of_data(const PosternBackend *backend, const PosternReply *reply)
{
    return reply->code == 354 || postern_reply_class(reply) >= 4;
}

/* Any other is to something else: its server has lost count, and has not closed. */
static gboolean is_of_quit(const PosternBackend *backend, const PosternReply *reply)
{
    return reply->code == 221;
}

static PosternBackendFault fault_of_connection(const PosternReply *reply)
{
    return POSTERN_BACKEND_FAULT_LOST;
}

/* For each reply that is awaited: which are accepted, who handles them, and whose fault any other is. */
static const struct {
    const char *what;
    gboolean (*takes)(const PosternBackend *backend, const PosternReply *reply);
    Handler handler;
    PosternBackendFault (*fault)(const PosternReply *reply);
    gboolean demands; /* a 530 is between the back-end and us */
} rows[] = {
    [POSTERN_EXPECT_GREETING] = {"the connection", is_ready, handle_greeting, fault_of_ours, FALSE},
    [POSTERN_EXPECT_EHLO] = {"EHLO", is_done, handle_ehlo, fault_of_ours, TRUE},
    [POSTERN_EXPECT_STARTTLS] = {"STARTTLS", is_of_starttls, handle_starttls, fault_of_ours, TRUE},
    [POSTERN_EXPECT_XCLIENT] = {"XCLIENT", is_of_xclient, handle_xclient, fault_of_way, TRUE},
    [POSTERN_EXPECT_XCLIENT_EHLO] = {"EHLO after XCLIENT", is_done, handle_xclient_ehlo, fault_of_client,
                                     TRUE},
    [POSTERN_EXPECT_XCLIENT_HELO] = {"HELO of the client", is_done, handle_xclient_helo, fault_of_way, TRUE},
    [POSTERN_EXPECT_XFORWARD] = {"XFORWARD", is_done, handle_xforward, fault_of_xforward, TRUE},
    [POSTERN_EXPECT_AUTH] = {"AUTH", is_of_auth, handle_auth, fault_of_connection, TRUE},
    [POSTERN_EXPECT_QUERY] = {"VRFY", is_final, handle_query, fault_of_connection, FALSE},
    [POSTERN_EXPECT_MAIL] = {"MAIL", is_any, handle_mail, fault_of_connection, TRUE},
    [POSTERN_EXPECT_RCPT] = {"RCPT", is_any, handle_rcpt, fault_of_connection, TRUE},
    [POSTERN_EXPECT_DATA] = {"DATA", is_of_data, handle_data, fault_of_connection, TRUE},
    [POSTERN_EXPECT_FINAL] = {"the message", is_any, handle_final, fault_of_connection, FALSE},
    [POSTERN_EXPECT_RSET] = {"RSET", is_done, handle_rset, fault_of_connection, TRUE},
    [POSTERN_EXPECT_QUIT] = {"QUIT", is_of_quit, handle_quit, fault_of_connection, FALSE},
};

/* Once a PROXY header has told of the client, what is refused is refused to it; who knows no such header
 * takes it for a command. */
static PosternBackendFault fault_of(const PosternBackend *backend, PosternExpect expect,
                                    const PosternReply *reply)
{
    gboolean told = backend != NULL && backend->presents && rows[expect].fault == fault_of_ours;
    return told ? fault_of_way(reply) : rows[expect].fault(reply);
}

/* RFC 3207 4, RFC 4954 6: it wants TLS or a login first. Whoever the client is, that is between it and us. */
static gboolean is_demand(const PosternReply *reply, PosternExpect expect)
{
    return reply->code == 530 && rows[expect].demands;
}

static void fail_by_demand(PosternBackend *backend, PosternReply *reply)
{
    g_autofree char *text = postern_reply_to_text(reply);
    gboolean of_us = backend->state == POSTERN_BACKEND_EHLO; /* no client has been told of yet */
    postern_backend_fail(
        backend, of_us ? POSTERN_BACKEND_FAULT_SETUP : POSTERN_BACKEND_FAULT_DEMAND, reply,
        "the back-end demands TLS or a login of us: %s; set [tls] servers = encrypt, or give it a port that "
        "does not (in Postfix a smtpd of its own with smtpd_tls_security_level=may), and set [proxy] backend "
        "to it",
        text);
}

/* It greets before it has one, or answers it as a command. */
static gboolean expects_no_header(const PosternBackend *backend, const PosternReply *reply)
{
    return backend->options.client_address >= POSTERN_CLIENT_ADDRESS_PROXY_V1 &&
           (backend->reusable || (backend->presents && postern_reply_class(reply) == 5));
}

void postern_backend_handle_reply(PosternBackend *backend, PosternReply *reply, gint64 now)
{
    g_autoptr(PosternBackendCommand) command = postern_backend_answered(backend);
    if (command == NULL) {
        g_autofree char *text = postern_reply_to_text(reply);
        if (expects_no_header(backend, reply)) {
            postern_backend_fail(backend, POSTERN_BACKEND_FAULT_SETUP, reply,
                                 "the back-end does not expect a PROXY header: %s", text);
            return;
        }
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
    else if (rows[command->expect].takes(backend, reply))
        rows[command->expect].handler(backend, reply);
    else
        refuse(backend, rows[command->expect].what, fault_of(backend, command->expect, reply), reply);
    if (leaves)
        postern_backend_fail(backend, POSTERN_BACKEND_FAULT_LOST, NULL,
                             "the back-end closes the connection (421)");
}

/* One for each kind of reply that is told apart. */
static const guint codes[] = {220, 221, 250, 334, 354, 421, 450, 501, 502, 530, 550};

void postern_backend_describe(GString *out)
{
    static const char *const faults[] = {
        [POSTERN_BACKEND_FAULT_LOST] = "lost: another connection may do",
        [POSTERN_BACKEND_FAULT_SETUP] = "set up wrongly: not used for anybody",
        [POSTERN_BACKEND_FAULT_DEMAND] = "demands TLS or a login of us",
        [POSTERN_BACKEND_FAULT_TLS] = "TLS fails",
        [POSTERN_BACKEND_FAULT_CLIENT] = "refuses the client: its reply goes to it",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(codes); j++) {
            g_autoptr(PosternReply) reply = postern_reply_new(codes[j], "");
            gboolean taken = rows[i].takes(NULL, reply);
            const char *outcome = is_demand(reply, (PosternExpect)i) ? faults[POSTERN_BACKEND_FAULT_DEMAND]
                                  : taken                            ? "taken"
                                          : faults[fault_of(NULL, (PosternExpect)i, reply)];
            g_string_append_printf(out, "%s\t%u\t%s%s\n", rows[i].what, codes[j], outcome,
                                   codes[j] == 421 && taken ? ", then lost" : "");
        }
}
