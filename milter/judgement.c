#include "milter/judgement.h"

#include "judge/dmarc.h"

PosternMilterJudgement *postern_milter_judgement_put_off(const PosternMilterSettings *settings,
                                                         const char *reply)
{
    PosternMilterJudgement *judgement = g_new0(PosternMilterJudgement, 1);
    judgement->put_off = TRUE;
    judgement->problem = g_strdup(reply);
    if (!settings->observe)
        judgement->reply = g_strdup(reply);
    return judgement;
}

static void call_unscannable(PosternFindings *findings, PosternVirusKind kind, const char *reason)
{
    g_ptr_array_set_size(findings->signatures.fields, 0);
    g_free(findings->signatures.problem);
    findings->signatures.problem = g_strdup(reason);
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
    postern_dmarc_conclude(findings);
    if (findings->dmarc.result != POSTERN_DMARC_PASS)
        postern_findings_take(findings, unfit, POSTERN_CHECK_DMARC);
    call_unscannable(findings, POSTERN_VIRUS_TOO_LARGE, "the message is larger than [milter] message_size");
}

PosternMilterJudgement *postern_milter_judgement_at_mail(const PosternMilterSession *session,
                                                         PosternFindings *findings)
{
    const PosternMilterChoice *choice = &session->transaction->choice;
    const char *check = NULL;
    char *reply = findings != NULL
                      ? postern_verdict_refuse_at_mail(choice->settings->policies, choice->client_class,
                                                       findings, session->envelope, &check)
                      : NULL;
    if (reply == NULL) {
        postern_findings_free(findings);
        return NULL;
    }
    PosternMilterJudgement *judgement = g_new0(PosternMilterJudgement, 1);
    judgement->findings = findings;
    judgement->check = check;
    judgement->reply = reply;
    return judgement;
}

PosternMilterJudgement *postern_milter_judgement_new(const PosternMilterSession *session,
                                                     PosternFindings *findings, char *problem)
{
    const PosternMilterTransaction *transaction = session->transaction;
    const PosternMilterChoice *choice = &transaction->choice;
    const PosternEnvelope *envelope = postern_milter_choice_envelope(choice, session->envelope);
    gsize length = 0;
    const char *octets = postern_message_octets(transaction->message, &length, NULL);
    g_autoptr(PosternHeader) header = octets != NULL ? postern_header_parse(octets, length) : NULL;
    PosternMilterJudgement *judgement = g_new0(PosternMilterJudgement, 1);

    if (header != NULL) {
        judgement->message_id = postern_header_text(header, "Message-ID");
        judgement->header_from = postern_header_text(header, "From");
    }
    judgement->problem = problem;
    judgement->findings = findings != NULL ? findings : postern_findings_new();
    if (findings == NULL)
        call_unscannable(judgement->findings, POSTERN_VIRUS_SCAN_ERROR, "the inspection did not end in time");
    else if (transaction->extent == POSTERN_MILTER_TOO_BIG)
        reduce_to_beginning(judgement->findings);
    const PosternPolicy policy = postern_milter_choice_policy(choice);
    judgement->verdict = postern_verdict_decide(&policy, judgement->findings, envelope, header);
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
    g_free(judgement->message_id);
    g_free(judgement->header_from);
    g_free(judgement);
}
