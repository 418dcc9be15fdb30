#include <string.h>

#include "base/escape.h"
#include "base/limits.h"
#include "proxy/session/private.h"
#include "verdict/check.h"

static const char *const delivery_names[] = {
    [POSTERN_DELIVERY_NONE] = "none",       [POSTERN_DELIVERY_ACCEPTED] = "accepted",
    [POSTERN_DELIVERY_REFUSED] = "refused", [POSTERN_DELIVERY_FAILED] = "failed",
    [POSTERN_DELIVERY_UNKNOWN] = "unknown",
};

const char *postern_session_id(const PosternSession *session)
{
    return session->transaction != NULL ? session->transaction->identifier.text
                                        : session->core.identifier.text;
}

gboolean postern_session_observes(const PosternSession *session)
{
    return session->settings->configuration->proxy.mode == POSTERN_MODE_OBSERVE;
}

void postern_session_would_refuse(PosternSession *session, guint code, const char *enhanced, const char *text)
{
    char **reply =
        session->transaction != NULL ? &session->transaction->would_reply : &session->core.would_reply;
    if (*reply == NULL)
        *reply = g_strdup_printf("%u %s %s", code, enhanced, text);
}

char *postern_session_format_reply(PosternSession *session, guint code, const char *enhanced,
                                   const char *text)
{
    g_autofree char *safe = postern_escape_for_reply(g_strdup(text));
    session->core.refusals += code >= 400;
    if (code < 400)
        return g_strdup_printf("%u %s %s\r\n", code, enhanced, safe);
    if (session->transaction != NULL)
        session->transaction->told = TRUE;
    return g_strdup_printf("%u %s %s [%s]\r\n", code, enhanced, safe, postern_session_id(session));
}

void postern_session_reply(PosternSession *session, guint code, const char *enhanced, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *text = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *reply = postern_session_format_reply(session, code, enhanced, text);
    g_string_append(session->output, reply);
}

void postern_session_error(PosternSession *session, gint64 now, guint code, const char *enhanced,
                           const char *text)
{
    postern_session_reply(session, code, enhanced, "%s", text);
    postern_session_count_error(session, now);
}

void postern_session_count_error(PosternSession *session, gint64 now)
{
    if (++session->core.errors < POSTERN_ERRORS_MAX)
        return;
    postern_session_reply(session, 421, "4.7.0", "Too many errors");
    postern_session_finish(session, "too-many-errors", now);
}

static void add_address(PosternLogLine *line, const char *key, const PosternAddress *address)
{
    g_autofree char *text = postern_address_to_string(address);
    postern_log_line_add(line, key, text);
}

static gboolean is_same_host(const PosternAddress *a, const PosternAddress *b)
{
    return a->family == b->family && postern_address_in_network(a, b, a->family == AF_INET ? 32 : 128);
}

/* client: who is judged. relay: the trusted one that it came through. peer: who has connected, and told of
 * it. */
static void add_client(PosternLogLine *line, const PosternSession *session)
{
    const PosternTransaction *transaction = session->transaction;
    const PosternEnvelope *relay = session->envelope;
    const PosternEnvelope *client =
        transaction != NULL && transaction->origin != NULL ? transaction->origin : relay;
    postern_log_line_add(line, "session", session->core.identifier.text);
    if (transaction != NULL)
        postern_log_line_add(line, "message", transaction->identifier.text);
    add_address(line, "client", &client->client);
    if (client != relay)
        add_address(line, "relay", &relay->client);
    if (!is_same_host(&relay->client, &session->core.peer))
        add_address(line, "peer", &session->core.peer);
    postern_log_line_add(line, "name", client->client_name);
    postern_log_line_add(line, "helo", client->helo);
    postern_log_line_add(line, "login", client->login);
}

void postern_session_log_refusal(PosternSession *session, const PosternRecipient *recipient,
                                 const char *argument, const char *by, const char *reply)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction == NULL || transaction->refusals_logged >= POSTERN_REFUSED_RECIPIENTS_LOGGED_MAX)
        return;
    transaction->refusals_logged++;
    transaction->told = TRUE;
    PosternLogLine *line = postern_log_line_new("recipient");
    g_autofree char *from = g_strdup_printf("<%s>", session->envelope->sender);
    g_autofree char *to =
        recipient->path != NULL ? g_strdup_printf("<%s>", recipient->path) : g_strdup(argument);
    g_autofree char *text = g_strchomp(g_strdup(reply));
    add_client(line, session);
    postern_log_line_add(line, "from", from);
    postern_log_line_add(line, "to", to);
    postern_log_line_add(line, "refused_by", by);
    postern_log_line_add(line, "reply", text);
    postern_session_act(session, POSTERN_SESSION_LOG, NULL, line);
}

