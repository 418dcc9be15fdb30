#include "base/limits.h"
#include "proxy/session/auth.h"
#include "proxy/session/room.h"

/* What a message of no declared size is taken for. */
#define UNDECLARED_OCTETS 65536

#define NO_ROOM "452 4.3.1 No room for this message now, try again later"

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

/* FALSE: it cannot be kept. */
static gboolean seal(PosternTransaction *transaction)
{
    if (transaction->transit == NULL)
        return postern_message_seal(transaction->message, NULL);
    postern_transit_end(transaction->transit);
    return TRUE;
}

gboolean postern_session_refuses_octets(PosternSession *session)
{
    PosternTransaction *transaction = session->transaction;
    PosternCase *mail_case = transaction->mail_case;
    mail_case->nul = transaction->decoder.nul;
    mail_case->long_lines = transaction->decoder.long_lines;
    if (transaction->discard == POSTERN_DISCARD_TOO_BIG)
        postern_case_fail(mail_case, "552 5.3.4 The message is too big");
    if (transaction->discard == POSTERN_DISCARD_NO_ROOM)
        postern_case_fail(mail_case, NO_ROOM);
    if (mail_case->reply == NULL && has_bare_newline(session) && !transaction->chunks &&
        (postern_session_manners(session)->manners & POSTERN_MANNER_ENDS_AT_NEWLINE) != 0 &&
        postern_case_refuse(mail_case, "421 4.5.0 The message holds a CR or LF that is not part of CRLF"))
        session->ended = "bare-newline";
    for (gsize i = 0; i < G_N_ELEMENTS(octet_rows) && mail_case->reply == NULL; i++)
        if (octet_rows[i].applies(session))
            (void)postern_case_refuse(mail_case, octet_rows[i].reply);
    return mail_case->reply != NULL;
}

/* TRUE: nothing is made of the message, for the reply in its case. */
static gboolean is_refused(PosternSession *session)
{
    PosternTransaction *transaction = session->transaction;
    if (postern_session_refuses_octets(session))
        return TRUE;
    if (!seal(transaction))
        postern_case_fail(transaction->mail_case,
                          "451 4.3.0 The message could not be kept in memory, try again later");
    return transaction->mail_case->reply != NULL;
}

/* Room for octets in all; FALSE: there is none. */
static gboolean reserve(PosternSession *session, guint64 octets, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    const gboolean passes = transaction->transit != NULL;
    while (!(passes ? postern_transit_reserve(transaction->transit, octets)
                    : postern_message_reserve(transaction->message, octets))) {
        guint64 had = passes ? postern_transit_charged(transaction->transit)
                             : postern_message_charged(transaction->message);
        if (!postern_session_make_room(session, octets - had, now))
            return FALSE;
    }
    return TRUE;
}

const char *postern_session_begin_message(PosternSession *session, gboolean chunks, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction->failure != NULL)
        return postern_session_no_server_reply;
    const PosternConfiguration *configuration = session->settings->configuration;
    guint64 limit = postern_session_size_limit(session);
    guint64 expected = transaction->declared_size > 0 ? transaction->declared_size : UNDECLARED_OCTETS;
    g_clear_pointer(&transaction->message, postern_message_unref);
    g_clear_pointer(&transaction->transit, postern_transit_unref);
    if (configuration->proxy.inspect)
        transaction->message = postern_message_new(limit, transaction->budget, NULL);
    else
        transaction->transit = postern_transit_new(transaction->declared_size, transaction->budget);
    if (!configuration->proxy.inspect)
        expected = MIN(expected, configuration->proxy.burst_size);
    transaction->reserved = MIN(MIN(expected, POSTERN_RESERVED_MAX_OCTETS), limit);
    if (!reserve(session, transaction->reserved, now)) {
        g_clear_pointer(&transaction->message, postern_message_unref);
        g_clear_pointer(&transaction->transit, postern_transit_unref);
        return "452 4.3.1 No room for a message now, try again later";
    }
    session->core.messages++;
    postern_session_note_room(session, 0, now);
    transaction->data_from = now;
    transaction->size_limit = limit;
    transaction->burst_since = now;
    transaction->burst_end = configuration->proxy.burst_size;
    gboolean reject = bare_newline_is_refused(session) && !postern_session_observes(session);
    postern_data_decoder_init(&transaction->decoder,
                              reject ? POSTERN_DATA_REJECT_BARE : POSTERN_DATA_REPAIR_BARE);
    transaction->decoder.chunks = chunks;
    return NULL;
}

