#include "judge/findings.h"

const char *postern_spf_result_name(PosternSpfResult result)
{
    static const char *const names[] = {
        [POSTERN_SPF_NOT_CHECKED] = "not_checked",
        [POSTERN_SPF_NONE] = "none",
        [POSTERN_SPF_NEUTRAL] = "neutral",
        [POSTERN_SPF_PASS] = "pass",
        [POSTERN_SPF_FAIL] = "fail",
        [POSTERN_SPF_SOFTFAIL] = "softfail",
        [POSTERN_SPF_TEMPERROR] = "temperror",
        [POSTERN_SPF_PERMERROR] = "permerror",
    };

    return (gsize)result < G_N_ELEMENTS(names) ? names[result] : "unknown";
}

const char *postern_dkim_result_name(PosternDkimResult result)
{
    static const char *const names[] = {
        [POSTERN_DKIM_NONE] = "none",           [POSTERN_DKIM_PASS] = "pass",
        [POSTERN_DKIM_FAIL] = "fail",           [POSTERN_DKIM_POLICY] = "policy",
        [POSTERN_DKIM_NEUTRAL] = "neutral",     [POSTERN_DKIM_TEMPERROR] = "temperror",
        [POSTERN_DKIM_PERMERROR] = "permerror", [POSTERN_DKIM_SKIPPED] = "skipped",
    };

    return (gsize)result < G_N_ELEMENTS(names) ? names[result] : "unknown";
}

const char *postern_virus_result_name(PosternVirusResult result)
{
    static const char *const names[] = {
        [POSTERN_VIRUS_NOT_CHECKED] = "not_checked",
        [POSTERN_VIRUS_CLEAN] = "clean",
        [POSTERN_VIRUS_INFECTED] = "infected",
        [POSTERN_VIRUS_UNSCANNABLE] = "unscannable",
        [POSTERN_VIRUS_ERROR] = "error",
    };

    return (gsize)result < G_N_ELEMENTS(names) ? names[result] : "unknown";
}

PosternDkimFinding *postern_dkim_finding_new(void)
{
    PosternDkimFinding *finding = g_new0(PosternDkimFinding, 1);

    finding->body_covered = -1;
    return finding;
}

void postern_dkim_finding_free(PosternDkimFinding *finding)
{
    if (!finding)
        return;
    g_free(finding->domain);
    g_free(finding->selector);
    g_free(finding->identity);
    g_free(finding->algorithm);
    g_free(finding->signature_start);
    g_free(finding->reason);
    g_free(finding);
}

void postern_attachment_free(PosternAttachment *attachment)
{
    if (!attachment)
        return;
    g_free(attachment->name);
    g_free(attachment->type);
    g_free(attachment);
}

PosternFindings *postern_findings_new(void)
{
    PosternFindings *findings = g_new0(PosternFindings, 1);

    findings->dkim = g_ptr_array_new_with_free_func((GDestroyNotify)postern_dkim_finding_free);
    findings->attachments = g_ptr_array_new_with_free_func((GDestroyNotify)postern_attachment_free);
    return findings;
}

static void clear_spf(PosternSpfFinding *spf)
{
    g_free(spf->domain);
    g_free(spf->explanation);
    g_free(spf->problem);
    *spf = (PosternSpfFinding){POSTERN_SPF_NOT_CHECKED};
}

static void clear_virus(PosternVirusFinding *virus)
{
    g_free(virus->name);
    g_free(virus->reason);
    *virus = (PosternVirusFinding){POSTERN_VIRUS_NOT_CHECKED};
}

void postern_findings_free(PosternFindings *findings)
{
    if (!findings)
        return;
    clear_spf(&findings->spf);
    clear_virus(&findings->virus);
    g_ptr_array_unref(findings->dkim);
    g_ptr_array_unref(findings->attachments);
    g_free(findings->mime_problem);
    g_free(findings);
}

/* Moves all elements of source into array, in the place of those that were there. */
static void take_array(GPtrArray *array, GPtrArray *source)
{
    g_ptr_array_set_size(array, 0);
    while (source->len > 0)
        g_ptr_array_insert(array, 0, g_ptr_array_steal_index(source, source->len - 1));
}

void postern_findings_take(PosternFindings *findings, PosternFindings *source, PosternChecks checks)
{
    if (checks & POSTERN_CHECK_SPF) {
        clear_spf(&findings->spf);
        findings->spf = source->spf;
        source->spf = (PosternSpfFinding){POSTERN_SPF_NOT_CHECKED};
    }
    if (checks & POSTERN_CHECK_DKIM) {
        take_array(findings->dkim, source->dkim);
        findings->dkim_checked = source->dkim_checked;
        source->dkim_checked = FALSE;
    }
    if (checks & POSTERN_CHECK_VIRUS) {
        clear_virus(&findings->virus);
        findings->virus = source->virus;
        source->virus = (PosternVirusFinding){POSTERN_VIRUS_NOT_CHECKED};
    }
    if (checks & POSTERN_CHECK_CONTENT) {
        take_array(findings->attachments, source->attachments);
        findings->attachment_count = source->attachment_count;
        source->attachment_count = 0;
        g_free(findings->mime_problem);
        findings->mime_problem = g_steal_pointer(&source->mime_problem);
    }
}
