#include <string.h>

#include "base/escape.h"
#include "base/limits.h"
#include "scan/result.h"

static const struct {
    const char *name;
    const char *colour;
} actions[] = {
    [POSTERN_SCAN_ACCEPT] = {"ACCEPT", "\033[32m"},
    [POSTERN_SCAN_REJECT] = {"REJECT", "\033[31;1m"},
    [POSTERN_SCAN_TEMPFAIL] = {"TEMPFAIL", "\033[33m"},
    [POSTERN_SCAN_QUARANTINE] = {"QUARANTINE", "\033[35m"},
};

/* "    KEY    value": text of strangers, so escaped. NULL or "" adds nothing. */
static void add_line(GString *out, const char *key, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    g_string_append_printf(out, "    %-12s ", key);
    postern_escape_append(out, text, strlen(text), POSTERN_LOG_VALUE_MAX_OCTETS);
    g_string_append_c(out, '\n');
}

static void add_spf_result(GString *out, const PosternSpfFinding *spf)
{
    const char *detail = spf->explanation != NULL ? spf->explanation : spf->problem;
    g_autofree char *text = g_strdup_printf(
        "%s (%s %s)%s%s", postern_spf_result_name(spf->result), spf->helo ? "helo" : "mailfrom",
        spf->domain != NULL ? spf->domain : "-", detail != NULL ? ": " : "", detail != NULL ? detail : "");
    add_line(out, "SPF", text);
}

static void add_spf(GString *out, const PosternFindings *findings)
{
    if (findings->spf.result == POSTERN_SPF_NOT_CHECKED)
        add_line(out, "SPF", "not checked: the client is not known (--client, or a Received field)");
    else
        add_spf_result(out, &findings->spf);
    if (findings->spf_helo.result != POSTERN_SPF_NOT_CHECKED)
        add_spf_result(out, &findings->spf_helo);
}

static void add_dkim(GString *out, const PosternFindings *findings)
{
    if (findings->dkim_checked && findings->dkim->len == 0)
        add_line(out, "DKIM", "none: no signature");
    for (guint i = 0; i < findings->dkim->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(findings->dkim, i);
        g_autofree char *text = g_strdup_printf(
            "%s %s (selector %s, %s)%s%s", postern_dkim_result_name(finding->result),
            finding->domain != NULL ? finding->domain : "-",
            finding->selector != NULL ? finding->selector : "-",
            finding->algorithm != NULL ? finding->algorithm : "-", finding->reason != NULL ? ": " : "",
            finding->reason != NULL ? finding->reason : "");
        add_line(out, "DKIM", text);
    }
}

static void add_dmarc(GString *out, const PosternDmarcFinding *dmarc, const PosternVerdict *verdict)
{
    const PosternDmarcAuthor *author = dmarc->decisive;
    if (dmarc->result == POSTERN_DMARC_NOT_CHECKED)
        return;
    if (author == NULL && dmarc->authors->len > 0)
        author = g_ptr_array_index(dmarc->authors, 0);
    g_autoptr(GString) text = g_string_new(postern_dmarc_result_name(dmarc->result));
    if (author != NULL)
        g_string_append_printf(text, " %s", author->domain);
    if (author != NULL && author->record_domain != NULL)
        g_string_append_printf(text, " (policy %s of %s%s)", postern_dmarc_policy_name(author->policy),
                               author->record_domain, author->testing ? ", testing" : "");
    if (dmarc->result == POSTERN_DMARC_FAIL)
        g_string_append_printf(text, ", disposition %s", verdict->disposition);
    if (verdict->arc_override)
        g_string_append(text, ", overridden by ARC");
    if (dmarc->problem != NULL)
        g_string_append_printf(text, ": %s", dmarc->problem);
    add_line(out, "DMARC", text->str);
}

