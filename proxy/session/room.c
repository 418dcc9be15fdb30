#include "proxy/session/room.h"

#include "base/limits.h"

static PosternTransferRank rank_of(const PosternSession *session)
{
    const PosternScreen *screen = session->screen;
    if (session->core.authenticated || (screen != NULL && postern_screen_is_good(screen)))
        return POSTERN_TRANSFER_OF_GOOD;
    return screen != NULL && postern_screen_is_suspect(screen) ? POSTERN_TRANSFER_OF_SUSPECT
                                                               : POSTERN_TRANSFER_OF_ANYBODY;
}

gboolean postern_session_make_room(PosternSession *session, guint64 octets, gint64 now)
{
    const PosternTransaction *transaction = session->transaction;
    PosternBudget *budget = transaction != NULL ? transaction->budget : session->budget;
    return rank_of(session) != POSTERN_TRANSFER_OF_SUSPECT && postern_budget_may_hold(budget, octets) &&
           postern_transfers_make_room(session->settings->transfers,
                                       transaction != NULL ? transaction->transfer : NULL, now);
}

static guint64 held(const PosternTransaction *transaction)
{
    return transaction->message != NULL   ? postern_message_charged(transaction->message)
           : transaction->transit != NULL ? postern_transit_charged(transaction->transit)
                                          : 0;
}

/* A server in front times its own clients. */
void postern_session_note_room(PosternSession *session, guint64 octets, gint64 now)
{
    PosternTransaction *transaction = session->transaction;
    guint64 room = held(transaction);
    if (transaction->transfer == NULL && (room <= POSTERN_BUDGET_ASSURED_OCTETS || session->core.trusted))
        return;
    if (transaction->transfer == NULL)
        transaction->transfer = postern_transfer_new(session->settings->transfers, rank_of(session), now);
    postern_transfer_note(transaction->transfer, room, octets, now);
    if (postern_session_is_held_up(session))
        postern_transfer_wait(transaction->transfer);
}

void postern_session_forget_room(PosternTransaction *transaction)
{
    g_clear_pointer(&transaction->transfer, postern_transfer_free);
}

gboolean postern_session_heed_room(PosternSession *session, gint64 now)
{
    if (session->transaction == NULL || session->transaction->transfer == NULL ||
        !postern_transfer_must_go(session->transaction->transfer))
        return FALSE;
    postern_session_note_timeout(session, now);
    postern_session_reply(session, 421, "4.3.1",
                          "The message comes too slowly while others need the room, try again later");
    postern_session_finish(session, "no-room", now);
    return TRUE;
}