/* Those that were refused have lines of their own. */
static void add_recipients(PosternLogLine *line, const PosternTransaction *transaction)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < transaction->recipients->len && text->len < POSTERN_LOG_VALUE_MAX_OCTETS; i++) {
        const PosternRecipient *recipient = g_ptr_array_index(transaction->recipients, i);
        if (recipient->state != POSTERN_RECIPIENT_REFUSED)
            g_string_append_printf(text, "%s<%s>", text->len > 0 ? "," : "", recipient->path);
    }
    if (text->len > 0)
        postern_log_line_add(line, "to", text->str);
    postern_log_line_add_number(line, "recipients", transaction->recipients->len);
    postern_log_line_add_number(line, "recipients_accepted", transaction->accepted);
}

static void add_would(PosternLogLine *line, const char *reply)
{
    if (reply == NULL)
        return;
    postern_log_line_add(line, "would", reply[0] == '5' ? "reject" : "tempfail");
    postern_log_line_add(line, "would_reply", reply);
}

static void add_verdict(PosternLogLine *line, const PosternVerdict *verdict, const char *would_reply)
{
    if (verdict == NULL || verdict->would == verdict->action)
        add_would(line, would_reply);
    if (verdict == NULL)
        return;
    postern_log_line_add(line, "action", postern_action_name(verdict->action));
    postern_log_line_add(line, "check", verdict->check);
    if (verdict->would != verdict->action) {
        postern_log_line_add(line, "would", postern_action_name(verdict->would));
        postern_log_line_add(line, "would_reply", verdict->would_reply);
    }
}

void postern_session_log_message(PosternSession *session, const char *reply, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction == NULL || transaction->logged)
        return;
    transaction->logged = TRUE;
    PosternLogLine *line = postern_log_line_new("message");
    add_client(line, session);
    g_autofree char *from = g_strdup_printf("<%s>", session->envelope->sender);
    postern_log_line_add(line, "class", postern_client_class_name(transaction->client_class));
    if (transaction->policy != NULL && transaction->policy->name[0] != '\0')
        postern_log_line_add(line, "policy", transaction->policy->name);
    if (session->forwarded != NULL)
        postern_log_line_add(line, "queue", session->forwarded->queue);
    postern_log_line_add(line, "from", from);
    add_recipients(line, transaction);
    postern_log_line_add(line, "message_id", transaction->message_id);
    postern_log_line_add(line, "header_from", transaction->header_from);
    if (transaction->message != NULL)
        postern_log_line_add_number(line, "size", (gint64)postern_message_size(transaction->message));
    if (transaction->decoder.long_lines > 0)
        postern_log_line_add_number(line, "long_lines", (gint64)transaction->decoder.long_lines);
    if (transaction->decoder.nul)
        postern_log_line_add(line, "nul", "yes");
    postern_findings_log(transaction->findings, line);
    postern_log_line_add(line, "problem", transaction->problem);
    add_verdict(line, transaction->verdict, transaction->would_reply);
    if (transaction->dsn_dropped)
        postern_log_line_add(line, "dsn", "dropped");
    postern_log_line_add(line, "delivery", delivery_names[transaction->delivery]);
    postern_log_line_add(line, "failure", transaction->failure);
    if (reply != NULL) {
        g_autofree char *text = g_strchomp(g_strdup(reply));
        postern_log_line_add(line, "reply", text);
    }
    postern_log_line_add_number(line, "milliseconds", now - transaction->started);
    postern_session_act(session, POSTERN_SESSION_LOG, NULL, line);
}

void postern_session_log_end(PosternSession *session, gint64 now)
{
    PosternLogLine *line = postern_log_line_new("session");
    add_client(line, session);
    postern_log_line_add(line, "ended", session->ended);
    add_would(line, session->core.would_reply);
    postern_log_line_add_number(line, "messages", session->core.messages);
    postern_log_line_add_number(line, "messages_accepted", session->core.messages_accepted);
    postern_log_line_add_number(line, "commands", session->core.commands);
    postern_log_line_add_number(line, "errors", session->core.errors);
    if (session->core.early_greeting > 0)
        postern_log_line_add_number(line, "early_greeting", session->core.early_greeting);
    if (session->core.early_data > 0)
        postern_log_line_add_number(line, "early_data", session->core.early_data);
    postern_log_line_add_number(line, "octets", (gint64)session->core.octets);
    postern_log_line_add_number(line, "milliseconds", now - session->core.started);
    if (session->core.messages == 0) {
        g_autofree char *client = postern_address_to_string(&session->envelope->client);
        g_autofree char *key = g_strdup_printf("session client=%s ended=%s", client, session->ended);
        postern_log_line_repeats(line, key);
    }
    postern_session_act(session, POSTERN_SESSION_LOG, NULL, line);
}
