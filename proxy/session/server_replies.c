#include <string.h>

#include "base/limits.h"
#include "proxy/session/auth.h"
#include "proxy/session/private.h"

const char postern_session_no_server_reply[] =
    "451 4.3.0 The mail server behind us cannot be used now, try again later";

gboolean postern_session_awaits_answers(const PosternSession *session)
{
    return session->transaction != NULL && session->transaction->unanswered > 0;
}

/* The message goes to the back-end, or is to. */
static gboolean is_delivering(const PosternSession *session)
{
    return session->state == POSTERN_SESSION_DELIVERING || postern_session_is_streaming(session);
}

/* A back-end's reply as the client gets it: its 421 would mean that we close, and nothing but 2xx, 4xx, 5xx
 * is due. */
char *postern_session_reply_for_client(const PosternReply *reply)
{
    if (reply->code != 421 && postern_reply_class(reply) != 3)
        return postern_reply_to_wire(reply);
    g_autoptr(PosternReply) changed = postern_reply_copy(reply, 451);
    return postern_reply_to_wire(changed);
}

void postern_session_answer_recipient(PosternSession *session, PosternRecipient *recipient,
                                      const PosternReply *reply, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    g_autofree char *text = postern_session_reply_for_client(reply);
    if (postern_reply_class(reply) == 2) {
        recipient->state = POSTERN_RECIPIENT_ACCEPTED;
        transaction->accepted++;
        (void)postern_case_add_recipient(transaction->mail_case, g_strdup(recipient->path));
        if (session->settings->configuration->log.recipients)
            postern_session_log_refusal(session, recipient, NULL, NULL, text);
    } else {
        recipient->state = POSTERN_RECIPIENT_REFUSED;
        /* What is refused for its sender or its client tells nothing of a recipient. */
        if (postern_reply_class(reply) == 5 && transaction->mail_refusal == NULL)
            postern_session_count_refused_address(session, now);
        g_free(transaction->last_refusal);
        transaction->last_refusal = g_strdup(text);
        postern_session_log_refusal(session, recipient, NULL,
                                    transaction->failure != NULL ? "proxy"
                                    : recipient->was_known       ? "cache"
                                                                 : "backend",
                                    text);
    }
    g_string_append(session->output, text);
    session->answer_deadline = G_MAXINT64;
    if (--transaction->unanswered == 0)
        postern_session_set_state(session, session->state, now); /* the client's time begins only now */
    else
        postern_session_expect_answer(session, now);
}

static void answer_all(PosternSession *session, const PosternReply *reply, gint64 now)
{
    GPtrArray *recipients = session->transaction->recipients;
    for (guint i = 0; i < recipients->len; i++) {
        PosternRecipient *recipient = g_ptr_array_index(recipients, i);
        if (recipient->state == POSTERN_RECIPIENT_PENDING || recipient->state == POSTERN_RECIPIENT_SENT)
            postern_session_answer_recipient(session, recipient, reply, now);
    }
    postern_session_run_pending(session, now);
}

/* Everybody who waits gets text, a 451, and the transaction can come to nothing else any more. */
static void fail_transaction_with(PosternSession *session, const char *reason, const char *text, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction->failure == NULL)
        transaction->failure = g_strdup(reason);
    postern_session_release_backend(session, now);
    if (is_delivering(session)) {
        g_autofree char *whole = postern_session_finish_reply(session, text);
        postern_session_answer_message(session, whole, now);
        return;
    }
    g_autoptr(PosternReply) reply = postern_session_own_reply(session, text);
    answer_all(session, reply, now);
}

static void fail_transaction(PosternSession *session, const char *reason, gint64 now)
{
    fail_transaction_with(session, reason, postern_session_no_server_reply, now);
}

