#include "milter/keep.h"

#include "inspect/capsule_store.h"

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

void postern_milter_keep(const PosternMilterSession *session, const PosternMilterJudgement *judgement)
{
    const PosternMilterTransaction *transaction = session->transaction;
    const PosternMilterSettings *settings = transaction->settings;
    const PosternMilterChoice *choice = &transaction->choice;
    if (!postern_capsule_store_wants(settings->capsules, judgement->verdict))
        return;
    PosternCapsule *capsule = postern_milter_ticket_take_capsule(session->ticket);
    if (capsule == NULL)
        capsule =
            capsule_without_inspection(transaction, postern_milter_choice_checks(choice, session->envelope));
    if (transaction->extent == POSTERN_MILTER_TOO_BIG)
        limit_to_beginning(capsule);
    capsule->name = g_strdup(postern_milter_session_id(session));
    capsule->message = postern_message_ref(transaction->message);
    capsule->envelope = postern_envelope_copy(postern_milter_choice_envelope(choice, session->envelope));
    capsule->problem = g_strdup(judgement->problem);
    const PosternPolicy policy = postern_milter_choice_policy(choice);
    postern_capsule_set_verdict(capsule, &policy, settings->dump, judgement->findings, judgement->verdict);
    postern_capsule_store_put(settings->capsules, capsule, postern_milter_session_id(session));
}