static void add_arc(GString *out, const PosternArcFinding *arc)
{
    if (arc->result == POSTERN_ARC_NOT_CHECKED || arc->result == POSTERN_ARC_NONE)
        return;
    const PosternArcSet *newest =
        arc->sets->len > 0 ? g_ptr_array_index(arc->sets, arc->sets->len - 1) : NULL;
    g_autoptr(GString) text = g_string_new(postern_arc_result_name(arc->result));
    if (newest != NULL)
        g_string_append_printf(text, ": %u sets, the newest of %s", arc->sets->len, newest->sealer);
    if (arc->reason != NULL)
        g_string_append_printf(text, ": %s", arc->reason);
    add_line(out, "ARC", text->str);
}

static void add_attachments(GString *out, const PosternFindings *findings)
{
    for (guint i = 0; i < findings->attachments->len; i++) {
        const PosternAttachment *attachment = g_ptr_array_index(findings->attachments, i);
        g_autofree char *text =
            g_strdup_printf("%s (%s, %" G_GUINT64_FORMAT " octets)",
                            attachment->name != NULL ? attachment->name : "without a name", attachment->type,
                            attachment->size);
        add_line(out, "Attachment", text);
    }
    if (findings->attachment_count > findings->attachments->len) {
        g_autofree char *text =
            g_strdup_printf("and %u more", findings->attachment_count - findings->attachments->len);
        add_line(out, "Attachment", text);
    }
}

static void add_virus(GString *out, const PosternVirusFinding *virus)
{
    const char *detail = virus->name != NULL ? virus->name : virus->reason;
    if (virus->result == POSTERN_VIRUS_NOT_CHECKED)
        return;
    g_autofree char *text =
        g_strconcat(postern_virus_result_name(virus->result), detail != NULL ? ": " : NULL, detail, NULL);
    add_line(out, "Virus", text);
}

static void add_today(GString *out, const PosternScanResult *result)
{
    if (result->today == NULL)
        return;
    const PosternVirusFinding *virus = &result->today->virus;
    const PosternVerdict *verdict = result->today_verdict;
    const char *detail = virus->name != NULL ? virus->name : virus->reason;
    g_autofree char *text = g_strdup_printf(
        "%s%s%s: %s the recorded scan; the verdict of today: %s%s%s",
        postern_virus_result_name(virus->result), detail != NULL ? ": " : "", detail != NULL ? detail : "",
        result->today_differs ? "DIFFERS from" : "the same as", postern_action_name(verdict->action),
        verdict->reply != NULL ? " " : "", verdict->reply != NULL ? verdict->reply : "");
    add_line(out, "Virus today", text);
}

char *postern_scan_result_to_text(const PosternScanResult *result, gboolean colour)
{
    GString *out = g_string_new(NULL);
    postern_escape_append(out, result->path, strlen(result->path), POSTERN_LOG_VALUE_MAX_OCTETS);
    if (result->verdict == NULL) {
        g_string_append_printf(out, ": NOT READ: %s\n", result->error);
        return g_string_free(out, FALSE);
    }
    const PosternVerdict *verdict = result->verdict;
    PosternScanStatus status = postern_scan_verdict_status(verdict);
    g_string_append_printf(out, ": %s%s%s%s%s\n", colour ? actions[status].colour : "", actions[status].name,
                           colour ? "\033[0m" : "", verdict->reply != NULL ? " " : "",
                           verdict->reply != NULL ? verdict->reply : "");
    if (verdict->would != verdict->action)
        add_line(out, "Observed",
                 verdict->would_reply != NULL ? verdict->would_reply : postern_action_name(verdict->would));
    add_line(out, "Decided by", verdict->check);
    add_line(out, "Client", result->client);
    add_spf(out, result->findings);
    add_dkim(out, result->findings);
    add_dmarc(out, &result->findings->dmarc, verdict);
    add_arc(out, &result->findings->arc);
    add_virus(out, &result->findings->virus);
    add_attachments(out, result->findings);
    add_line(out, "MIME", result->findings->mime_problem);
    add_line(out, "Problem", result->problem);
    add_today(out, result);
    if (result->explanation != NULL)
        g_string_append(out, result->explanation);
    return g_string_free(out, FALSE);
}
