#include "milter/session.h"

#include "base/limits.h"
#include "base/log.h"
#include "milter/macros.h"

PosternMilterSession *postern_milter_session_new(const PosternMilterNegotiation *negotiation)
{
    PosternMilterSession *session = g_new0(PosternMilterSession, 1);
    session->identifier = postern_identifier_new();
    session->negotiation = *negotiation;
    session->envelope = postern_envelope_new();
    session->envelope->session = g_strdup(session->identifier.text);
    session->envelope->esmtp = TRUE;
    session->started = g_get_monotonic_time();
    return session;
}

const char *postern_milter_session_id(const PosternMilterSession *session)
{
    return session->message.text[0] != '\0' ? session->message.text : session->identifier.text;
}

void postern_milter_session_name_message(PosternMilterSession *session)
{
    session->message = postern_identifier_new();
    g_free(session->envelope->session);
    session->envelope->session = g_strdup(session->message.text);
}

void postern_milter_session_free(PosternMilterSession *session)
{
    if (session == NULL)
        return;
    postern_milter_session_reset(session);
    postern_envelope_free(session->envelope);
    g_free(session->server);
    g_free(session->daemon);
    g_free(session->tls);
    g_free(session);
}

void postern_milter_session_begin(PosternMilterSession *session, PosternMilterBridge *bridge,
                                  PosternMilterSettings *settings, char *sender, char *parameters)
{
    postern_log_state("session", session->identifier.text, "idle", "envelope");
    session->messages++;
    session->envelope->sender = sender;
    session->envelope->sender_parameters = parameters;
    session->transaction = postern_milter_transaction_new(settings);
    PosternMilterPolicyMatch *choice = &session->transaction->choice;
    postern_milter_policy_match_begin(choice, settings, session->envelope, session->local, session->server);
    session->ticket =
        postern_milter_ticket_new(bridge, settings, session->envelope, choice->receiver,
                                  postern_milter_policy_match_checks_begun(choice, session->envelope));
}

/* Where no reply to RCPT is awaited the recipient is the message's, and at its end all of them are put off.
 */
static gboolean is_of_the_same_policy(PosternMilterSession *session, const char *recipient)
{
    PosternMilterPolicyMatch *choice = &session->transaction->choice;
    if (postern_milter_policy_match_add_recipient(choice, recipient))
        return TRUE;
    choice->differs = choice->differs || !session->negotiation.recipients;
    return !session->negotiation.recipients;
}

gboolean postern_milter_session_add_recipient(PosternMilterSession *session, char *recipient)
{
    GPtrArray *recipients = session->envelope->recipients;
    if (!is_of_the_same_policy(session, recipient)) {
        g_free(recipient);
        return FALSE;
    }
    session->transaction->recipients++;
    if (recipients->len < POSTERN_RECIPIENTS_MAX) {
        g_ptr_array_add(recipients, recipient);
        return TRUE;
    }
    g_free(recipient);
    /* The last place stands for all the others: an empty path, that no list of exempt recipients names. */
    g_free(recipients->pdata[POSTERN_RECIPIENTS_MAX - 1]);
    recipients->pdata[POSTERN_RECIPIENTS_MAX - 1] = g_strdup("");
    return TRUE;
}

void postern_milter_session_end_header(PosternMilterSession *session)
{
    if (session->transaction->has_body)
        return;
    postern_log_state("session", session->identifier.text, "header", "body");
    postern_milter_transaction_end_header(session->transaction);
    g_autoptr(PosternMessage) header = postern_milter_transaction_header(session->transaction);
    if (header == NULL)
        return;
    PosternMilterPolicyMatch *choice = &session->transaction->choice;
    if (postern_milter_policy_match_find_origin(choice, session->envelope, header))
        postern_milter_ticket_envelope(session->ticket, choice->origin);
    postern_milter_ticket_header(session->ticket, header);
}

void postern_milter_session_reset(PosternMilterSession *session)
{
    if (session->transaction != NULL)
        postern_log_state("session", session->identifier.text, "message", "idle");
    g_clear_pointer(&session->ticket, postern_milter_ticket_free);
    g_clear_pointer(&session->transaction, postern_milter_transaction_free);
    g_clear_pointer(&session->queue, g_free);
    postern_envelope_reset(session->envelope);
    session->message.text[0] = '\0';
    g_free(session->envelope->session);
    session->envelope->session = g_strdup(session->identifier.text);
}