void postern_session_data(PosternSession *session, gint64 now)
{
    const char *refusal = postern_session_begin_message(session, FALSE, now);
    if (refusal != NULL) {
        postern_session_refuse(session, refusal, TRUE, now);
        return;
    }
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
    session->core.spared &= 1U << POSTERN_COMMAND_AUTH;
    postern_session_set_state(session, POSTERN_SESSION_COMMAND, now);
    postern_session_end_transaction(session, now);
    if (session->ended != NULL)
        postern_session_finish(session, session->ended, now);
    else if (session->leaving != NULL)
        postern_session_end(session, session->leaving, now);
    else
        postern_session_end_if_login_is_lost(session, now);
}

void postern_session_conclude_with(PosternSession *session, const char *reply, gint64 now)
{
    g_autofree char *text = postern_session_finish_reply(session, reply);
    postern_session_conclude(session, text, now);
}

/* Reads the rest of the message and drops it; frees what was stored and the back-end that began with it. */
static void discard(PosternSession *session, PosternDiscard why, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction->streams) {
        transaction->streams = FALSE;
        transaction->delivery = POSTERN_DELIVERY_FAILED;
        postern_session_release_backend(session, now);
    }
    transaction->discard = why;
    postern_session_forget_room(transaction);
    g_clear_pointer(&transaction->message, postern_message_unref);
    g_clear_pointer(&transaction->transit, postern_transit_unref);
}

void postern_session_answer_message(PosternSession *session, const char *reply, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (!postern_session_is_in_message(session)) {
        postern_session_conclude(session, reply, now);
        return;
    }
    PosternDelivery delivery = transaction->delivery;
    transaction->answer = g_strdup(reply);
    discard(session, POSTERN_DISCARD_ANSWER, now);
    transaction->delivery = delivery;
}

/* FALSE: there is no room. */
static gboolean append(PosternSession *session, const char *octets, gsize length, gboolean plain, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction->transit == NULL)
        return postern_message_append(transaction->message, octets, length, NULL) ||
               (reserve(session, postern_message_size(transaction->message) + length, now) &&
                postern_message_append(transaction->message, octets, length, NULL));
    if (!transaction->streams &&
        !reserve(session, postern_transit_waiting(transaction->transit) + length, now))
        return FALSE;
    return plain ? postern_transit_pass(transaction->transit, octets, length)
                 : postern_transit_add(transaction->transit, octets, length);
}

/* plain: as postern_data_decoder_pass() gives them. */
static void store(PosternSession *session, const void *octets, gsize length, gboolean plain, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction->discard != POSTERN_DISCARD_NOT)
        return;
    guint64 size = transaction->transit != NULL ? postern_transit_size(transaction->transit)
                                                : postern_message_size(transaction->message);
    if (transaction->decoder.bare && transaction->decoder.mode == POSTERN_DATA_REJECT_BARE)
        discard(session, POSTERN_DISCARD_BARE, now);
    else if (length > transaction->size_limit - size)
        discard(session, POSTERN_DISCARD_TOO_BIG, now);
    else if (!append(session, octets, length, plain, now))
        discard(session, POSTERN_DISCARD_NO_ROOM, now);
}

/* The case looks at the header of a message that is not inspected, for its line in the log. */
static void read_transit_header(PosternSession *session)
{
    if (!postern_log_enabled(POSTERN_LOG_INFO))
        return;
    gsize length = 0;
    const char *octets = postern_transit_header(session->transaction->transit, &length);
    postern_session_read_header(session, octets, length);
}

static void finish_chunks(PosternSession *session, gint64 now)
{
    g_autoptr(GByteArray) rest = g_byte_array_new();
    postern_data_decoder_finish(&session->transaction->decoder, rest);
    store(session, rest->data, rest->len, FALSE, now);
}

