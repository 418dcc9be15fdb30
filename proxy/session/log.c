#include <string.h>

#include "base/escape.h"
#include "base/limits.h"
#include "proxy/session/private.h"

const char *postern_session_id(const PosternSession *session)
{
    return session->transaction != NULL ? session->transaction->identifier.text
                                        : session->core.identifier.text;
}

PosternTls postern_session_tls_level(const PosternSession *session)
{
    return postern_proxy_settings_tls_level(session->settings, &session->core.peer, session->core.submission);
}

gboolean postern_session_observes(const PosternSession *session)
{
    return session->settings->configuration->proxy.mode == POSTERN_MODE_OBSERVE;
}

void postern_session_would_refuse(PosternSession *session, const char *reply)
{
    if (session->transaction != NULL)
        (void)postern_case_refuse(session->transaction->mail_case, reply);
    else if (session->core.would_reply == NULL)
        session->core.would_reply = g_strdup(reply);
}

/* Makes a reply of ours, with CRLF, of what out holds from start on. */
static void finish_reply(PosternSession *session, GString *out, gsize start)
{
    postern_escape_for_reply(out->str + start);
    if (out->str[start] >= '4') {
        session->core.refusals++;
        if (session->transaction != NULL)
            session->transaction->announced = TRUE;
        g_string_append_printf(out, " [%s]", postern_session_id(session));
    }
    g_string_append(out, "\r\n");
}

char *postern_session_finish_reply(PosternSession *session, const char *reply)
{
    GString *text = g_string_new(reply);
    finish_reply(session, text, 0);
    return g_string_free(text, FALSE);
}

PosternReply *postern_session_own_reply(PosternSession *session, const char *reply)
{
    g_autofree char *text = g_strchomp(postern_session_finish_reply(session, reply));
    return postern_reply_new((guint)g_ascii_strtoull(text, NULL, 10), strchr(text, ' ') + 1);
}

void postern_session_reply(PosternSession *session, guint code, const char *enhanced, const char *format, ...)
{
    gsize start = session->output->len;
    const char digits[] = {(char)('0' + code / 100), (char)('0' + code / 10 % 10), (char)('0' + code % 10),
                           ' '};
    va_list arguments;
    g_string_append_len(session->output, digits, sizeof digits);
    g_string_append(session->output, enhanced);
    g_string_append_c(session->output, ' ');
    va_start(arguments, format);
    if (strchr(format, '%') == NULL)
        g_string_append(session->output, format);
    else
        g_string_append_vprintf(session->output, format, arguments);
    va_end(arguments);
    finish_reply(session, session->output, start);
}

void postern_session_error(PosternSession *session, gint64 now, guint code, const char *enhanced,
                           const char *text)
{
    postern_session_reply(session, code, enhanced, "%s", text);
    postern_session_count_error(session, TRUE, now);
}

void postern_session_refuse(PosternSession *session, const char *refusal, gboolean mistake, gint64 now)
{
    g_autofree char *reply = postern_session_finish_reply(session, refusal);
    g_string_append(session->output, reply);
    if (refusal[0] == '5')
        postern_session_count_error(session, mistake, now);
}

void postern_session_count_error(PosternSession *session, gboolean mistake, gint64 now)
{
    const PosternManners *manners = postern_session_manners(session);
    postern_session_count(session, POSTERN_COUNT_ERRORS, 1, now);
    postern_session_note(session, POSTERN_REASON_ERROR, now);
    session->core.errors++;
    session->core.mistakes += mistake;
    if (session->core.mistakes < manners->mistakes_max &&
        session->core.errors < MAX(POSTERN_ERRORS_MAX, manners->mistakes_max))
        return;
    if (!mistake || (manners->manners & POSTERN_MANNER_ENDS_AT_MISTAKE) == 0)
        postern_session_reply(session, 421, "4.7.0", "Too many errors");
    postern_session_finish(session, "too-many-errors", now);
}

static PosternRecordClient who_is(const PosternSession *session)
{
    const PosternTransaction *transaction = session->transaction;
    const PosternCase *mail_case = transaction != NULL ? transaction->mail_case : NULL;
    gboolean relayed = mail_case != NULL && mail_case->origin != NULL;
    return (PosternRecordClient){
        .session = session->core.identifier.text,
        .message = transaction != NULL ? transaction->identifier.text : NULL,
        .envelope = relayed ? mail_case->origin : session->envelope,
        .relay = relayed ? session->envelope : NULL,
        .tls = session->tls,
        .tls_name = session->tls_name,
        .tls_client = session->tls_client,
        .tls_resumed = session->tls_resumed,
        .peer = postern_address_is_same_host(&session->envelope->client, &session->core.peer)
                    ? NULL
                    : &session->core.peer,
    };
}

/* NULL: the log takes no such line. */
static void act_on_line(PosternSession *session, PosternLogLine *line)
{
    if (line != NULL)
        postern_session_act(session, POSTERN_SESSION_LOG)->line = line;
}

