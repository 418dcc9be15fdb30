#include <string.h>

#include "base/limits.h"
#include "mail/header.h"
#include "proxy/session_private.h"

/* Room that is taken before the first octet; more is taken as the message grows, for a size that is only
 * declared must not keep room from those that send. */
#define FIRST_RESERVE_OCTETS (1024 * 1024)

#define UNDECLARED_RESERVE_OCTETS 65536

static gboolean start_message(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    guint64 limit = postern_session_size_limit(session);
    guint64 reserve = transaction->declared_size > 0 ? transaction->declared_size : UNDECLARED_RESERVE_OCTETS;
    g_clear_pointer(&transaction->message, postern_message_unref);
    transaction->message = postern_message_new(limit, session->settings->budget, NULL);
    if (transaction->message == NULL ||
        !postern_message_reserve(transaction->message, MIN(MIN(reserve, FIRST_RESERVE_OCTETS), limit),
                                 NULL)) {
        g_clear_pointer(&transaction->message, postern_message_unref);
        postern_session_reply(session, 452, "4.3.1", "No room for a message now, try again later");
        return FALSE;
    }
    PosternDataMode mode = session->settings->configuration->proxy.bare_newline == POSTERN_BARE_NEWLINE_REPAIR
                               ? POSTERN_DATA_REPAIR_BARE
                               : POSTERN_DATA_REJECT_BARE;
    postern_data_decoder_init(&transaction->decoder, mode);
    if (session->decoded == NULL)
        session->decoded = g_byte_array_new();
    return TRUE;
}

void postern_session_data(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction == NULL || transaction->recipients->len == 0) {
        postern_session_error(session, now, 503, "5.5.1", "MAIL and RCPT must come first");
        return;
    }
    if (transaction->failure != NULL) {
        postern_session_reply(session, 451, "4.3.0",
                              "The mail server behind us cannot be used now, try again later");
        return;
    }
    if (transaction->accepted == 0) {
        postern_session_error(session, now, 554, "5.5.1", "No recipient was accepted"); /* RFC 5321 3.3 */
        return;
    }
    if (!start_message(session, now))
        return;
    session->messages++;
    g_string_append(session->output, "354 End data with <CR><LF>.<CR><LF>\r\n");
    postern_session_set_state(session, POSTERN_SESSION_DATA, now);
    postern_session_watch_silence(session, now);
}

void postern_session_conclude(PosternSession *session, const char *reply, gint64 now)
{
    g_autofree char *text = g_strdup(reply);
    postern_session_log_message(session, text, now);
    g_string_append(session->output, text);
    g_clear_pointer(&session->decoded, g_byte_array_unref);
    session->commands_without_mail = 0;
    postern_session_set_state(session, POSTERN_SESSION_COMMAND, now);
    postern_session_end_transaction(session, now);
    if (session->ended != NULL)
        postern_session_finish(session, session->ended, now);
    else if (session->draining)
        postern_session_end(session, "Service shutting down", now);
}

static void conclude(PosternSession *session, guint code, const char *enhanced, const char *text, gint64 now)
{
    g_autofree char *reply = postern_session_format_reply(session, code, enhanced, text);
    postern_session_conclude(session, reply, now);
}

static void store(PosternSession *session, const GByteArray *octets, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction->discard != POSTERN_DISCARD_NOT) {
        transaction->discarded += octets->len;
        return;
    }
    if (postern_message_append(transaction->message, octets->data, octets->len, NULL))
        return;
    transaction->discard =
        postern_message_is_too_big(transaction->message) ? POSTERN_DISCARD_TOO_BIG : POSTERN_DISCARD_NO_ROOM;
    g_clear_pointer(&transaction->message, postern_message_unref);
}

/* Once the header is whole, its questions are asked while the body still comes. */
static void look_for_header(PosternSession *session)
{
    PosternTransaction *transaction = session->transaction;
    if (!transaction->inspecting || transaction->header_seen || transaction->message == NULL)
        return;
    guint64 octets = 0;
    if (!postern_message_header_complete(transaction->message, &octets))
        return;
    transaction->header_seen = TRUE;
    if (octets > POSTERN_HEADER_BLOCK_MAX_OCTETS)
        return;
    g_autoptr(PosternMessage) header = postern_message_copy_header(transaction->message, NULL);
    if (header != NULL)
        postern_session_act(session, POSTERN_SESSION_INSPECT_HEADER, header, NULL);
}

static gboolean header_is_too_big(PosternMessage *message)
{
    gsize length = 0;
    const char *octets = postern_message_octets(message, &length, NULL);
    if (octets == NULL)
        return FALSE;
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    return header->too_many;
}