void postern_session_give_up_answer(PosternSession *session, gint64 now)
{
    static const char reply[] = "451 4.3.2 No answer in time, try again later";
    PosternTransaction *transaction = session->transaction;
    if (transaction == NULL)
        return;
    if (session->state == POSTERN_SESSION_INSPECTING) {
        transaction->mail_case->problem =
            g_strdup("[proxy] filter_timeout has passed before the verdict was there");
        postern_session_conclude_with(session, reply, now);
        return;
    }
    if (session->state == POSTERN_SESSION_DELIVERING && session->backend != NULL) {
        PosternBackendState state = postern_backend_state(session->backend);
        if (state == POSTERN_BACKEND_DATA_END)
            transaction->delivery = POSTERN_DELIVERY_UNKNOWN; /* RFC 1047 */
        else if (state == POSTERN_BACKEND_SENDING)
            transaction->delivery = POSTERN_DELIVERY_FAILED;
    }
    fail_transaction_with(session, "[proxy] filter_timeout has passed before the back-end had answered",
                          reply, now);
}

/* The back-end is told of the client. */
static void identify(PosternSession *session, gint64 now)
{
    const PosternClientIdentity *identity = postern_session_identity(session);
    gboolean known = identity->reverse_known;
    const PosternBackendClient client = {
        .envelope = session->envelope,
        .name_temporary = identity->name_temporary,
        .reverse_name = known ? identity->reverse_name : identity->name,
        .reverse_temporary = known ? identity->reverse_temporary : identity->name_temporary,
        .server = identity->server,
        .greeted = session->core.own.helo != NULL,
        .extensions = session->login != NULL ||
                      (session->transaction != NULL && postern_session_uses_extensions(session)),
        .identifier = identity->queue,
        .local = identity->local,
        .session = session->core.identifier.text,
        .tls = session->core.tls,
        .tls_version = session->tls,
    };
    postern_session_set_link(session, POSTERN_LINK_IDENTIFYING);
    postern_backend_identify(session->backend, &client, now);
}

/* Borrows one for a transaction, or takes its own, unless it has one already or soon. */
static void need_backend(PosternSession *session, gint64 now)
{
    if (session->link == POSTERN_LINK_NONE && !session->core.authenticated)
        postern_session_borrow(session, now);
    if (session->link == POSTERN_LINK_OWN && postern_backend_state(session->backend) == POSTERN_BACKEND_IDLE)
        identify(session, now);
}

static void ask_recipient(PosternSession *session, PosternRecipient *recipient, gint64 now)
{
    if (recipient->state == POSTERN_RECIPIENT_PENDING)
        recipient->state = POSTERN_RECIPIENT_SENT;
    g_queue_push_tail(&session->transaction->sent, recipient);
    postern_backend_recipient(session->backend, recipient->path,
                              postern_session_recipient_parameters(session, recipient), now);
}

void postern_session_ask_recipients(PosternSession *session, gint64 now)
{
    need_backend(session, now);
    if (session->link != POSTERN_LINK_OPEN)
        return;
    GPtrArray *recipients = session->transaction->recipients;
    for (guint i = 0; i < recipients->len; i++) {
        PosternRecipient *recipient = g_ptr_array_index(recipients, i);
        if (recipient->state == POSTERN_RECIPIENT_PENDING)
            ask_recipient(session, recipient, now);
    }
    postern_session_watch_hold(session, now);
}

/* MAIL, then those that the client has had a 2xx for (again), then those that wait. */
static void open_envelope(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    g_autofree char *parameters = postern_session_mail_parameters(session);
    postern_session_set_link(session, POSTERN_LINK_OPEN);
    transaction->repeats += transaction->accepted > 0;
    g_clear_pointer(&transaction->mail_refusal, postern_reply_free);
    postern_backend_mail(session->backend, session->envelope->sender, parameters, now);
    for (guint i = 0; i < transaction->recipients->len; i++) {
        PosternRecipient *recipient = g_ptr_array_index(transaction->recipients, i);
        if (recipient->state == POSTERN_RECIPIENT_ACCEPTED)
            ask_recipient(session, recipient, now);
    }
    postern_session_ask_recipients(session, now);
}

