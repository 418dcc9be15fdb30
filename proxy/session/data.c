#include "base/limits.h"
#include "proxy/session/private.h"

/* What a message of no declared size is taken for. */
#define UNDECLARED_OCTETS 65536

static gboolean bare_newline_is_refused(const PosternSession *session)
{
    return session->settings->configuration->proxy.bare_newline == POSTERN_BARE_NEWLINE_REJECT;
}

static gboolean has_bare_newline(const PosternSession *session)
{
    return session->transaction->decoder.bare && bare_newline_is_refused(session);
}

static gboolean has_nul(const PosternSession *session)
{
    return session->transaction->decoder.nul && session->settings->configuration->proxy.refuse_nul;
}

static gboolean has_long_lines(const PosternSession *session)
{
    return session->transaction->decoder.long_lines > 0 &&
           session->settings->configuration->proxy.refuse_long_lines;
}

/* What is refused for its octets, whatever they say. */
static const struct {
    gboolean (*applies)(const PosternSession *session);
    const char *reply;
} octet_rows[] = {
    {has_bare_newline, "550 5.5.2 The message holds a CR or LF that is not part of CRLF"},
    {has_nul, "550 5.6.0 The message holds a NUL octet"},
    {has_long_lines, "550 5.6.0 The message has lines of more than 998 octets"},
};

/* TRUE: nothing is made of the message, for the reply in its case. */
static gboolean is_refused(PosternSession *session)
{
    PosternTransaction *transaction = session->transaction;
    PosternCase *mail_case = transaction->mail_case;
    mail_case->nul = transaction->decoder.nul;
    mail_case->long_lines = transaction->decoder.long_lines;
    if (transaction->discard == POSTERN_DISCARD_TOO_BIG)
        postern_case_fail(mail_case, "552 5.3.4 The message is too big");
    if (transaction->discard == POSTERN_DISCARD_NO_ROOM)
        postern_case_fail(mail_case, "452 4.3.1 No room for this message now, try again later");
    for (gsize i = 0; i < G_N_ELEMENTS(octet_rows) && mail_case->reply == NULL; i++)
        if (octet_rows[i].applies(session))
            (void)postern_case_refuse(mail_case, octet_rows[i].reply);
    if (mail_case->reply == NULL && !postern_message_seal(transaction->message, NULL))
        postern_case_fail(mail_case, "451 4.3.0 The message could not be kept in memory, try again later");
    return mail_case->reply != NULL;
}

/* Room is taken as the message comes: a size that is only declared keeps none from those that send. */
static gboolean start_message(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    guint64 limit = postern_session_size_limit(session);
    guint64 expected = transaction->declared_size > 0 ? transaction->declared_size : UNDECLARED_OCTETS;
    g_clear_pointer(&transaction->message, postern_message_unref);
    if (postern_budget_has_room(session->budget, MIN(expected, limit)))
        transaction->message = session->settings->configuration->proxy.inspect
                                   ? postern_message_new(limit, session->budget, NULL)
                                   : postern_message_new_private(limit, session->budget);
    if (transaction->message == NULL) {
        postern_session_reply(session, 452, "4.3.1", "No room for a message now, try again later");
        return FALSE;
    }
    gboolean reject = bare_newline_is_refused(session) && !postern_session_observes(session);
    postern_data_decoder_init(&transaction->decoder,
                              reject ? POSTERN_DATA_REJECT_BARE : POSTERN_DATA_REPAIR_BARE);
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
    session->core.messages++;
    g_string_append(session->output, "354 End data with <CR><LF>.<CR><LF>\r\n");
    session->our_turn = POSTERN_TURN_DATA;
    postern_session_set_state(session, POSTERN_SESSION_DATA, now);
    postern_session_watch_hold(session, now);
}

void postern_session_conclude(PosternSession *session, const char *reply, gint64 now)
{
    g_autofree char *text = g_strdup(reply);
    postern_session_log_message(session, text, now);
    g_string_append(session->output, text);
    session->core.commands_without_mail = 0;
    postern_session_set_state(session, POSTERN_SESSION_COMMAND, now);
    postern_session_end_transaction(session, now);
    if (session->ended != NULL)
        postern_session_finish(session, session->ended, now);
    else if (session->leaving != NULL)
        postern_session_end(session, session->leaving, now);
}

void postern_session_conclude_with(PosternSession *session, const char *reply, gint64 now)
{
    g_autofree char *text = postern_session_finish_reply(session, reply);
    postern_session_conclude(session, text, now);
}

