#include "verdict/record.h"

#include <string.h>

#include "base/limits.h"
#include "base/log.h"

#define RESULT_MAX_OCTETS 20

static const char *const delivery_names[] = {
    [POSTERN_DELIVERY_NONE] = "none",       [POSTERN_DELIVERY_ACCEPTED] = "accepted",
    [POSTERN_DELIVERY_REFUSED] = "refused", [POSTERN_DELIVERY_FAILED] = "failed",
    [POSTERN_DELIVERY_PARTIAL] = "partial", [POSTERN_DELIVERY_UNKNOWN] = "unknown",
};

typedef struct {
    PosternRecordField field;
    gpointer user_data;
} Teller;

static void tell(const Teller *teller, const char *key, const char *text)
{
    if (text != NULL)
        teller->field(key, text, 0, teller->user_data);
}

static void tell_number(const Teller *teller, const char *key, gint64 number)
{
    if (number >= 0)
        teller->field(key, NULL, number, teller->user_data);
}

static void tell_address(const Teller *teller, const char *key, const PosternAddress *address)
{
    g_autofree char *text = address != NULL ? postern_address_to_string(address) : NULL;
    tell(teller, key, text);
}

static void tell_path(const Teller *teller, const char *key, const char *path)
{
    g_autofree char *text = path != NULL ? g_strdup_printf("<%s>", path) : NULL;
    tell(teller, key, text);
}

static void tell_client(const Teller *teller, const PosternRecordClient *who)
{
    const PosternEnvelope *shown = who->names_origin && who->relay != NULL ? who->relay : who->envelope;
    tell(teller, "session", who->session);
    tell(teller, "message", who->message);
    tell_address(teller, "client", &shown->client);
    if (shown != who->envelope)
        tell_address(teller, "origin", &who->envelope->client);
    else if (who->relay != NULL)
        tell_address(teller, "relay", &who->relay->client);
    tell_address(teller, "peer", who->peer);
    tell(teller, "name", shown->client_name);
    tell(teller, "helo", shown->helo);
    tell(teller, "tls", who->tls);
    tell(teller, "tls_name", who->tls_name);
    tell(teller, "tls_client", who->tls_client);
    tell(teller, "tls_resumed", who->tls_resumed ? "yes" : NULL);
    tell(teller, "login", shown->login);
}

static void tell_recipients(const Teller *teller, const PosternRecord *record)
{
    if (record->to != NULL) {
        g_autoptr(GString) text = g_string_new(NULL);
        for (guint i = 0; i < record->to->len && text->len < POSTERN_LOG_VALUE_MAX_OCTETS; i++)
            g_string_append_printf(text, "%s<%s>", i > 0 ? "," : "",
                                   (const char *)g_ptr_array_index(record->to, i));
        tell(teller, "to", text->str);
    }
    tell_number(teller, "recipients", record->recipients);
    tell_number(teller, "recipients_accepted", record->recipients_accepted);
}

/* What the header and the octets say. */
static void tell_message(const Teller *teller, const PosternRecord *record)
{
    tell(teller, "message_id", record->message_id);
    tell(teller, "header_from", record->header_from);
    tell(teller, "subject", record->subject);
    tell_number(teller, "size", record->size);
    if (record->long_lines > 0)
        tell_number(teller, "long_lines", (gint64)record->long_lines);
    if (record->nul)
        tell(teller, "nul", "yes");
    for (char *const *word = record->findings; word != NULL && *word != NULL; word += 2)
        tell(teller, word[0], word[1]);
    tell(teller, "problem", record->problem);
}

static void tell_action(const Teller *teller, const PosternRecord *record)
{
    if (record->decided) {
        tell(teller, "action", postern_action_name(record->action));
        tell(teller, "check", record->check);
    }
    if (record->would != record->action) {
        tell(teller, "would", postern_action_name(record->would));
        tell(teller, "would_reply", record->would_reply);
    }
}