static void note_wait(PosternSession *session, gint64 now)
{
    if (session->transaction != NULL)
        session->transaction->backend_wait_ms += now - session->borrows_since;
}

void postern_session_borrowed(PosternSession *session, PosternBackend *backend, guint refusals, gint64 now)
{
    if (session->link != POSTERN_LINK_BORROWING) {
        /* It came while BORROW_CANCEL was still on its way. */
        postern_session_act(session, POSTERN_SESSION_RETURN);
        return;
    }
    session->backend = backend;
    session->refusals_generation = refusals;
    note_wait(session, now);
    postern_counters_time(session->settings->counters, POSTERN_LATENCY_POOL_WAIT,
                          now - session->borrows_since);
    identify(session, now);
}

void postern_session_borrow_failed(PosternSession *session, const char *reason, gint64 now)
{
    if (session->link != POSTERN_LINK_BORROWING)
        return;
    note_wait(session, now);
    postern_session_set_link(session, POSTERN_LINK_NONE);
    if (session->login != NULL)
        postern_session_auth_failed(session, reason, now);
    else if (session->query != NULL)
        postern_session_query_failed(session, now);
    else
        fail_transaction(session, reason, now);
}

void postern_session_deliver(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (session->core.authenticated && session->backend == NULL) {
        fail_transaction(session, "the back-end was lost, and the login with it", now);
        return;
    }
    need_backend(session, now);
    if (session->link != POSTERN_LINK_OPEN || transaction->data_sent || !g_queue_is_empty(&transaction->sent))
        return;
    transaction->data_sent = TRUE;
    postern_session_watch_hold(session, now);
    postern_backend_data(session->backend, now);
}

static void handle_identified(PosternSession *session, gint64 now)
{
    const GPtrArray *groups = session->settings->groups;
    const GPtrArray *servers = postern_session_group(session)->settings.servers;
    gboolean only_one = groups->len == 1 && servers->len == 1 &&
                        ((const PosternServerSettings *)g_ptr_array_index(servers, 0))->host == NULL;
    if (only_one && postern_backend_ehlo(session->backend)->capabilities != 0) /* else the client said HELO */
        session->core.announced = *postern_backend_ehlo(session->backend);
    if (session->login != NULL) {
        postern_session_auth_identified(session, now);
        return;
    }
    if (session->query != NULL) {
        postern_session_query_identified(session, now);
        return;
    }
    g_free(session->transaction->server);
    session->transaction->server = g_strdup(postern_backend_server(session->backend));
    g_free(session->transaction->server_tls);
    session->transaction->server_tls = g_strdup(postern_backend_tls(session->backend));
    g_autofree char *missing = postern_session_missing_capabilities(session);
    if (missing == NULL) {
        open_envelope(session, now);
        return;
    }
    g_autofree char *reason = g_strconcat("the back-end lacks what the client has used: ", missing, NULL);
    g_autofree char *text =
        g_strconcat("451 4.3.0 The mail server behind us lacks ", missing, " now, try again later", NULL);
    fail_transaction_with(session, reason, text, now);
}

static void handle_mail_reply(PosternSession *session, const PosternReply *reply, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (postern_reply_class(reply) == 2)
        return;
    if (transaction->accepted > 0) {
        g_autofree char *text = postern_reply_to_text(reply);
        g_autofree char *reason = g_strconcat("the back-end refused a repeated MAIL: ", text, NULL);
        fail_transaction(session, reason, now);
        return;
    }
    /* RFC 5321 4.5.3.1.10: as an answer to RCPT, 552 would mean too many recipients. */
    transaction->mail_refusal = reply->code == 552 ? postern_reply_new(554, "5.3.4 Message too big")
                                                   : postern_reply_copy(reply, reply->code);
}