/* The rest is taken to its end; what is there is not needed any more. */
static void discard(PosternTransaction *transaction, PosternDiscard why)
{
    transaction->discard = why;
    g_clear_pointer(&transaction->message, postern_message_unref);
}

static void store(PosternSession *session, const void *octets, gsize length)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction->decoder.bare && transaction->decoder.mode == POSTERN_DATA_REJECT_BARE)
        discard(transaction, POSTERN_DISCARD_BARE);
    if (transaction->discard == POSTERN_DISCARD_NOT &&
        !postern_message_append(transaction->message, octets, length, NULL))
        discard(transaction, postern_message_is_too_big(transaction->message) ? POSTERN_DISCARD_TOO_BIG
                                                                              : POSTERN_DISCARD_NO_ROOM);
}

static void end_of_data(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    postern_session_expect_answer(session, now);
    if (is_refused(session)) {
        postern_session_conclude_with(session, transaction->mail_case->reply, now);
        return;
    }
    postern_session_read_header(session, transaction->message);
    if (session->settings->configuration->proxy.inspect) {
        postern_session_inspect(session, now);
        return;
    }
    postern_session_set_state(session, POSTERN_SESSION_DELIVERING, now);
    postern_session_deliver(session, now);
}

/* A server in front holds its clients to a time of its own. */
void postern_session_measure_rate(PosternSession *session, gint64 now)
{
    if (session->transaction == NULL)
        return;
    gboolean measured = session->state == POSTERN_SESSION_DATA && !session->core.trusted;
    session->transaction->rate = (PosternRate){
        .deadline = measured ? now + POSTERN_DATA_CROWDED_SECONDS * 1000 : POSTERN_NEVER,
        .minute_end = now + POSTERN_DATA_RATE_SECONDS * 1000,
    };
}

/* Who holds room that others need has to go on with it. */
static gboolean is_in_the_way(const PosternSession *session)
{
    const PosternTransaction *transaction = session->transaction;
    guint64 held = transaction->message != NULL ? postern_message_size(transaction->message) : 0;
    return held > POSTERN_BUDGET_ASSURED_OCTETS && postern_budget_is_crowded(session->budget) &&
           transaction->rate.octets < held / POSTERN_DATA_RATE_SECONDS * POSTERN_DATA_CROWDED_SECONDS;
}

void postern_session_judge_rate(PosternSession *session, gint64 now)
{
    PosternRate *rate = &session->transaction->rate;
    guint64 minimum = session->settings->configuration->proxy.min_data_rate * POSTERN_DATA_RATE_SECONDS;
    gboolean minute_is_over = now >= rate->minute_end;
    if (is_in_the_way(session) || (minute_is_over && rate->minute_octets < minimum)) {
        postern_session_reply(session, 421, "4.4.2", "The message comes too slowly");
        postern_session_finish(session, "too-slow", now);
    } else if (minute_is_over) {
        postern_session_measure_rate(session, now);
    } else {
        rate->octets = 0;
        rate->deadline = MIN(now + POSTERN_DATA_CROWDED_SECONDS * 1000, rate->minute_end);
    }
}

/* 1: the message's end was met. 0: all of length was taken. */
static int decode(PosternSession *session, const char *octets, gsize length, gsize *ret_consumed)
{
    PosternDataDecoder *decoder = &session->transaction->decoder;
    gsize passed = postern_data_decoder_pass(decoder, octets, length);
    store(session, octets, passed);
    *ret_consumed = passed;
    if (passed == length)
        return 0;
    g_autoptr(GByteArray) decoded = g_byte_array_new();
    int result = postern_data_decoder_next(decoder, octets + passed, length - passed, ret_consumed, decoded);
    store(session, decoded->data, decoded->len);
    *ret_consumed += passed;
    return result;
}

gsize postern_session_receive_data(PosternSession *session, const char *octets, gsize length, gint64 now)
{
    gsize consumed = 0;
    int result = decode(session, octets, MIN(length, POSTERN_MESSAGE_CHUNK_OCTETS), &consumed);
    session->transaction->rate.octets += consumed;
    session->transaction->rate.minute_octets += consumed;
    if (session->transaction->discard != POSTERN_DISCARD_NOT)
        session->transaction->discarded += consumed;
    postern_session_look_for_header(session);
    if (result > 0) {
        end_of_data(session, now);
    } else if (session->transaction->discarded > session->settings->configuration->proxy.message_size) {
        postern_session_reply(session, 521, "5.3.4", "The message is too big, and does not end");
        postern_session_finish(session, "too-big", now);
    }
    return consumed;
}
