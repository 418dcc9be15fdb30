#include "milter/session.h"

static PosternRecordClient who_is(const PosternMilterSession *session)
{
    gboolean in_message = session->message.text[0] != '\0';
    return (PosternRecordClient){
        .session = session->identifier.text,
        .message = in_message ? session->message.text : NULL,
        .envelope = session->envelope,
        .tls = session->tls,
        .names_origin = TRUE,
    };
}

void postern_milter_message_log(const PosternMilterSession *session, const PosternMilterSettings *settings,
                                const char *failure)
{
    const PosternMilterTransaction *transaction = session->transaction;
    PosternRecord record = {
        .who = who_is(session),
        .queue = session->queue,
        .to = session->envelope->recipients,
        .recipients = transaction != NULL ? (gint64)transaction->recipients : -1,
        .recipients_accepted = -1,
        .size = transaction != NULL ? (gint64)transaction->octets : -1,
        .delivery = POSTERN_DELIVERY_NOT_OURS,
        .failure = failure,
        .milliseconds = (g_get_monotonic_time() - session->message_started) / 1000,
    };
    postern_case_record(session->mail_case, &record);
    if (!settings->configuration->log.subject)
        record.subject = NULL;
    postern_log_line_write(postern_record_close(&record, settings->counters), POSTERN_LOG_INFO);
    postern_tally_note_message(settings->tally, &record);
}

void postern_milter_refusal_log(const PosternMilterSession *session, const PosternMilterSettings *settings,
                                const char *recipient, const char *reply)
{
    const PosternRecordClient who = who_is(session);
    g_autofree char *to = g_strdup_printf("<%s>", recipient);
    postern_log_line_write(
        postern_recipient_line(&who, settings->counters, session->envelope->sender, to, "milter", reply),
        POSTERN_LOG_INFO);
}

void postern_milter_session_log(const PosternMilterSession *session, const PosternMilterSettings *settings)
{
    const PosternSessionRecord record = {
        .who = who_is(session),
        .ended = session->refused,
        .server = session->server,
        .daemon = session->daemon,
        .messages = session->messages,
        .messages_accepted = -1,
        .messages_refused = session->messages_refused,
        .commands = -1,
        .errors = -1,
        .early_greeting = -1,
        .early_data = -1,
        .octets = -1,
        .milliseconds = (g_get_monotonic_time() - session->started) / 1000,
    };
    postern_log_line_write(postern_session_record_close(&record, settings->counters), POSTERN_LOG_INFO);
}