static void handle_rcpt_reply(PosternSession *session, const PosternReply *reply, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    PosternRecipient *recipient = g_queue_pop_head(&transaction->sent);
    g_return_if_fail(recipient != NULL);
    if (recipient->state == POSTERN_RECIPIENT_SENT) {
        const PosternReply *answer = transaction->mail_refusal != NULL ? transaction->mail_refusal : reply;
        /* What servers say to users is for users. */
        if (transaction->mail_refusal == NULL && !session->core.authenticated)
            postern_refusals_note(postern_server_group_refusals(recipient->group->servers),
                                  session->refusals_generation, recipient->path, reply, now);
        postern_session_answer_recipient(session, recipient, answer, now);
        if (!postern_session_awaits_answers(session))
            postern_session_run_pending(session, now);
    } else if (postern_reply_class(reply) != 2) {
        g_autofree char *text = postern_reply_to_text(reply);
        g_autofree char *reason = g_strconcat("the back-end refused a repeated RCPT: ", text, NULL);
        fail_transaction(session, reason, now);
        return;
    }
    if (is_delivering(session))
        postern_session_deliver(session, now);
    else
        postern_session_watch_hold(session, now);
}

/* If the back-end's own Received field names us, the client stands in the message nowhere else. */
static void add_received(PosternSession *session)
{
    const PosternConfiguration *configuration = session->settings->configuration;
    if (configuration->proxy.role == POSTERN_ROLE_EDGE &&
        !postern_client_address_is_judged(postern_session_group(session)->client_address))
        postern_case_add_received(session->transaction->mail_case, configuration->proxy.hostname);
}

static void handle_data_reply(PosternSession *session, const PosternReply *reply, gint64 now)
{
    if (reply->code == 354) {
        add_received(session);
        PosternCase *mail_case = session->transaction->mail_case;
        PosternSessionAction *action = postern_session_act(session, POSTERN_SESSION_SEND_MESSAGE);
        if (session->transaction->transit != NULL)
            action->transit = postern_transit_ref(session->transaction->transit);
        else
            action->message = postern_message_ref(session->transaction->message);
        action->edits = postern_case_take_edits(mail_case);
        return;
    }
    g_autofree char *text = postern_session_reply_for_client(reply);
    session->transaction->delivery = POSTERN_DELIVERY_REFUSED;
    session->transaction->data_sent = FALSE; /* answered: RSET may follow */
    postern_session_answer_message(session, text, now);
}

/* The server refuses the message for what it is (RFC 3463: 5.7.x), as far as it says: its size, a full
 * mailbox and the like are no fault of the client. */
static gboolean is_for_policy(const PosternReply *reply)
{
    gboolean enhanced = g_str_has_prefix(reply->text, "5.");
    return enhanced ? g_str_has_prefix(reply->text, "5.7.") : reply->code == 550 || reply->code == 554;
}

static void handle_final_reply(PosternSession *session, const PosternBackendEvent *event, gint64 now)
{
    g_autofree char *text = postern_session_reply_for_client(event->reply);
    gboolean accepted = postern_reply_class(event->reply) == 2;
    session->transaction->delivery = accepted         ? POSTERN_DELIVERY_ACCEPTED
                                     : event->partial ? POSTERN_DELIVERY_PARTIAL
                                                      : POSTERN_DELIVERY_REFUSED;
    session->transaction->replied_at = now;
    session->transaction->server_queue = accepted ? postern_reply_queue_id(event->reply) : NULL;
    if (accepted) {
        session->core.messages_accepted++;
        session->core.refused_recipients = 0;
        session->core.slow = FALSE;
        postern_session_praise(session, now);
    } else if (is_for_policy(event->reply)) {
        postern_session_note(session, POSTERN_REASON_REFUSED_MESSAGE, now);
    }
    postern_session_conclude(session, text, now);
}

/* A connection from the pool may have been closed by the back-end just then: one more is worth trying, as
 * long as nothing of the message has gone out. */
static gboolean try_again(PosternSession *session, const PosternBackendEvent *event, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (session->core.authenticated || !postern_backend_is_before_data(event->during) ||
        event->fault == POSTERN_BACKEND_FAULT_SETUP || event->fault == POSTERN_BACKEND_FAULT_DEMAND ||
        transaction->attempts > 0)
        return FALSE;
    transaction->attempts++;
    transaction->data_sent = FALSE;
    postern_session_borrow(session, now);
    return TRUE;
}