void postern_record_tell(const PosternRecord *record, PosternRecordField field, gpointer user_data)
{
    const Teller teller = {field, user_data};
    tell_client(&teller, &record->who);
    if (record->judged) {
        tell(&teller, "class", postern_client_class_name(record->client_class));
        if (record->policy != NULL && record->policy[0] != '\0')
            tell(&teller, "policy", record->policy);
    }
    tell(&teller, "queue", record->queue);
    tell_path(&teller, "from", record->sender);
    tell_recipients(&teller, record);
    tell_message(&teller, record);
    tell_action(&teller, record);
    if (record->dsn_dropped)
        tell(&teller, "dsn", "dropped");
    if (record->delivery != POSTERN_DELIVERY_NOT_OURS)
        tell(&teller, "delivery", delivery_names[record->delivery]);
    tell(&teller, "server", record->server);
    tell(&teller, "server_queue", record->server_queue);
    if (record->backend_wait > 0)
        tell_number(&teller, "backend_wait", record->backend_wait);
    tell(&teller, "server_tls", record->server_tls);
    tell(&teller, "failure", record->failure);
    tell(&teller, "reply", record->reply);
    if (record->times != NULL) {
        tell_number(&teller, "data_ms", record->times->data);
        tell_number(&teller, "verdict_ms", record->times->verdict);
        tell_number(&teller, "server_ms", record->times->server);
    }
    tell_number(&teller, "milliseconds", record->milliseconds);
}

static void add_field(const char *key, const char *text, gint64 number, gpointer user_data)
{
    if (text != NULL)
        postern_log_line_add(user_data, key, text);
    else
        postern_log_line_add_number(user_data, key, number);
}

static void count(PosternCounters *counters, const char *name, gint64 number)
{
    if (number > 0)
        postern_counters_add(counters, name, NULL, (guint64)number);
}

/* words: of postern_findings_words(), whose values begin with the result; what follows is untrusted text. */
static void count_findings(char *const *words, PosternCounters *counters)
{
    for (; words != NULL && *words != NULL; words += 2) {
        gsize length = strspn(words[1], "abcdefghijklmnopqrstuvwxyz_");
        gboolean is_result = length > 0 && length <= RESULT_MAX_OCTETS &&
                             (words[1][length] == '\0' || words[1][length] == ':' || words[1][length] == ',');
        g_autofree char *label =
            g_strdup_printf("%s:%.*s", words[0], is_result ? (int)length : 5, is_result ? words[1] : "found");
        postern_counters_add(counters, "verdicts", label, 1);
    }
}

const char *postern_record_tls_version(const char *tls)
{
    static const char *const versions[] = {"TLSv1.3", "TLSv1.2", "TLSv1.1", "TLSv1"};
    gsize length = tls != NULL ? strcspn(tls, " ") : 0;
    for (gsize i = 0; i < G_N_ELEMENTS(versions); i++)
        if (length == strlen(versions[i]) && memcmp(tls, versions[i], length) == 0)
            return versions[i];
    return tls != NULL ? "other" : "none";
}

static void count_message(const PosternRecord *record, PosternCounters *counters)
{
    count(counters, "messages", 1);
    count(counters, "octets", record->size);
    count(counters, "recipients", record->recipients);
    count(counters, "recipients_accepted", record->recipients_accepted);
    if (counters != NULL)
        count_findings(record->findings, counters);
    postern_counters_time(counters, POSTERN_LATENCY_MESSAGE, record->milliseconds);
    if (record->times != NULL) {
        postern_counters_time(counters, POSTERN_LATENCY_VERDICT, record->times->verdict);
        postern_counters_time(counters, POSTERN_LATENCY_SERVER, record->times->server);
    }
    if (record->decided)
        postern_counters_add(counters, "actions", postern_action_name(record->action), 1);
    if (record->would != record->action)
        postern_counters_add(counters, "observed", postern_action_name(record->would), 1);
    if (record->check != NULL)
        postern_counters_add(counters, "checks", record->check, 1);
    if (record->judged)
        postern_counters_add(counters, "classes", postern_client_class_name(record->client_class), 1);
    if (record->delivery != POSTERN_DELIVERY_NOT_OURS)
        postern_counters_add(counters, "deliveries", delivery_names[record->delivery], 1);
    postern_counters_add(counters, "client_tls", postern_record_tls_version(record->who.tls), 1);
    if (record->server != NULL)
        postern_counters_add(counters, "server_tls", postern_record_tls_version(record->server_tls), 1);
}

static gboolean is_refusal(const PosternRecord *record)
{
    return (record->decided && record->action >= POSTERN_ACTION_QUARANTINE) ||
           record->would != record->action || record->delivery == POSTERN_DELIVERY_REFUSED ||
           record->delivery == POSTERN_DELIVERY_FAILED || record->delivery == POSTERN_DELIVERY_UNKNOWN;
}

/* line, or NULL if the log takes none; a refusal is remembered in any case. */
static PosternLogLine *finish(PosternLogLine *line, PosternCounters *counters, gboolean refusal)
{
    if (refusal && postern_counters_remembers(counters))
        postern_counters_remember(counters, postern_log_line_text(line));
    if (postern_log_enabled(POSTERN_LOG_INFO))
        return line;
    postern_log_line_free(line);
    return NULL;
}

