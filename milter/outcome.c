#include "milter/outcome.h"

PosternMilterOutcome *postern_milter_outcome_defer(const PosternMilterSettings *settings, const char *reply)
{
    PosternMilterOutcome *outcome = g_new0(PosternMilterOutcome, 1);
    outcome->deferred = TRUE;
    outcome->problem = g_strdup(reply);
    if (!settings->observe)
        outcome->reply = g_strdup(reply);
    return outcome;
}

static void call_unscannable(PosternFindings *findings, PosternVirusKind kind, const char *reason)
{
    g_ptr_array_set_size(findings->sign.fields, 0);
    g_free(findings->sign.problem);
    findings->sign.problem = g_strdup(reason);
    postern_virus_finding_note(&findings->virus, kind, reason);
}

/*
 * A signature over a body that is not all here would be called broken, and so what rests on one; a signature
 * of ours would be broken; and what is clean may not stay so.
 */
static void reduce_to_beginning(PosternFindings *findings)
{
    g_autoptr(PosternFindings) unfit = postern_findings_new();
    postern_findings_take(findings, unfit, POSTERN_CHECK_DKIM | POSTERN_CHECK_ARC);
    postern_findings_conclude(findings);
    if (findings->dmarc.result != POSTERN_DMARC_PASS)
        postern_findings_take(findings, unfit, POSTERN_CHECK_DMARC);
    call_unscannable(findings, POSTERN_VIRUS_TOO_LARGE, "the message is larger than [milter] message_size");
}

PosternMilterOutcome *postern_milter_outcome_at_mail(const PosternMilterSession *session,
                                                     PosternFindings *findings)
{
    const PosternMilterPolicyMatch *choice = &session->transaction->choice;
    const char *check = NULL;
    char *reply = findings != NULL
                      ? postern_verdict_refuse_at_mail(choice->settings->policies, choice->client_class,
                                                       findings, session->envelope, &check)
                      : NULL;
    if (reply == NULL) {
        postern_findings_free(findings);
        return NULL;
    }
    PosternMilterOutcome *outcome = g_new0(PosternMilterOutcome, 1);
    outcome->findings = findings;
    outcome->check = check;
    outcome->reply = reply;
    return outcome;
}

PosternMilterOutcome *postern_milter_outcome_new(const PosternMilterSession *session,
                                                 PosternFindings *findings, char *problem)
{
    const PosternMilterTransaction *transaction = session->transaction;
    const PosternMilterPolicyMatch *choice = &transaction->choice;
    const PosternEnvelope *envelope = postern_milter_policy_match_envelope(choice, session->envelope);
    gsize length = 0;
    const char *octets = postern_message_octets(transaction->message, &length, NULL);
    g_autoptr(PosternHeader) header = octets != NULL ? postern_header_parse(octets, length) : NULL;
    PosternMilterOutcome *outcome = g_new0(PosternMilterOutcome, 1);

    if (header != NULL) {
        outcome->message_id = postern_header_text(header, "Message-ID");
        outcome->header_from = postern_header_text(header, "From");
    }
    outcome->problem = problem;
    outcome->findings = findings != NULL ? findings : postern_findings_new();
    if (findings == NULL)
        call_unscannable(outcome->findings, POSTERN_VIRUS_SCAN_ERROR, "the inspection did not end in time");
    else if (transaction->extent == POSTERN_MILTER_TOO_BIG)
        reduce_to_beginning(outcome->findings);
    const PosternPolicy policy = postern_milter_policy_match_policy(choice);
    outcome->verdict = postern_verdict_decide(&policy, outcome->findings, envelope, header);
    outcome->reply = g_strdup(outcome->verdict->reply);
    return outcome;
}

void postern_milter_outcome_free(PosternMilterOutcome *outcome)
{
    if (outcome == NULL)
        return;
    g_clear_pointer(&outcome->findings, postern_findings_free);
    g_clear_pointer(&outcome->verdict, postern_verdict_free);
    g_free(outcome->reply);
    g_free(outcome->problem);
    g_free(outcome->message_id);
    g_free(outcome->header_from);
    g_free(outcome);
}
