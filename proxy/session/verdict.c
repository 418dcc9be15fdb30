#include "base/limits.h"
#include "capsule/store.h"
#include "proxy/session/private.h"

void postern_session_begin_inspection(PosternSession *session)
{
    PosternTransaction *transaction = session->transaction;
    if (!session->settings->configuration->proxy.inspect)
        return;
    transaction->inspecting = TRUE;
    PosternSessionAction *action = postern_session_act(session, POSTERN_SESSION_INSPECT_ENVELOPE);
    action->checks = postern_case_checks_begun(transaction->mail_case);
    if (session->screen != NULL)
        action->history = postern_screen_history(session->screen);
}

void postern_session_read_header(PosternSession *session, const char *octets, gsize length)
{
    PosternTransaction *transaction = session->transaction;
    if (octets == NULL || !postern_case_header(transaction->mail_case, octets, length) ||
        !transaction->inspecting)
        return;
    postern_session_act(session, POSTERN_SESSION_INSPECT_ORIGIN)->envelope =
        postern_envelope_copy(transaction->mail_case->origin);
}

void postern_session_look_for_header(PosternSession *session)
{
    PosternTransaction *transaction = session->transaction;
    if (!transaction->inspecting || transaction->header_seen || transaction->message == NULL)
        return;
    guint64 octets = 0;
    if (!postern_message_header_complete(transaction->message, &octets))
        return;
    transaction->header_seen = TRUE;
    if (octets > POSTERN_HEADER_BLOCK_MAX_OCTETS)
        return;
    g_autoptr(PosternMessage) header = postern_message_copy_header(transaction->message, NULL);
    if (header == NULL)
        return;
    gsize length = 0;
    const char *start = postern_message_octets(header, &length, NULL);
    postern_session_read_header(session, start, length);
    postern_session_act(session, POSTERN_SESSION_INSPECT_HEADER)->message = g_steal_pointer(&header);
}

void postern_session_inspect(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    postern_session_set_state(session, POSTERN_SESSION_INSPECTING, now);
    postern_session_watch_hold(session, now);
    PosternSessionAction *action = postern_session_act(session, POSTERN_SESSION_INSPECT_MESSAGE);
    action->message = postern_message_ref(transaction->message);
    action->checks = postern_case_checks(transaction->mail_case);
}

static void keep(PosternSession *session, const PosternFindings *findings)
{
    const PosternTransaction *transaction = session->transaction;
    const PosternProxySettings *settings = session->settings;
    if (!postern_capsule_store_wants(settings->capsules, transaction->mail_case->verdict))
        return;
    PosternCapsule *capsule = postern_capsule_new();
    capsule->name = g_strdup(transaction->identifier.text);
    postern_capsule_set_case(capsule, transaction->mail_case, transaction->message, findings, settings->dump);
    postern_session_act(session, POSTERN_SESSION_KEEP)->capsule = capsule;
}

void postern_session_inspected(PosternSession *session, const PosternFindings *findings, const char *problem,
                               gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (session->state != POSTERN_SESSION_INSPECTING || transaction == NULL)
        return;
    PosternCase *mail_case = transaction->mail_case;
    transaction->inspecting = FALSE;
    transaction->decided_at = now;
    if (findings != NULL && findings->virus.result == POSTERN_VIRUS_UNSCANNABLE)
        postern_session_count(session, POSTERN_COUNT_UNSCANNABLE, 1, now);
    if (postern_case_decide(mail_case, transaction->message, findings, problem)) {
        postern_tally_note_verdict(session->settings->tally, mail_case, findings, transaction->message);
        keep(session, findings);
    }
    /* It holds the message, and with it the room that this takes. */
    postern_session_act(session, POSTERN_SESSION_INSPECT_CANCEL);
    if (mail_case->reply != NULL) {
        if (mail_case->reply[0] == '5')
            postern_session_note(session, POSTERN_REASON_REFUSED_MESSAGE, now);
        postern_session_conclude_with(session, mail_case->reply, now);
    } else if (mail_case->verdict->action == POSTERN_ACTION_DISCARD) {
        /* A 250 for what no back-end took would be a lie: only a milter can discard. */
        postern_session_conclude_with(session, "451 4.3.5 The proxy is set up to discard, which it cannot",
                                      now);
    } else {
        postern_session_set_state(session, POSTERN_SESSION_DELIVERING, now);
        postern_session_deliver(session, now);
    }
}
