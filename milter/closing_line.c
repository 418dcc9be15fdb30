#include "base/limits.h"
#include "base/log.h"
#include "milter/outcome.h"
#include "verdict/check.h"

static void add_session(PosternLogLine *line, const PosternMilterSession *session)
{
    g_autofree char *address = postern_address_to_string(&session->envelope->client);
    postern_log_line_add(line, "session", session->identifier.text);
    if (session->message.text[0] != '\0')
        postern_log_line_add(line, "message", session->message.text);
    postern_log_line_add(line, "client", address);
    postern_log_line_add(line, "name", session->envelope->client_name);
    postern_log_line_add(line, "helo", session->envelope->helo);
    postern_log_line_add(line, "tls", session->tls);
    postern_log_line_add(line, "login", session->envelope->login);
}

static void add_choice(PosternLogLine *line, const PosternMilterPolicyMatch *choice)
{
    g_autofree char *origin =
        choice->origin != NULL ? postern_address_to_string(&choice->origin->client) : NULL;
    postern_log_line_add(line, "class", postern_client_class_name(choice->client_class));
    postern_log_line_add(line, "origin", origin);
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
    add_choice(line, &session->transaction->choice);
    postern_log_line_add_number(line, "recipients", session->transaction->recipients);
    postern_log_line_add_number(line, "size", (gint64)session->transaction->octets);
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

/* Without a verdict on the message: at MAIL, or put off. */
static void add_refusal(PosternLogLine *line, const PosternMilterOutcome *outcome)
{
    PosternAction action = POSTERN_ACTION_ACCEPT;
    if (outcome->reply != NULL)
        action = outcome->reply[0] == '5' ? POSTERN_ACTION_REJECT : POSTERN_ACTION_TEMPFAIL;
    postern_log_line_add(line, "action", postern_action_name(action));
    if (outcome->deferred && outcome->reply == NULL) {
        postern_log_line_add(line, "would", postern_action_name(POSTERN_ACTION_TEMPFAIL));
        postern_log_line_add(line, "would_reply", outcome->problem);
    }
    postern_log_line_add(line, "check", outcome->check);
}

void postern_milter_outcome_log(const PosternMilterOutcome *outcome, const PosternMilterSession *session,
                                const char *failure)
{
    PosternLogLine *line = postern_log_line_new("message");
    const char *problem = outcome->problem;
    add_session(line, session);
    add_envelope(line, session);
    postern_log_line_add(line, "message_id", outcome->message_id);
    postern_log_line_add(line, "header_from", outcome->header_from);
    g_auto(GStrv) words = outcome->findings != NULL ? postern_findings_words(outcome->findings) : NULL;
    postern_findings_log(words, line);
    if (problem == NULL && outcome->findings != NULL)
        problem = outcome->findings->virus.reason;
    postern_log_line_add(line, "problem", problem);
    if (outcome->verdict != NULL)
        add_verdict(line, outcome->verdict);
    else
        add_refusal(line, outcome);
    postern_log_line_add(line, "failure", failure);
    postern_log_line_add(line, "reply", outcome->reply);
    if (session->transaction != NULL)
        postern_log_line_add_number(line, "milliseconds",
                                    (g_get_monotonic_time() - session->transaction->started) / 1000);
    postern_log_line_write(line, POSTERN_LOG_INFO);
}

void postern_milter_refusal_log(const PosternMilterSession *session, const char *recipient, const char *reply)
{
    PosternLogLine *line = postern_log_line_new("recipient");
    g_autofree char *from = g_strdup_printf("<%s>", session->envelope->sender);
    g_autofree char *to = g_strdup_printf("<%s>", recipient);
    add_session(line, session);
    postern_log_line_add(line, "from", from);
    postern_log_line_add(line, "to", to);
    postern_log_line_add(line, "refused_by", "milter");
    postern_log_line_add(line, "reply", reply);
    postern_log_line_write(line, POSTERN_LOG_INFO);
}

void postern_milter_session_log(const PosternMilterSession *session)
{
    PosternLogLine *line = postern_log_line_new("session");
    add_session(line, session);
    postern_log_line_add(line, "server", session->server);
    postern_log_line_add(line, "daemon", session->daemon);
    postern_log_line_add_number(line, "messages", session->messages);
    postern_log_line_add_number(line, "messages_refused", session->messages_refused);
    postern_log_line_add_number(line, "milliseconds", (g_get_monotonic_time() - session->started) / 1000);
    if (session->messages == 0) {
        g_autofree char *client = postern_address_to_string(&session->envelope->client);
        g_autofree char *key = g_strdup_printf("session client=%s messages=0", client);
        postern_log_line_repeats(line, key);
    }
    postern_log_line_write(line, POSTERN_LOG_INFO);
}