static void end_of_data(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction->decoder.bare && transaction->decoder.mode == POSTERN_DATA_REJECT_BARE) {
        conclude(session, 550, "5.5.2", "The message holds a CR or LF that is not part of CRLF", now);
    } else if (transaction->discard == POSTERN_DISCARD_TOO_BIG) {
        conclude(session, 552, "5.3.4", "The message is too big", now);
    } else if (transaction->discard == POSTERN_DISCARD_NO_ROOM) {
        conclude(session, 452, "4.3.1", "No room for this message now, try again later", now);
    } else if (!postern_message_seal(transaction->message, NULL)) {
        conclude(session, 451, "4.3.0", "The message could not be kept in memory, try again later", now);
    } else if (header_is_too_big(transaction->message)) {
        conclude(session, 552, "5.3.4", "The header of the message is too big", now);
    } else if (!session->settings->configuration->proxy.inspect) {
        postern_session_set_state(session, POSTERN_SESSION_DELIVERING, now);
        postern_session_deliver(session, now);
    } else {
        postern_session_set_state(session, POSTERN_SESSION_INSPECTING, now);
        postern_session_watch_silence(session, now);
        postern_session_act(session, POSTERN_SESSION_INSPECT_MESSAGE, transaction->message, NULL);
    }
}

gsize postern_session_receive_data(PosternSession *session, const char *octets, gsize length, gint64 now)
{
    gsize consumed = 0;
    gsize piece = MIN(length, POSTERN_MESSAGE_CHUNK_OCTETS);
    g_byte_array_set_size(session->decoded, 0);
    int result =
        postern_data_decoder_next(&session->transaction->decoder, octets, piece, &consumed, session->decoded);
    store(session, session->decoded, now);
    if (session->transaction->decoder.bare && session->transaction->decoder.mode == POSTERN_DATA_REJECT_BARE)
        session->transaction->discarded += consumed;
    look_for_header(session);
    if (result > 0) {
        end_of_data(session, now);
    } else if (session->transaction->discarded > session->settings->configuration->proxy.message_size) {
        postern_session_reply(session, 521, "5.3.4", "The message is too big, and does not end");
        postern_session_finish(session, "too-big", now);
    }
    return consumed;
}

static char *describe_dkim(const PosternFindings *findings)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < findings->dkim->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(findings->dkim, i);
        g_string_append_printf(text, "%s%s:%s", i > 0 ? "," : "", postern_dkim_result_name(finding->result),
                               finding->domain != NULL ? finding->domain : "-");
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void note_findings(PosternTransaction *transaction, const PosternFindings *findings,
                          const char *problem)
{
    const char *name = findings->virus.name;
    transaction->spf = g_strdup(postern_spf_result_name(findings->spf.result));
    transaction->dkim = findings->dkim->len > 0 ? describe_dkim(findings) : g_strdup("none");
    transaction->virus =
        g_strconcat(postern_virus_result_name(findings->virus.result), name != NULL ? ":" : NULL, name, NULL);
    transaction->problem = g_strdup(problem != NULL ? problem : findings->virus.reason);
}

/* NULL: the message cannot be looked at, so that forged fields in it could not be seen either. */
static PosternVerdict *decide(PosternSession *session, const PosternFindings *findings)
{
    gsize length = 0;
    const char *octets = postern_message_octets(session->transaction->message, &length, NULL);
    if (octets == NULL)
        return NULL;
    g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
    return postern_verdict_decide(session->settings->policy, findings, session->envelope, header,
                                  session->settings->configuration->virus.scan);
}

void postern_session_inspected(PosternSession *session, const PosternFindings *findings, const char *problem,
                               gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (session->state != POSTERN_SESSION_INSPECTING || transaction == NULL)
        return;
    transaction->inspecting = FALSE;
    note_findings(transaction, findings, problem);
    transaction->verdict = decide(session, findings);
    if (transaction->verdict == NULL) {
        conclude(session, 451, "4.3.0", "The message could not be kept in memory, try again later", now);
        return;
    }
    switch (transaction->verdict->action) {
    case POSTERN_ACTION_ACCEPT:
    case POSTERN_ACTION_MARK:
    case POSTERN_ACTION_QUARANTINE:
        postern_session_set_state(session, POSTERN_SESSION_DELIVERING, now);
        postern_session_deliver(session, now);
        break;
    case POSTERN_ACTION_REJECT:
    case POSTERN_ACTION_TEMPFAIL: {
        g_autofree char *reply =
            g_strdup_printf("%s [%s]\r\n", transaction->verdict->reply, session->identifier.text);
        postern_session_conclude(session, reply, now);
        break;
    }
    case POSTERN_ACTION_DISCARD:
        /* A 250 for what no back-end took would be a lie (promise 1): only a milter can discard. */
        conclude(session, 451, "4.3.5", "The proxy is set up to discard, which it cannot", now);
        break;
    }
}
