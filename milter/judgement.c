#include "milter/judgement.h"

PosternMilterJudgement *postern_milter_judgement_put_off(const PosternMilterSettings *settings,
                                                         const char *reply)
{
    PosternMilterJudgement *judgement = g_new0(PosternMilterJudgement, 1);
    judgement->put_off = TRUE;
    judgement->problem = g_strdup(reply);
    if (!settings->policy->observe)
        judgement->reply = g_strdup(reply);
    return judgement;
}

static void call_unscannable(PosternFindings *findings, const char *reason)
{
    if (findings->virus.result == POSTERN_VIRUS_INFECTED)
        return;
    findings->virus.result = POSTERN_VIRUS_UNSCANNABLE;
    g_free(findings->virus.reason);
    findings->virus.reason = g_strdup(reason);
}

/* The signature of a body that is not all here would be called broken, and what is clean may not stay so. */
static void reduce_to_beginning(PosternFindings *findings)
{
    g_ptr_array_set_size(findings->dkim, 0);
    findings->dkim_checked = FALSE;
    call_unscannable(findings, "the message is larger than [milter] message_size");
}

PosternMilterJudgement *postern_milter_judgement_new(const PosternMilterSession *session,
                                                     PosternFindings *findings, char *problem)
{
    const PosternMilterTransaction *transaction = session->transaction;
    gboolean required = transaction->settings->configuration->virus.scan;
    gsize length = 0;
    const char *octets = postern_message_octets(transaction->message, &length, NULL);
    g_autoptr(PosternHeader) header = octets != NULL ? postern_header_parse(octets, length) : NULL;
    PosternMilterJudgement *judgement = g_new0(PosternMilterJudgement, 1);

    judgement->problem = problem;
    judgement->findings = findings != NULL ? findings : postern_findings_new();
    if (findings == NULL)
        call_unscannable(judgement->findings, "the inspection did not end in time");
    else if (transaction->extent == POSTERN_MILTER_TOO_BIG)
        reduce_to_beginning(judgement->findings);
    judgement->verdict = postern_verdict_decide(transaction->settings->policy, judgement->findings,
                                                session->envelope, header, required);
    judgement->reply = g_strdup(judgement->verdict->reply);
    return judgement;
}

void postern_milter_judgement_free(PosternMilterJudgement *judgement)
{
    if (judgement == NULL)
        return;
    g_clear_pointer(&judgement->findings, postern_findings_free);
    g_clear_pointer(&judgement->verdict, postern_verdict_free);
    g_free(judgement->reply);
    g_free(judgement->problem);
    g_free(judgement);
}
