#include "milter/capture.h"

#include "capsule/store.h"

/* Findings that did not come in time are what was decided by: none of them is found out again. */
static PosternCapsule *capsule_without_inspection(const PosternMilterTransaction *transaction,
                                                  PosternChecks checks)
{
    PosternCapsule *capsule = postern_capsule_new();
    capsule->answers = postern_answers_new();
    capsule->now = g_get_real_time() / G_USEC_PER_SEC;
    capsule->receiver = g_strdup(transaction->choice.receiver);
    capsule->checks = capsule->failed = checks;
    return capsule;
}

/* Of the beginning of a message no more is known than what is in the findings, whatever is in the rest. */
static void limit_to_beginning(PosternCapsule *capsule)
{
    capsule->checks &= ~(guint)(POSTERN_CHECK_DKIM | POSTERN_CHECK_ARC);
    capsule->failed |= POSTERN_CHECK_DMARC;
    capsule->failed &= capsule->checks;
}

void postern_milter_capture(const PosternMilterSession *session, const PosternMilterOutcome *outcome)
{
    const PosternMilterTransaction *transaction = session->transaction;
    const PosternMilterSettings *settings = transaction->settings;
    const PosternMilterPolicyMatch *choice = &transaction->choice;
    if (!postern_capsule_store_wants(settings->capsules, outcome->verdict))
        return;
    PosternCapsule *capsule = postern_milter_ticket_take_capsule(session->ticket);
    if (capsule == NULL)
        capsule = capsule_without_inspection(transaction,
                                             postern_milter_policy_match_checks(choice, session->envelope));
    if (transaction->extent == POSTERN_MILTER_TOO_BIG)
        limit_to_beginning(capsule);
    capsule->name = g_strdup(postern_milter_session_id(session));
    capsule->message = postern_message_ref(transaction->message);
    capsule->envelope =
        postern_envelope_copy(postern_milter_policy_match_envelope(choice, session->envelope));
    capsule->problem = g_strdup(outcome->problem);
    const PosternPolicy policy = postern_milter_policy_match_policy(choice);
    postern_capsule_set_verdict(capsule, &policy, settings->dump, outcome->findings, outcome->verdict);
    postern_capsule_store_put(settings->capsules, capsule, postern_milter_session_id(session));
}
