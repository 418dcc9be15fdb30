#include "tally/evaluation.h"

#include <string.h>

#include "checks/dmarc/conclude.h"

gboolean postern_tally_is_aligned(const PosternTallyEvaluation *evaluation, const char *domain,
                                  gboolean strict)
{
    gboolean temporary;
    return domain != NULL && *domain != '\0' &&
           postern_dmarc_is_aligned(&evaluation->findings->dmarc, evaluation->author, domain, strict,
                                    &temporary);
}

PosternTallyEvaluation postern_tally_evaluate(const PosternFindings *findings)
{
    PosternTallyEvaluation evaluation = {.findings = findings, .author = findings->dmarc.decisive};
    evaluation.spf =
        findings->spf.result == POSTERN_SPF_PASS &&
        postern_tally_is_aligned(&evaluation, findings->spf.domain, evaluation.author->strict_spf);
    for (guint i = 0; i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *signature = g_ptr_array_index(findings->dkim.signatures, i);
        evaluation.dkim = evaluation.dkim || (signature->result == POSTERN_DKIM_PASS &&
                                              postern_tally_is_aligned(&evaluation, signature->domain,
                                                                       evaluation.author->strict_dkim));
    }
    return evaluation;
}

static gboolean is_from_elsewhere(const PosternCase *mail_case, const PosternFindings *findings)
{
    const PosternDmarcFinding *dmarc = &findings->dmarc;
    gboolean from_elsewhere =
        mail_case->client_class == POSTERN_CLIENT_OTHER ||
        (mail_case->client_class == POSTERN_CLIENT_TRUSTED_RELAY && mail_case->origin != NULL);
    gboolean evaluated = dmarc->result == POSTERN_DMARC_PASS || dmarc->result == POSTERN_DMARC_FAIL ||
                         dmarc->result == POSTERN_DMARC_TEMPERROR || dmarc->result == POSTERN_DMARC_PERMERROR;
    const PosternPolicy policy = postern_case_policy(mail_case);
    return from_elsewhere && evaluated && mail_case->verdict != NULL && dmarc->decisive != NULL &&
           dmarc->decisive->record_domain != NULL && (policy.checks & POSTERN_CHECK_DMARC) != 0;
}

static gboolean is_our_report(const PosternCase *mail_case, const PosternFindings *findings,
                              const char *reporter)
{
    const char *from = mail_case->header_from;
    gsize length = from != NULL ? strlen(from) : 0, reporter_length = strlen(reporter);
    if (findings->dmarc.result != POSTERN_DMARC_PASS || reporter_length == 0 || from == NULL)
        return FALSE;
    gboolean bracketed = length > 0 && from[length - 1] == '>';
    gsize end = length - (bracketed ? 1 : 0);
    if (end < reporter_length || g_ascii_strncasecmp(from + end - reporter_length, reporter, reporter_length))
        return FALSE;
    return end == reporter_length || from[end - reporter_length - 1] == (bracketed ? '<' : ' ');
}

gboolean postern_tally_is_reported(const PosternCase *mail_case, const PosternFindings *findings,
                                   const char *reporter)
{
    return is_from_elsewhere(mail_case, findings) && !is_our_report(mail_case, findings, reporter);
}
