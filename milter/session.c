#include "milter/session.h"

#include "base/log.h"
#include "capsule/store.h"

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

void postern_milter_session_set_state(PosternMilterSession *session, PosternMilterState state)
{
    static const char *const names[] = {
        [POSTERN_MILTER_IDLE] = "idle",
        [POSTERN_MILTER_ENVELOPE] = "envelope",
        [POSTERN_MILTER_BODY] = "body",
        [POSTERN_MILTER_INSPECTING] = "inspecting",
    };
    postern_log_state("session", session->identifier.text, names[session->state], names[state]);
    session->state = state;
}

void postern_milter_session_free(PosternMilterSession *session)
{
    if (session == NULL)
        return;
    postern_milter_session_reset(session);
    postern_envelope_free(session->envelope);
    g_clear_pointer(&session->client_findings, postern_findings_free);
    g_free(session->server);
    g_free(session->daemon);
    g_free(session->tls);
    g_free(session);
}

void postern_milter_session_mail(PosternMilterSession *session, const PosternMilterSettings *settings,
                                 char *sender)
{
    const PosternCaseOptions options = {
        .policies = settings->policies,
        .receiver = postern_milter_settings_receiver(settings, session->server),
        .local = session->local,
        .refuse_at_mail = settings->configuration->milter.refuse_at_mail,
    };
    session->message = postern_identifier_new();
    session->message_started = g_get_monotonic_time();
    g_free(session->envelope->session);
    session->envelope->session = g_strdup(session->message.text);
    session->envelope->sender = sender;
    session->mail_case = postern_case_new(&options, session->envelope);
}

void postern_milter_session_begin(PosternMilterSession *session, PosternMilterBridge *bridge,
                                  PosternMilterSettings *settings, char *parameters)
{
    postern_milter_session_set_state(session, POSTERN_MILTER_ENVELOPE);
    session->messages++;
    session->envelope->sender_parameters = parameters;
    session->transaction = postern_milter_transaction_new(settings);
    session->ticket =
        postern_milter_ticket_new(bridge, settings, session->envelope, session->mail_case->receiver,
                                  postern_case_checks_begun(session->mail_case));
}

/* If no reply to RCPT is awaited the recipient is the message's, and at its end all of them are put off.
 */
gboolean postern_milter_session_add_recipient(PosternMilterSession *session, char *recipient)
{
    PosternCase *mail_case = session->mail_case;
    if (session->negotiation.recipients) {
        gboolean added = postern_case_add_recipient(mail_case, recipient);
        session->transaction->recipients += added;
        return added;
    }
    mail_case->differs =
        mail_case->differs || !postern_case_takes(mail_case, postern_case_policy_of(mail_case, recipient));
    session->transaction->recipients++;
    return postern_case_add_recipient(mail_case, recipient);
}

static gboolean read_header(PosternMilterSession *session, PosternMessage *message)
{
    gsize length = 0;
    const char *octets = message != NULL ? postern_message_octets(message, &length, NULL) : NULL;
    if (octets == NULL)
        return FALSE;
    if (postern_case_header(session->mail_case, octets, length))
        postern_milter_ticket_envelope(session->ticket, session->mail_case->origin);
    return TRUE;
}

void postern_milter_session_end_header(PosternMilterSession *session)
{
    if (session->transaction->has_body)
        return;
    postern_milter_session_set_state(session, POSTERN_MILTER_BODY);
    postern_milter_transaction_end_header(session->transaction);
    g_autoptr(PosternMessage) header = postern_milter_transaction_header(session->transaction);
    if (read_header(session, header))
        postern_milter_ticket_header(session->ticket, header);
}

void postern_milter_session_end_message(PosternMilterSession *session)
{
    PosternMilterTransaction *transaction = session->transaction;
    postern_milter_session_end_header(session);
    postern_milter_transaction_end(transaction);
    if (read_header(session, transaction->message)) /* one that is too large for its stage */
        postern_case_measure(session->mail_case, transaction->message);
}

static void keep(const PosternMilterSession *session, const PosternFindings *findings)
{
    const PosternMilterSettings *settings = session->transaction->settings;
    if (!postern_capsule_store_wants(settings->capsules, session->mail_case->verdict))
        return;
    PosternCapsule *capsule = postern_milter_ticket_take_capsule(session->ticket);
    if (capsule == NULL)
        capsule = postern_capsule_new();
    capsule->name = g_strdup(postern_milter_session_id(session));
    postern_capsule_set_case(capsule, session->mail_case, session->transaction->message, findings,
                             settings->dump);
    postern_capsule_store_put(settings->capsules, capsule, postern_milter_session_id(session));
}

void postern_milter_session_decide(PosternMilterSession *session, PosternFindings *findings, char *problem)
{
    PosternCase *mail_case = session->mail_case;
    g_autofree char *taken_problem = problem;
    g_autoptr(PosternFindings) taken = findings != NULL ? findings : postern_findings_new();
    if (findings == NULL)
        postern_case_reduce(mail_case, taken, POSTERN_CASE_NOT_IN_TIME);
    else if (session->transaction->extent == POSTERN_MILTER_TOO_BIG)
        postern_case_reduce(mail_case, taken, POSTERN_CASE_BEGINNING);
    if (postern_case_decide(mail_case, session->transaction->message, taken, problem)) {
        postern_tally_note_verdict(session->transaction->settings->tally, mail_case, taken,
                                   session->transaction->message);
        keep(session, taken);
    }
}

void postern_milter_session_reset(PosternMilterSession *session)
{
    if (session->state != POSTERN_MILTER_IDLE)
        postern_milter_session_set_state(session, POSTERN_MILTER_IDLE);
    g_clear_pointer(&session->ticket, postern_milter_ticket_free);
    g_clear_pointer(&session->transaction, postern_milter_transaction_free);
    g_clear_pointer(&session->mail_case, postern_case_free);
    g_clear_pointer(&session->queue, g_free);
    postern_envelope_reset(session->envelope);
    session->message.text[0] = '\0';
    g_free(session->envelope->session);
    session->envelope->session = g_strdup(session->identifier.text);
}