static gboolean is_wanted(PosternCounters *counters, gboolean refusal)
{
    return postern_log_enabled(POSTERN_LOG_INFO) || (refusal && postern_counters_remembers(counters));
}

PosternLogLine *postern_record_close(const PosternRecord *record, PosternCounters *counters)
{
    gboolean refusal = is_refusal(record);
    count_message(record, counters);
    if (!is_wanted(counters, refusal))
        return NULL;
    PosternLogLine *line = postern_log_line_new("message");
    postern_record_tell(record, add_field, line);
    return finish(line, counters, refusal);
}

PosternLogLine *postern_recipient_line(const PosternRecordClient *who, PosternCounters *counters,
                                       const char *sender, const char *to, const char *refused_by,
                                       const char *reply)
{
    gboolean refused = refused_by != NULL;
    if (refused)
        postern_counters_add(counters, "recipients_refused", refused_by, 1);
    if (!is_wanted(counters, refused))
        return NULL;
    PosternLogLine *line = postern_log_line_new("recipient");
    const Teller teller = {add_field, line};
    tell_client(&teller, who);
    tell_path(&teller, "from", sender);
    tell(&teller, "to", to);
    tell(&teller, "refused_by", refused_by);
    tell(&teller, "accepted", refused ? NULL : "yes");
    tell(&teller, "reply", reply);
    return finish(line, counters, refused);
}

PosternLogLine *postern_login_line(const PosternRecordClient *who, PosternCounters *counters,
                                   const char *user, const char *reply)
{
    postern_counters_add(counters, "logins_failed", NULL, 1);
    if (!is_wanted(counters, TRUE))
        return NULL;
    PosternLogLine *line = postern_log_line_new("login");
    const Teller teller = {add_field, line};
    tell_client(&teller, who);
    tell(&teller, "user", user);
    tell(&teller, "reply", reply);
    return finish(line, counters, TRUE);
}

PosternLogLine *postern_sender_line(const PosternRecordClient *who, PosternCounters *counters,
                                    const char *from, const char *reply)
{
    postern_counters_add(counters, "senders_refused", "proxy", 1);
    if (!is_wanted(counters, TRUE))
        return NULL;
    PosternLogLine *line = postern_log_line_new("sender");
    const Teller teller = {add_field, line};
    tell_client(&teller, who);
    tell(&teller, "from", from);
    tell(&teller, "refused_by", "proxy");
    tell(&teller, "reply", reply);
    return finish(line, counters, TRUE);
}

static void count_session(const PosternSessionRecord *record, PosternCounters *counters)
{
    postern_counters_add(counters, "sessions", record->ended, 1);
    count(counters, "commands", record->commands);
    count(counters, "errors", record->errors);
    count(counters, "early_greeting", record->early_greeting);
    count(counters, "early_data", record->early_data);
}

PosternLogLine *postern_session_record_close(const PosternSessionRecord *record, PosternCounters *counters)
{
    count_session(record, counters);
    if (!postern_log_enabled(POSTERN_LOG_INFO))
        return NULL;
    PosternLogLine *line = postern_log_line_new("session");
    const Teller teller = {add_field, line};
    tell_client(&teller, &record->who);
    tell(&teller, "ended", record->ended);
    if (record->would_reply != NULL)
        tell(&teller, "would", postern_action_name(postern_action_of_reply(record->would_reply)));
    tell(&teller, "would_reply", record->would_reply);
    tell(&teller, "server", record->server);
    tell(&teller, "daemon", record->daemon);
    tell_number(&teller, "messages", record->messages);
    tell_number(&teller, "messages_accepted", record->messages_accepted);
    tell_number(&teller, "messages_refused", record->messages_refused);
    tell_number(&teller, "commands", record->commands);
    tell_number(&teller, "errors", record->errors);
    tell_number(&teller, "early_greeting", record->early_greeting);
    tell_number(&teller, "early_data", record->early_data);
    if (record->reasons != NULL)
        tell_number(&teller, "suspicion", record->suspicion);
    tell(&teller, "reasons", record->reasons);
    tell(&teller, "throttled", record->throttled);
    tell_number(&teller, "octets", record->octets);
    tell_number(&teller, "milliseconds", record->milliseconds);
    if (record->messages == 0) {
        g_autofree char *client = postern_address_to_string(&record->who.envelope->client);
        g_autofree char *key = record->ended != NULL
                                   ? g_strdup_printf("session client=%s ended=%s", client, record->ended)
                                   : g_strdup_printf("session client=%s messages=0", client);
        postern_log_line_repeats(line, key);
    }
    return line;
}
