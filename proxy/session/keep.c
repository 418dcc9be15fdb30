#include "capsule/store.h"
#include "proxy/session/private.h"

void postern_session_keep(PosternSession *session, const PosternFindings *findings, const char *problem)
{
    const PosternTransaction *transaction = session->transaction;
    const PosternProxySettings *settings = session->settings;
    const PosternEnvelope *envelope = transaction->origin != NULL ? transaction->origin : session->envelope;
    if (!postern_capsule_store_wants(settings->capsules, transaction->verdict))
        return;
    PosternCapsule *capsule = postern_capsule_new();
    capsule->name = g_strdup(transaction->identifier.text);
    capsule->message = postern_message_ref(transaction->message);
    capsule->envelope = postern_envelope_copy(envelope);
    capsule->problem = g_strdup(problem);
    postern_capsule_set_verdict(capsule, transaction->policy, settings->dump, findings, transaction->verdict);
    postern_session_act(session, POSTERN_SESSION_KEEP, NULL, NULL);
    PosternSessionAction *action = g_queue_peek_tail(&session->actions);
    action->capsule = capsule;
}
