#include <string.h>

#include "base/escape.h"
#include "base/limits.h"
#include "scan/result.h"
#include "verdict/check.h"

static const struct {
    const char *name;
    const char *colour;
} actions[] = {
    [POSTERN_SCAN_ACCEPT] = {"ACCEPT", "\033[32m"},
    [POSTERN_SCAN_REJECT] = {"REJECT", "\033[31;1m"},
    [POSTERN_SCAN_TEMPFAIL] = {"TEMPFAIL", "\033[33m"},
    [POSTERN_SCAN_QUARANTINE] = {"QUARANTINE", "\033[35m"},
};

/* "    KEY    value": untrusted text, so escaped. NULL or "" adds nothing. */
static void add_line(gpointer out, const char *key, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return;
    g_string_append_printf(out, "    %-12s ", key);
    postern_escape_append(out, text, strlen(text), POSTERN_LOG_VALUE_MAX_OCTETS);
    g_string_append_c(out, '\n');
}

static void add_envelope(GString *out, const PosternScanResult *result)
{
    const PosternEnvelope *envelope = postern_case_envelope(result->mail_case);
    const GPtrArray *recipients = result->mail_case->envelope->recipients;
    gboolean null_sender = envelope->sender != NULL && envelope->sender[0] == '\0';
    add_line(out, "Client", result->client != NULL ? result->client : "not known");
    add_line(out, "HELO", envelope->helo);
    add_line(out, "Sender", null_sender ? "<>" : envelope->sender != NULL ? envelope->sender : "not known");
    for (guint i = 0; i < recipients->len; i++)
        add_line(out, "Recipient", recipients->pdata[i]);
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
    if (result->no_message)
        add_line(out, "No message", "it is empty, or does not begin with a header field");
    add_envelope(out, result);
    postern_checks_lines(result->findings, verdict, add_line, out);
    add_line(out, "Problem", result->problem);
    add_today(out, result);
    if (result->explanation != NULL)
        g_string_append(out, result->explanation);
    return g_string_free(out, FALSE);
}
