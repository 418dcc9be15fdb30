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

static void add_spf(GString *out, const PosternSpfFinding *spf)
{
    if (spf->result == POSTERN_SPF_NOT_CHECKED) {
        add_line(out, "SPF", "not checked: the client's address is not known (--client)");
        return;
    }
    const char *detail = spf->explanation != NULL ? spf->explanation : spf->problem;
    g_autofree char *text = g_strdup_printf(
        "%s (%s %s)%s%s", postern_spf_result_name(spf->result), spf->helo ? "helo" : "mailfrom",
        spf->domain != NULL ? spf->domain : "-", detail != NULL ? ": " : "", detail != NULL ? detail : "");
    add_line(out, "SPF", text);
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

char *postern_scan_result_to_text(const PosternScanResult *result, gboolean colour)
{
    GString *out = g_string_new(NULL);
    postern_escape_append(out, result->path, strlen(result->path), POSTERN_LOG_VALUE_MAX_OCTETS);
    if (result->verdict == NULL) {
        g_string_append_printf(out, ": NOT READ: %s\n", result->error);
        return g_string_free(out, FALSE);
    }
    PosternScanStatus status = postern_scan_result_status(result);
    const PosternVerdict *verdict = result->verdict;
    g_string_append_printf(out, ": %s%s%s%s%s\n", colour ? actions[status].colour : "", actions[status].name,
                           colour ? "\033[0m" : "", verdict->reply != NULL ? " " : "",
                           verdict->reply != NULL ? verdict->reply : "");
    if (verdict->would != verdict->action)
        add_line(out, "Observed",
                 verdict->would_reply != NULL ? verdict->would_reply : postern_action_name(verdict->would));
    add_line(out, "Decided by", verdict->check);
    add_spf(out, &result->findings->spf);
    add_dkim(out, result->findings);
    add_virus(out, &result->findings->virus);
    add_attachments(out, result->findings);
    add_line(out, "MIME", result->findings->mime_problem);
    add_line(out, "Problem", result->problem);
    return g_string_free(out, FALSE);
}