void postern_session_end_message(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    transaction->data_until = now;
    if (transaction->transfer != NULL)
        postern_transfer_stays(transaction->transfer);
    postern_session_expect_answer(session, now);
    if (transaction->chunks)
        finish_chunks(session, now);
    if (transaction->answer != NULL) {
        postern_session_conclude(session, transaction->answer, now);
        return;
    }
    if (is_refused(session)) {
        if (transaction->streams)
            discard(session, POSTERN_DISCARD_ANSWER, now);
        postern_session_conclude_with(session, transaction->mail_case->reply, now);
        return;
    }
    if (transaction->transit == NULL) {
        gsize length = 0;
        const char *octets = postern_message_octets(transaction->message, &length, NULL);
        postern_session_read_header(session, octets, length);
        postern_session_inspect(session, now);
        return;
    }
    if (!transaction->streams)
        read_transit_header(session);
    postern_session_set_state(session, POSTERN_SESSION_DELIVERING, now);
    postern_session_deliver(session, now);
}

/* ---- messages that are streamed */

gboolean postern_session_is_streaming(const PosternSession *session)
{
    return postern_session_is_in_message(session) && session->transaction != NULL &&
           session->transaction->streams;
}

gboolean postern_session_is_held_up(const PosternSession *session)
{
    return postern_session_is_streaming(session) &&
           postern_transit_waiting(session->transaction->transit) > 0;
}

/* Who has sent a burst is fast if it took little time. One that was slow before gathers its message first:
 * a back-end waits for nobody twice. A server in front would wait for its answer while a slow back-end keeps
 * us from reading its dot. */
static void stream_if_fast(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    guint64 burst = session->settings->configuration->proxy.burst_size;
    if (transaction->transit == NULL || transaction->streams ||
        postern_transit_size(transaction->transit) < transaction->burst_end)
        return;
    gboolean fast = now - transaction->burst_since <= POSTERN_BURST_MS && !session->core.slow &&
                    !postern_proxy_settings_is_filter(session->settings);
    transaction->burst_since = now;
    transaction->burst_end = postern_transit_size(transaction->transit) + burst;
    if (!fast || !postern_transit_header_complete(transaction->transit))
        return;
    transaction->streams = TRUE;
    read_transit_header(session);
    postern_session_measure_rate(session, now);
    postern_session_watch_hold(session, now);
    postern_session_deliver(session, now);
}

/* There is no room for what the back-end has not taken, whether the message has come to its end or not. */
static void lose_octets(PosternSession *session, gint64 now)
{
    gboolean whole = !postern_session_is_in_message(session);
    discard(session, POSTERN_DISCARD_NO_ROOM, now);
    if (whole) {
        postern_case_fail(session->transaction->mail_case, NO_ROOM);
        postern_session_conclude_with(session, NO_ROOM, now);
    }
}

void postern_session_settle(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction == NULL || transaction->transit == NULL)
        return;
    if (!postern_transit_settle(transaction->transit))
        lose_octets(session, now);
    else if (postern_session_is_held_up(session))
        transaction->rate.held_up = transaction->rate.minute_held_up = TRUE;
    if (session->transaction == transaction && transaction->transfer != NULL)
        postern_session_note_room(session, 0, now);
}

void postern_session_judge_stream(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (!postern_session_is_streaming(session) || !transaction->rate.slow)
        return;
    if (session->hold.recalled) {
        g_autofree char *reply = postern_session_finish_reply(
            session, "451 4.4.2 The message comes too slowly while others wait, try again later");
        session->core.slow = TRUE;
        transaction->failure = g_strdup("the client was too slow, and others waited for the back-end");
        transaction->delivery = POSTERN_DELIVERY_FAILED;
        postern_session_answer_message(session, reply, now);
    } else if (!session->hold.offered) {
        session->hold.offered = TRUE;
        postern_session_act(session, POSTERN_SESSION_OFFER);
    }
}

/* ---- how fast a message comes */

/* A server in front times its own clients. */
void postern_session_measure_rate(PosternSession *session, gint64 now)
{
    if (session->transaction == NULL)
        return;
    gboolean measured =
        postern_session_is_in_message(session) && (!session->core.trusted || session->transaction->streams);
    session->transaction->rate = (PosternMessageRate){
        .deadline = measured ? now + POSTERN_DATA_CROWDED_SECONDS * 1000 : POSTERN_NEVER,
        .minute_end = now + POSTERN_DATA_RATE_SECONDS * 1000,
    };
}