/* The back-end does not want this client: it hears that in the back-end's words, for all it still asks. */
static void refuse_client(PosternSession *session, const PosternReply *reply, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    postern_reply_free(transaction->mail_refusal);
    transaction->mail_refusal = postern_reply_copy(reply, reply->code);
    if (!is_delivering(session)) {
        answer_all(session, transaction->mail_refusal, now);
        return;
    }
    g_autofree char *text = postern_session_reply_for_client(reply);
    transaction->delivery = POSTERN_DELIVERY_REFUSED;
    postern_session_answer_message(session, text, now);
}

static void handle_failure(PosternSession *session, const PosternBackendEvent *event, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    postern_session_unlink_backend(session);
    if (session->login != NULL)
        postern_session_auth_failed(session, event->text, now);
    if (session->query != NULL && event->fault == POSTERN_BACKEND_FAULT_CLIENT)
        postern_session_query_answered(session, event->reply, now);
    else if (session->query != NULL)
        postern_session_query_failed(session, now);
    if (transaction == NULL)
        return;
    gboolean needed = is_delivering(session) || postern_session_awaits_answers(session);
    if (!needed)
        return;
    /* Of a message that is on its way a part was accepted before: this is not the answer to it. */
    if (transaction->mail_refusal != NULL && transaction->mail_refusal->code != 421 &&
        !is_delivering(session)) {
        answer_all(session, transaction->mail_refusal, now);
        return;
    }
    if (event->fault == POSTERN_BACKEND_FAULT_CLIENT && event->reply->code != 421) {
        refuse_client(session, event->reply, now);
        return;
    }
    if (try_again(session, event, now))
        return;
    if (event->fault == POSTERN_BACKEND_FAULT_CLIENT) {
        refuse_client(session, event->reply, now);
        return;
    }
    if (event->during == POSTERN_BACKEND_DATA_END) {
        transaction->delivery = POSTERN_DELIVERY_UNKNOWN;
        transaction->failure = g_strdup(event->text);
        postern_session_conclude_with(
            session, "451 4.4.2 The mail server behind us was lost before it answered, try again later", now);
        return;
    }
    if (event->during == POSTERN_BACKEND_SENDING)
        transaction->delivery = POSTERN_DELIVERY_FAILED;
    fail_transaction(session, event->text, now);
}

void postern_session_backend_event(PosternSession *session, const PosternBackendEvent *event, gint64 now)
{
    if (session->backend == NULL)
        return;
    switch (event->kind) {
    case POSTERN_BACKEND_IDENTIFIED:
        handle_identified(session, now);
        break;
    case POSTERN_BACKEND_QUERY_REPLY:
        if (session->query != NULL)
            postern_session_query_answered(session, event->reply, now);
        break;
    case POSTERN_BACKEND_AUTH_REPLY:
        if (session->login != NULL)
            postern_session_auth_reply(session, event->reply, now);
        break;
    case POSTERN_BACKEND_MAIL_REPLY:
        handle_mail_reply(session, event->reply, now);
        break;
    case POSTERN_BACKEND_RCPT_REPLY:
        handle_rcpt_reply(session, event->reply, now);
        break;
    case POSTERN_BACKEND_DATA_REPLY:
        handle_data_reply(session, event->reply, now);
        break;
    case POSTERN_BACKEND_FINAL_REPLY:
        handle_final_reply(session, event, now);
        break;
    case POSTERN_BACKEND_FAILED:
        handle_failure(session, event, now);
        postern_session_end_if_login_is_lost(session, now);
        break;
    case POSTERN_BACKEND_RESET_DONE:
        if (session->link == POSTERN_LINK_OWN && postern_session_awaits_answers(session))
            need_backend(session, now);
        break;
    case POSTERN_BACKEND_START_TLS:
    case POSTERN_BACKEND_READY:
    case POSTERN_BACKEND_ENDED:
        break;
    }
}
