/*
 * Messages of all threads that come in and hold memory: if another finds no room, the slowest goes. Who is
 * not slow stays, whatever others want. Any thread may call any of these.
 */
#pragma once

#include <glib.h>

#include "base/budget.h"

typedef struct PosternTransfers PosternTransfers;
typedef struct PosternTransfer PosternTransfer;

typedef void (*PosternTransfersWake)(gpointer user_data);

/* Whose go first. */
typedef enum {
    POSTERN_TRANSFER_OF_SUSPECT,
    POSTERN_TRANSFER_OF_ANYBODY,
    POSTERN_TRANSFER_OF_GOOD, /* who had a message accepted before, or has logged in */
} PosternTransferRank;

/* The caller's reference. */
PosternTransfers *postern_transfers_new(PosternBudget *budget);
PosternTransfers *postern_transfers_ref(PosternTransfers *transfers);
void postern_transfers_unref(PosternTransfers *transfers);

/* From now on wake(user_data), which waits for nothing, is called when some are to go, from any thread. */
void postern_transfers_join(PosternTransfers *transfers, PosternTransfersWake wake, gpointer user_data);
void postern_transfers_leave(PosternTransfers *transfers, gpointer user_data);
/* Grows when one more is to go. */
guint postern_transfers_serial(PosternTransfers *transfers);
/*
 * The slowest is to go: its octets may be taken from the budget now. whose: the one that wants room, or NULL;
 * it is never chosen, and gets nothing if it is slow itself. FALSE: none is slow.
 */
gboolean postern_transfers_make_room(PosternTransfers *transfers, const PosternTransfer *whose, gint64 now);

/* One that begins; a reference to transfers is taken. now: monotonic milliseconds, here and below. */
PosternTransfer *postern_transfer_new(PosternTransfers *transfers, PosternTransferRank rank, gint64 now);
/* The message is gone, or whole: just before what it holds is given back. NULL is allowed. */
void postern_transfer_free(PosternTransfer *transfer);
/* It holds so many octets of the budget, and so many have come since the last call. */
void postern_transfer_note(PosternTransfer *transfer, guint64 held, guint64 octets, gint64 now);
/* It is for us, and not for its client, to go on, until the next octets come. */
void postern_transfer_wait(PosternTransfer *transfer);
/* It is whole: it stays. */
void postern_transfer_stays(PosternTransfer *transfer);
/* TRUE: it was chosen. */
gboolean postern_transfer_must_go(PosternTransfer *transfer);