/* Who holds room that others need has to go on with it: the less there is, the sooner the slower ones go. */
static gboolean is_in_the_way(const PosternSession *session)
{
    const PosternTransaction *transaction = session->transaction;
    guint seconds = postern_budget_patience(transaction->budget, POSTERN_DATA_RATE_SECONDS);
    guint64 held = transaction->message != NULL   ? postern_message_size(transaction->message)
                   : transaction->transit != NULL ? postern_transit_waiting(transaction->transit)
                                                  : 0;
    if (transaction->message != NULL)
        held = MAX(held, transaction->reserved);
    return held > POSTERN_BUDGET_ASSURED_OCTETS && seconds != G_MAXUINT && !transaction->rate.held_up &&
           transaction->rate.octets < held / MAX(seconds, 1) * POSTERN_DATA_CROWDED_SECONDS;
}

void postern_session_judge_rate(PosternSession *session, gint64 now)
{
    PosternMessageRate *rate = &session->transaction->rate;
    const PosternConfiguration *configuration = session->settings->configuration;
    guint64 minimum =
        session->core.trusted ? 0 : configuration->proxy.min_data_rate * POSTERN_DATA_RATE_SECONDS;
    guint64 bursts =
        configuration->proxy.burst_size * (POSTERN_DATA_CROWDED_SECONDS * 1000 / POSTERN_BURST_MS);
    gboolean minute_is_over = now >= rate->minute_end;
    if (postern_session_is_held_up(session))
        rate->held_up = rate->minute_held_up = TRUE;
    rate->slow = !rate->held_up && rate->octets < bursts;
    postern_session_judge_stream(session, now);
    if (is_in_the_way(session) ||
        (minute_is_over && !rate->minute_held_up && rate->minute_octets < minimum)) {
        postern_session_note_timeout(session, now);
        postern_session_reply(session, 421, "4.4.2", "The message comes too slowly");
        postern_session_finish(session, "too-slow", now);
    } else if (minute_is_over) {
        postern_session_measure_rate(session, now);
    } else {
        rate->octets = 0;
        rate->held_up = FALSE;
        rate->deadline = MIN(now + POSTERN_DATA_CROWDED_SECONDS * 1000, rate->minute_end);
    }
}

/* ---- what comes */

/* 1: the message's end was met. 0: all of length was taken. */
static int decode(PosternSession *session, const char *octets, gsize length, gsize *ret_consumed, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    PosternDataDecoder *decoder = &transaction->decoder;
    g_autoptr(GByteArray) decoded = NULL;
    int result = 0;
    gsize at = 0;
    while (at < length && result == 0) {
        gsize consumed = 0;
        gsize passed = postern_data_decoder_pass(decoder, octets + at, length - at);
        store(session, octets + at, passed, TRUE, now);
        at += passed;
        if (at == length)
            break;
        if (decoded == NULL)
            decoded = g_byte_array_new();
        /* What is only passed on is copied as little as may be. */
        result = postern_data_decoder_next(
            decoder, octets + at, transaction->transit != NULL ? 1 : length - at, &consumed, decoded);
        store(session, decoded->data, decoded->len, FALSE, now);
        g_byte_array_set_size(decoded, 0);
        at += consumed;
    }
    *ret_consumed = at;
    return result;
}

gsize postern_session_receive_data(PosternSession *session, const char *octets, gsize length, gint64 now)
{
    gsize consumed = 0;
    int result = decode(session, octets, MIN(length, POSTERN_READ_MAX_OCTETS), &consumed, now);
    session->transaction->rate.octets += consumed;
    session->transaction->rate.minute_octets += consumed;
    if (session->transaction->discard != POSTERN_DISCARD_NOT)
        session->transaction->discarded += consumed;
    postern_session_note_room(session, consumed, now);
    postern_session_look_for_header(session);
    if (result > 0) {
        postern_session_end_message(session, now);
    } else if (session->transaction->discarded > session->settings->configuration->proxy.message_size) {
        postern_session_reply(session, 521, "5.3.4", "The message is too big, and does not end");
        postern_session_finish(session, "too-big", now);
    } else {
        stream_if_fast(session, now);
    }
    return consumed;
}