void postern_session_log_refusal(PosternSession *session, const PosternRecipient *recipient,
                                 const char *argument, const char *by, const char *reply)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction == NULL || transaction->refusals_logged >= POSTERN_REFUSED_RECIPIENTS_LOGGED_MAX)
        return;
    transaction->refusals_logged++;
    transaction->announced = TRUE;
    const PosternRecordClient who = who_is(session);
    g_autofree char *to =
        recipient->path != NULL ? g_strdup_printf("<%s>", recipient->path) : g_strdup(argument);
    g_autofree char *text = g_strchomp(g_strdup(reply));
    act_on_line(session, postern_recipient_line(&who, session->settings->counters, session->envelope->sender,
                                                to, by, text));
}

void postern_session_log_login(PosternSession *session, const char *user, const char *reply)
{
    const PosternRecordClient who = who_is(session);
    g_autofree char *text = g_strchomp(g_strdup(reply));
    act_on_line(session, postern_login_line(&who, session->settings->counters, user, text));
}

void postern_session_log_refused_sender(PosternSession *session, const PosternCommand *command,
                                        const char *reply)
{
    const PosternRecordClient who = who_is(session);
    g_autofree char *text = g_strchomp(g_strdup(reply));
    g_autofree char *from =
        command->path != NULL ? g_strdup_printf("<%s>", command->path) : g_strdup(command->argument);
    act_on_line(session, postern_sender_line(&who, session->settings->counters, from, text));
}

/* Those that were refused have lines of their own. */
static GPtrArray *recipients_of(const PosternTransaction *transaction)
{
    GPtrArray *paths = g_ptr_array_new();
    for (guint i = 0; i < transaction->recipients->len; i++) {
        const PosternRecipient *recipient = g_ptr_array_index(transaction->recipients, i);
        if (recipient->state != POSTERN_RECIPIENT_REFUSED)
            g_ptr_array_add(paths, recipient->path);
    }
    return paths;
}

/* Of what was taken of the message; -1: nothing is known. */
static gint64 size_of(const PosternTransaction *transaction)
{
    if (transaction->transit != NULL)
        return (gint64)postern_transit_size(transaction->transit);
    return transaction->message != NULL ? (gint64)postern_message_size(transaction->message) : -1;
}

/* from and until, each 0 if that was not reached. */
static gint64 between(gint64 from, gint64 until)
{
    return from > 0 && until > 0 ? until - from : -1;
}

void postern_session_log_message(PosternSession *session, const char *reply, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction == NULL || transaction->logged)
        return;
    transaction->logged = TRUE;
    const gboolean written = postern_log_enabled(POSTERN_LOG_INFO);
    g_autoptr(GPtrArray) to = written ? recipients_of(transaction) : NULL;
    g_autofree char *text = reply != NULL && written ? g_strchomp(g_strdup(reply)) : NULL;
    gint64 decided_at = transaction->decided_at > 0 ? transaction->decided_at : transaction->data_until;
    const PosternStageTimes times = {
        .data = between(transaction->data_from, transaction->data_until),
        .verdict = between(transaction->data_until, transaction->decided_at),
        .server = between(decided_at, transaction->replied_at),
    };
    PosternRecord record = {
        .who = who_is(session),
        .times = &times,
        .server = transaction->server,
        .server_queue = transaction->server_queue,
        .queue = session->forwarded != NULL ? session->forwarded->queue : NULL,
        .to = to != NULL && to->len > 0 ? to : NULL,
        .recipients = transaction->recipients->len,
        .recipients_accepted = transaction->accepted,
        .size = size_of(transaction),
        .dsn_dropped = transaction->dsn_dropped,
        .delivery = transaction->delivery,
        .backend_wait = transaction->backend_wait_ms,
        .server_tls = transaction->server_tls,
        .failure = transaction->failure,
        .milliseconds = now - transaction->started,
    };
    postern_case_record(transaction->mail_case, &record);
    record.reply = text;
    if (!session->settings->configuration->log.subject)
        record.subject = NULL;
    act_on_line(session, postern_record_close(&record, session->settings->counters));
    postern_tally_note_message(session->settings->tally, &record);
    if (record.size > 0)
        postern_session_count(session, POSTERN_COUNT_KIBIBYTES, (guint)((record.size + 1023) / 1024), now);
}

void postern_session_log_end(PosternSession *session, gint64 now)
{
    g_autofree char *reasons = session->screen != NULL ? postern_screen_reasons(session->screen) : NULL;
    g_autofree char *throttled = session->screen != NULL ? postern_screen_throttled(session->screen) : NULL;
    const PosternSessionRecord record = {
        .who = who_is(session),
        .suspicion = reasons != NULL ? (gint64)postern_screen_points(session->screen) : 0,
        .reasons = reasons,
        .throttled = throttled,
        .ended = session->ended,
        .would_reply = session->core.would_reply,
        .messages = session->core.messages,
        .messages_accepted = session->core.messages_accepted,
        .messages_refused = -1,
        .commands = session->core.commands,
        .errors = session->core.errors,
        .early_greeting = session->core.early_greeting > 0 ? (gint64)session->core.early_greeting : -1,
        .early_data = session->core.early_data > 0 ? (gint64)session->core.early_data : -1,
        .octets = (gint64)session->core.octets,
        .milliseconds = now - session->core.started,
    };
    act_on_line(session, postern_session_record_close(&record, session->settings->counters));
    postern_tally_note_session(session->settings->tally, &record);
}
