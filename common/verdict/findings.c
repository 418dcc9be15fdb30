#include "verdict/findings.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"

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

const char *postern_dmarc_result_name(PosternDmarcResult result)
{
    static const char *const names[] = {
        [POSTERN_DMARC_NOT_CHECKED] = "not_checked",
        [POSTERN_DMARC_NONE] = "none",
        [POSTERN_DMARC_PASS] = "pass",
        [POSTERN_DMARC_FAIL] = "fail",
        [POSTERN_DMARC_TEMPERROR] = "temperror",
        [POSTERN_DMARC_PERMERROR] = "permerror",
    };

    return (gsize)result < G_N_ELEMENTS(names) ? names[result] : "unknown";
}

const char *postern_dmarc_policy_name(PosternDmarcPolicy policy)
{
    static const char *const names[] = {
        [POSTERN_DMARC_POLICY_NONE] = "none",
        [POSTERN_DMARC_POLICY_QUARANTINE] = "quarantine",
        [POSTERN_DMARC_POLICY_REJECT] = "reject",
    };

    return (gsize)policy < G_N_ELEMENTS(names) ? names[policy] : "unknown";
}

const char *postern_arc_result_name(PosternArcResult result)
{
    static const char *const names[] = {
        [POSTERN_ARC_NOT_CHECKED] = "not_checked",
        [POSTERN_ARC_NONE] = "none",
        [POSTERN_ARC_PASS] = "pass",
        [POSTERN_ARC_FAIL] = "fail",
        [POSTERN_ARC_TEMPERROR] = "temperror",
    };

    return (gsize)result < G_N_ELEMENTS(names) ? names[result] : "unknown";
}

