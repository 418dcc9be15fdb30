#include "base/limits.h"
#include "base/log.h"
#include "milter/judgement.h"

static void add_session(PosternLogLine *line, const PosternMilterSession *session)
{
    g_autofree char *address = postern_address_to_string(&session->envelope->client);
    postern_log_line_add(line, "session", session->identifier.text);
    postern_log_line_add(line, "client", address);
    postern_log_line_add(line, "name", session->envelope->client_name);
    postern_log_line_add(line, "helo", session->envelope->helo);
    postern_log_line_add(line, "login", session->envelope->login);
}

static void add_envelope(PosternLogLine *line, const PosternMilterSession *session)
{
    const GPtrArray *recipients = session->envelope->recipients;
    g_autofree char *from = g_strdup_printf("<%s>", session->envelope->sender);
    g_autoptr(GString) to = g_string_new(NULL);
    for (guint i = 0; i < recipients->len && to->len < POSTERN_LOG_VALUE_MAX_OCTETS; i++)
        g_string_append_printf(to, "%s<%s>", i > 0 ? "," : "",
                               (const char *)g_ptr_array_index(recipients, i));
    postern_log_line_add(line, "queue", session->queue);
    postern_log_line_add(line, "from", from);
    postern_log_line_add(line, "to", to->str);
    if (session->transaction == NULL)
        return;
    postern_log_line_add_number(line, "recipients", session->transaction->recipients);
    postern_log_line_add_number(line, "size", (gint64)session->transaction->octets);
}

static char *describe_dkim(const PosternFindings *findings)
{
    GString *text = g_string_new(findings->dkim->len == 0 ? "none" : NULL);
    for (guint i = 0; i < findings->dkim->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(findings->dkim, i);
        g_string_append_printf(text, "%s%s:%s", i > 0 ? "," : "", postern_dkim_result_name(finding->result),
                               finding->domain != NULL ? finding->domain : "-");
    }
    return g_string_free(text, FALSE);
}

static void add_findings(PosternLogLine *line, const PosternFindings *findings)
{
    const char *name = findings->virus.name;
    g_autofree char *dkim = describe_dkim(findings);
    g_autofree char *virus =
        g_strconcat(postern_virus_result_name(findings->virus.result), name != NULL ? ":" : NULL, name, NULL);
    postern_log_line_add(line, "spf", postern_spf_result_name(findings->spf.result));
    postern_log_line_add(line, "dkim", dkim);
    postern_log_line_add(line, "virus", virus);
}

static void add_verdict(PosternLogLine *line, const PosternVerdict *verdict)
{
    postern_log_line_add(line, "action", postern_action_name(verdict->action));
    postern_log_line_add(line, "check", verdict->check);
    if (verdict->would != verdict->action) {
        postern_log_line_add(line, "would", postern_action_name(verdict->would));
        postern_log_line_add(line, "would_reply", verdict->would_reply);
    }
}

void postern_milter_judgement_log(const PosternMilterJudgement *judgement,
                                  const PosternMilterSession *session, const char *failure)
{
    PosternLogLine *line = postern_log_line_new("message");
    const char *problem = judgement->problem;
    add_session(line, session);
    add_envelope(line, session);
    if (judgement->findings != NULL)
        add_findings(line, judgement->findings);
    if (problem == NULL && judgement->findings != NULL)
        problem = judgement->findings->virus.reason;
    postern_log_line_add(line, "problem", problem);
    if (judgement->verdict != NULL)
        add_verdict(line, judgement->verdict);
    else
        postern_log_line_add(line, "action", judgement->reply != NULL ? "tempfail" : "accept");
    postern_log_line_add(line, "failure", failure);
    postern_log_line_add(line, "reply", judgement->reply);
    if (session->transaction != NULL)
        postern_log_line_add_number(line, "milliseconds",
                                    (g_get_monotonic_time() - session->transaction->started) / 1000);
    postern_log_line_write(line, POSTERN_LOG_INFO);
}

void postern_milter_session_log(const PosternMilterSession *session)
{
    PosternLogLine *line = postern_log_line_new("session");
    add_session(line, session);
    postern_log_line_add_number(line, "messages", session->messages);
    postern_log_line_add_number(line, "messages_refused", session->messages_refused);
    postern_log_line_add_number(line, "milliseconds", (g_get_monotonic_time() - session->started) / 1000);
    postern_log_line_write(line, POSTERN_LOG_INFO);
}
