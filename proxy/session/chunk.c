#include "base/limits.h"
#include "proxy/session/private.h"

static gboolean is_skipped(const PosternSession *session)
{
    return session->transaction == NULL || session->transaction->answer != NULL;
}

/* What the client hears of a chunk that was taken, and is not the last. */
static void answer_chunk(PosternSession *session, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    if (transaction->answer == NULL && postern_session_refuses_octets(session)) {
        g_autofree char *reply = postern_session_finish_reply(session, transaction->mail_case->reply);
        postern_session_answer_message(session, reply, now);
    }
    postern_session_set_state(session, POSTERN_SESSION_BETWEEN_CHUNKS, now);
    if (transaction->answer == NULL) {
        postern_session_reply(session, 250, "2.0.0", "%" G_GUINT64_FORMAT " octets received",
                              session->chunk.octets);
    } else {
        g_string_append(session->output, transaction->answer);
        g_free(transaction->last_refusal);
        transaction->last_refusal = g_strdup(transaction->answer);
    }
}

static void end_chunk(PosternSession *session, gint64 now)
{
    PosternChunk *chunk = &session->chunk;
    g_autofree char *refusal = g_steal_pointer(&chunk->refusal);
    if (session->transaction == NULL) {
        postern_session_set_state(session, POSTERN_SESSION_COMMAND, now);
        g_string_append(session->output, refusal);
    } else if (chunk->last) {
        postern_session_end_message(session, now);
    } else {
        answer_chunk(session, now);
    }
    postern_session_watch_hold(session, now);
    if (refusal != NULL && refusal[0] == '5')
        postern_session_count_error(session, TRUE, now);
}

/* Why none of the octets that follow is taken, or NULL. */
static const char *refusal_of(PosternSession *session, gboolean more, gint64 now)
{
    if (!postern_session_offers(session, POSTERN_CAPABILITY_CHUNKING))
        return "502 5.5.1 CHUNKING is not offered here";
    if (more)
        return "501 5.5.4 Syntax: BDAT octets [LAST]";
    return session->transaction->chunks ? NULL : postern_session_begin_message(session, TRUE, now);
}

/* Octets of a message are never read as commands: those of a chunk that is refused are taken too (RFC 3030
 * 2), and what comes after it, without them, would be another message. */
void postern_session_bdat(PosternSession *session, const PosternCommand *command, const char *refusal,
                          gint64 now)
{
    PosternChunk *chunk = &session->chunk;
    PosternTransaction *transaction = session->transaction;
    int form = postern_command_chunk(command, &chunk->octets, &chunk->last);
    if (form < 0) {
        postern_session_reply(session, 521, "5.5.4", "BDAT needs the number of octets that follow");
        postern_session_finish(session, "bdat", now);
        return;
    }
    chunk->left = chunk->octets;
    if (refusal == NULL)
        refusal = refusal_of(session, form == 0, now);
    if (transaction != NULL)
        transaction->chunks = TRUE;
    postern_session_set_state(session, POSTERN_SESSION_CHUNK, now);
    if (refusal != NULL) {
        g_free(chunk->refusal);
        chunk->refusal = postern_session_finish_reply(session, refusal);
        if (transaction != NULL && transaction->answer == NULL)
            postern_session_answer_message(session, chunk->refusal, now);
    }
    if (chunk->left == 0)
        end_chunk(session, now);
}

gsize postern_session_receive_chunk(PosternSession *session, const char *octets, gsize length, gint64 now)
{
    PosternChunk *chunk = &session->chunk;
    gsize part = MIN(length, MIN(chunk->left, POSTERN_READ_MAX_OCTETS));
    gboolean skipped = is_skipped(session);
    gsize taken = skipped ? part : postern_session_receive_data(session, octets, part, now);
    chunk->left -= taken;
    if (session->state != POSTERN_SESSION_CHUNK)
        return taken;
    if (skipped && chunk->octets - chunk->left > session->settings->configuration->proxy.message_size) {
        postern_session_reply(session, 521, "5.3.4", "The chunk is too big");
        postern_session_finish(session, "too-big", now);
    } else if (chunk->left == 0) {
        end_chunk(session, now);
    }
    return taken;
}