const char *postern_check_name(PosternChecks check)
{
    static const char *const names[] = {"spf",   "dkim", "virus", "content",
                                        "dmarc", "arc",  "sign",  "spf_helo"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        if ((guint)check == 1u << i)
            return names[i];
    return NULL;
}

/* The more telling first. */
static guint telling_of(const PosternDkimFinding *finding)
{
    return finding->result == POSTERN_DKIM_PASS ? 0 : finding->result == POSTERN_DKIM_SKIPPED ? 2 : 1;
}

GPtrArray *postern_findings_listed_signatures(const PosternFindings *findings)
{
    GPtrArray *listed = g_ptr_array_new();
    gboolean all = findings->dkim->len <= POSTERN_DKIM_SIGNATURES_LISTED_MAX;

    for (guint telling = 0; telling < 3; telling++)
        for (guint i = 0; i < findings->dkim->len; i++) {
            PosternDkimFinding *finding = g_ptr_array_index(findings->dkim, i);

            if ((all ? telling == 0 : telling_of(finding) == telling) &&
                listed->len < POSTERN_DKIM_SIGNATURES_LISTED_MAX)
                g_ptr_array_add(listed, finding);
        }
    return listed;
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

void postern_dmarc_author_free(PosternDmarcAuthor *author)
{
    if (!author)
        return;
    g_free(author->domain);
    g_free(author->record_domain);
    g_free(author->organizational);
    g_free(author);
}

void postern_dmarc_organization_free(PosternDmarcOrganization *organization)
{
    if (!organization)
        return;
    g_free(organization->domain);
    g_free(organization->organizational);
    g_free(organization);
}

void postern_arc_set_free(PosternArcSet *set)
{
    if (!set)
        return;
    g_free(set->sealer);
    g_free(set->selector);
    g_free(set->dmarc);
    g_free(set->dmarc_domain);
    g_free(set);
}

static void step_free(gpointer data)
{
    PosternStep *step = data;

    g_free(step->text);
    g_free(step);
}

PosternFindings *postern_findings_new(void)
{
    PosternFindings *findings = g_new0(PosternFindings, 1);

    findings->dkim = g_ptr_array_new_with_free_func((GDestroyNotify)postern_dkim_finding_free);
    findings->attachments = g_ptr_array_new_with_free_func((GDestroyNotify)postern_attachment_free);
    findings->dmarc.authors = g_ptr_array_new_with_free_func((GDestroyNotify)postern_dmarc_author_free);
    findings->dmarc.organizations =
        g_ptr_array_new_with_free_func((GDestroyNotify)postern_dmarc_organization_free);
    findings->arc.sets = g_ptr_array_new_with_free_func((GDestroyNotify)postern_arc_set_free);
    findings->signatures.fields = g_ptr_array_new_with_free_func(g_free);
    findings->steps = g_ptr_array_new_with_free_func(step_free);
    return findings;
}

static void clear_spf(PosternSpfFinding *spf)
{
    g_free(spf->domain);
    g_free(spf->explanation);
    g_free(spf->problem);
    *spf = (PosternSpfFinding){POSTERN_SPF_NOT_CHECKED};
}

void postern_findings_free(PosternFindings *findings)
{
    if (!findings)
        return;
    clear_spf(&findings->spf);
    clear_spf(&findings->spf_helo);
    postern_virus_finding_clear(&findings->virus);
    g_ptr_array_unref(findings->dkim);
    g_ptr_array_unref(findings->attachments);
    g_free(findings->mime_problem);
    g_ptr_array_unref(findings->dmarc.authors);
    g_ptr_array_unref(findings->dmarc.organizations);
    g_free(findings->dmarc.problem);
    g_ptr_array_unref(findings->arc.sets);
    g_free(findings->arc.reason);
    g_ptr_array_unref(findings->signatures.fields);
    g_free(findings->signatures.domain);
    g_free(findings->signatures.problem);
    g_free(findings->signatures.unsigned_reason);
    g_ptr_array_unref(findings->steps);
    g_free(findings);
}

void postern_findings_step(PosternFindings *findings, guint check, const char *format, ...)
{
    va_list arguments;

    if (!findings->explain || findings->steps->len >= POSTERN_STEPS_MAX)
        return;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    PosternStep *step = g_new0(PosternStep, 1);

    if (strlen(text) > POSTERN_STEP_MAX_OCTETS)
        text[POSTERN_STEP_MAX_OCTETS] = '\0';
    step->check = check;
    step->text = postern_escape_for_reply(g_steal_pointer(&text));
    g_ptr_array_add(findings->steps, step);
}

/* Moves all elements of source into array, in the place of those that were there. */
static void take_array(GPtrArray *array, GPtrArray *source)
{
    g_ptr_array_set_size(array, 0);
    while (source->len > 0)
        g_ptr_array_insert(array, 0, g_ptr_array_steal_index(source, source->len - 1));
}

static void take_text(char **text, char **source)
{
    g_free(*text);
    *text = g_steal_pointer(source);
}

static void take_dmarc(PosternDmarcFinding *dmarc, PosternDmarcFinding *source)
{
    take_array(dmarc->authors, source->authors);
    take_array(dmarc->organizations, source->organizations);
    take_text(&dmarc->problem, &source->problem);
    dmarc->from_invalid = source->from_invalid;
    dmarc->from_missing = source->from_missing;
    dmarc->no_author = source->no_author;
    dmarc->ambiguous = source->ambiguous;
    dmarc->result = source->result;
    dmarc->decisive = source->decisive;
    source->from_invalid = source->from_missing = source->no_author = FALSE;
    source->result = POSTERN_DMARC_NOT_CHECKED;
    source->ambiguous = FALSE;
    source->decisive = NULL;
}

static void take_arc(PosternArcFinding *arc, PosternArcFinding *source)
{
    take_array(arc->sets, source->sets);
    take_text(&arc->reason, &source->reason);
    arc->result = source->result;
    source->result = POSTERN_ARC_NOT_CHECKED;
}

/* The steps of checks, in the place of those that were there. */
static void take_steps(GPtrArray *steps, GPtrArray *source, guint checks)
{
    for (guint i = steps->len; i > 0; i--)
        if (((const PosternStep *)g_ptr_array_index(steps, i - 1))->check & checks)
            g_ptr_array_remove_index(steps, i - 1);
    for (guint i = 0; i < source->len;)
        if (((const PosternStep *)g_ptr_array_index(source, i))->check & checks)
            g_ptr_array_add(steps, g_ptr_array_steal_index(source, i));
        else
            i++;
}

static void take_spf(PosternSpfFinding *spf, PosternSpfFinding *source)
{
    clear_spf(spf);
    *spf = *source;
    *source = (PosternSpfFinding){POSTERN_SPF_NOT_CHECKED};
}

void postern_findings_take(PosternFindings *findings, PosternFindings *source, PosternChecks checks)
{
    if (checks & POSTERN_CHECK_SPF)
        take_spf(&findings->spf, &source->spf);
    if (checks & POSTERN_CHECK_SPF_HELO)
        take_spf(&findings->spf_helo, &source->spf_helo);
    if (checks & POSTERN_CHECK_DKIM) {
        take_array(findings->dkim, source->dkim);
        findings->dkim_checked = source->dkim_checked;
        source->dkim_checked = FALSE;
    }
    if (checks & POSTERN_CHECK_VIRUS) {
        postern_virus_finding_clear(&findings->virus);
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
    if (checks & POSTERN_CHECK_DMARC)
        take_dmarc(&findings->dmarc, &source->dmarc);
    if (checks & POSTERN_CHECK_ARC)
        take_arc(&findings->arc, &source->arc);
    if (checks & POSTERN_CHECK_SIGN) {
        take_array(findings->signatures.fields, source->signatures.fields);
        take_text(&findings->signatures.domain, &source->signatures.domain);
        take_text(&findings->signatures.problem, &source->signatures.problem);
        take_text(&findings->signatures.unsigned_reason, &source->signatures.unsigned_reason);
    }
    findings->not_run = (findings->not_run & ~(guint)checks) | (source->not_run & (guint)checks);
    source->not_run &= ~(guint)checks;
    take_steps(findings->steps, source->steps, checks);
}
