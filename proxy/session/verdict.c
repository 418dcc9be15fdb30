#include <string.h>

#include "base/limits.h"
#include "mail/header.h"
#include "mail/received.h"
#include "proxy/session/private.h"
#include "verdict/check.h"

static void note_findings(PosternTransaction *transaction, const PosternFindings *findings,
                          const char *problem)
{
    transaction->findings = postern_findings_words(findings);
    transaction->problem = g_strdup(problem != NULL ? problem : findings->virus.reason);
}

/* Our policies' own networks and relays. */
static gboolean is_trusted(const PosternAddress *address, gconstpointer data)
{
    return postern_networks_contain(data, address);
}

/* The client that a trusted relay had the message from; where it names none, the client is not known. */
static void seek_origin(PosternSession *session, const char *octets, gsize length)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction->origin_sought || transaction->client_class != POSTERN_CLIENT_TRUSTED_RELAY)
        return;
    transaction->origin_sought = TRUE;
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    g_autoptr(PosternEnvelope) origin = postern_envelope_copy(session->envelope);
    gboolean found = postern_received_find_client(
        header, is_trusted, postern_policies_trusted_networks(session->settings->policies), origin);
    if (!found)
        origin->client = (PosternAddress){.family = AF_UNSPEC};
    postern_session_act(session, POSTERN_SESSION_INSPECT_ORIGIN, NULL, NULL);
    PosternSessionAction *action = g_queue_peek_tail(&session->actions);
    action->envelope = postern_envelope_copy(origin);
    if (found)
        transaction->origin = g_steal_pointer(&origin);
}

void postern_session_begin_inspection(PosternSession *session)
{
    PosternTransaction *transaction = session->transaction;
    if (!session->settings->configuration->proxy.inspect)
        return;
    transaction->inspecting = TRUE;
    postern_session_act(session, POSTERN_SESSION_INSPECT_ENVELOPE, NULL, NULL);
    PosternSessionAction *action = g_queue_peek_tail(&session->actions);
    action->checks = postern_policies_checks(session->settings->policies, transaction->client_class);
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
    gsize length = 0;
    const char *text = header != NULL ? postern_message_octets(header, &length, NULL) : NULL;
    if (text == NULL)
        return;
    seek_origin(session, text, length);
    postern_session_act(session, POSTERN_SESSION_INSPECT_HEADER, header, NULL);
}

void postern_session_inspect(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    gsize length = 0;
    const char *octets = postern_message_octets(transaction->message, &length, NULL);
    if (octets != NULL) /* without an empty line the header ends with the message */
        seek_origin(session, octets, length);
    postern_session_set_state(session, POSTERN_SESSION_INSPECTING, now);
    postern_session_watch_hold(session, now);
    postern_session_act(session, POSTERN_SESSION_INSPECT_MESSAGE, transaction->message, NULL);
    PosternSessionAction *action = g_queue_peek_tail(&session->actions);
    action->checks = transaction->policy->checks;
}

/* NULL: the message cannot be looked at, so that forged fields in it could not be seen either. */
static PosternVerdict *decide(PosternSession *session, const PosternFindings *findings)
{
    gsize length = 0;
    const char *octets = postern_message_octets(session->transaction->message, &length, NULL);
    if (octets == NULL)
        return NULL;
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    const PosternTransaction *transaction = session->transaction;
    return postern_verdict_decide(transaction->policy, findings,
                                  transaction->origin != NULL ? transaction->origin : session->envelope,
                                  header);
}

void postern_session_inspected(PosternSession *session, const PosternFindings *findings, const char *problem,
                               gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (session->state != POSTERN_SESSION_INSPECTING || transaction == NULL)
        return;
    transaction->inspecting = FALSE;
    note_findings(transaction, findings, problem);
    transaction->verdict = decide(session, findings);
    postern_session_keep(session, findings, problem);
    /* It holds the message, and with it the room that this takes. */
    postern_session_act(session, POSTERN_SESSION_INSPECT_CANCEL, NULL, NULL);
    if (transaction->verdict == NULL) {
        postern_session_conclude_with(session, 451, "4.3.0",
                                      "The message could not be kept in memory, try again later", now);
        return;
    }
    switch (transaction->verdict->action) {
    case POSTERN_ACTION_ACCEPT:
    case POSTERN_ACTION_MARK:
    case POSTERN_ACTION_QUARANTINE:
        postern_session_set_state(session, POSTERN_SESSION_DELIVERING, now);
        postern_session_deliver(session, now);
        break;
    case POSTERN_ACTION_REJECT:
    case POSTERN_ACTION_TEMPFAIL: {
        g_autofree char *reply =
            g_strdup_printf("%s [%s]\r\n", transaction->verdict->reply, transaction->identifier.text);
        postern_session_conclude(session, reply, now);
        break;
    }
    case POSTERN_ACTION_DISCARD:
        /* A 250 for what no back-end took would be a lie (promise 1): only a milter can discard. */
        postern_session_conclude_with(session, 451, "4.3.5",
                                      "The proxy is set up to discard, which it cannot", now);
        break;
    }
}
