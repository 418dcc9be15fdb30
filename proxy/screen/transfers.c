#include "proxy/screen/transfers.h"

#include <pthread.h>

#include "base/limits.h"

#define WINDOW_MS 1000 /* the least time that a rate is an average of */

typedef struct {
    PosternTransfersWake wake;
    gpointer user_data;
} Thread;

struct PosternTransfers {
    gint references; /* atomic */
    PosternBudget *budget;
    pthread_mutex_t lock; /* for all below, and for each of them */
    GQueue all;           /* of PosternTransfer *: those that hold memory, which bounds them */
    GArray *threads;      /* of Thread */
    guint serial;
};

struct PosternTransfer {
    PosternTransfers *transfers;
    GList link; /* in all */
    PosternTransferRank rank;
    guint64 held;
    gint64 window_from, last; /* when its octets were counted from, and came last */
    guint64 window_octets;
    guint64 rate;     /* octets a second, in the window before; G_MAXUINT64: there was none */
    guint64 promised; /* when it was chosen */
    gboolean chosen;
    gboolean waits;
    gboolean stays;
};

PosternTransfers *postern_transfers_new(PosternBudget *budget)
{
    PosternTransfers *transfers = g_new0(PosternTransfers, 1);
    transfers->references = 1;
    transfers->budget = postern_budget_ref(budget);
    pthread_mutex_init(&transfers->lock, NULL);
    transfers->threads = g_array_new(FALSE, FALSE, sizeof(Thread));
    return transfers;
}

PosternTransfers *postern_transfers_ref(PosternTransfers *transfers)
{
    g_atomic_int_inc(&transfers->references);
    return transfers;
}

void postern_transfers_unref(PosternTransfers *transfers)
{
    if (transfers == NULL || !g_atomic_int_dec_and_test(&transfers->references))
        return;
    g_assert(transfers->all.length == 0);
    g_array_unref(transfers->threads);
    pthread_mutex_destroy(&transfers->lock);
    postern_budget_unref(transfers->budget);
    g_free(transfers);
}

void postern_transfers_join(PosternTransfers *transfers, PosternTransfersWake wake, gpointer user_data)
{
    const Thread thread = {.wake = wake, .user_data = user_data};
    pthread_mutex_lock(&transfers->lock);
    g_array_append_val(transfers->threads, thread);
    pthread_mutex_unlock(&transfers->lock);
}

void postern_transfers_leave(PosternTransfers *transfers, gpointer user_data)
{
    pthread_mutex_lock(&transfers->lock);
    for (guint i = transfers->threads->len; i > 0; i--)
        if (g_array_index(transfers->threads, Thread, i - 1).user_data == user_data)
            g_array_remove_index_fast(transfers->threads, i - 1);
    pthread_mutex_unlock(&transfers->lock);
}

guint postern_transfers_serial(PosternTransfers *transfers)
{
    pthread_mutex_lock(&transfers->lock);
    guint serial = transfers->serial;
    pthread_mutex_unlock(&transfers->lock);
    return serial;
}

/* Octets a second; G_MAXUINT64: it is too early to say. */
static guint64 rate_of(const PosternTransfer *transfer, gint64 now)
{
    if (now - transfer->last >= POSTERN_DATA_STALLED_MS)
        return 0;
    gint64 window = now - transfer->window_from;
    guint64 rate = transfer->window_octets * 1000 / (guint64)MAX(window, WINDOW_MS);
    return window < WINDOW_MS ? MAX(rate, transfer->rate) : rate;
}

static gboolean is_slow(const PosternTransfer *transfer, gint64 now)
{
    return !transfer->waits && rate_of(transfer, now) < transfer->held / POSTERN_DATA_FULL_SECONDS;
}

static gboolean goes_before(const PosternTransfer *a, const PosternTransfer *b, gint64 now)
{
    guint64 rate_a = rate_of(a, now), rate_b = rate_of(b, now);
    if (a->rank != b->rank)
        return a->rank < b->rank;
    return rate_a != rate_b ? rate_a < rate_b : a->last < b->last;
}

static PosternTransfer *find_slowest(const PosternTransfers *transfers, const PosternTransfer *whose,
                                     gint64 now)
{
    PosternTransfer *slowest = NULL;
    for (GList *link = transfers->all.head; link != NULL; link = link->next) {
        PosternTransfer *transfer = link->data;
        if (transfer != whose && !transfer->chosen && !transfer->stays && is_slow(transfer, now) &&
            (slowest == NULL || goes_before(transfer, slowest, now)))
            slowest = transfer;
    }
    return slowest;
}

/* Those who are to act on it. */
static void wake_threads(const PosternTransfers *transfers)
{
    for (guint i = 0; i < transfers->threads->len; i++) {
        const Thread *thread = &g_array_index(transfers->threads, Thread, i);
        thread->wake(thread->user_data);
    }
}

gboolean postern_transfers_make_room(PosternTransfers *transfers, const PosternTransfer *whose, gint64 now)
{
    pthread_mutex_lock(&transfers->lock);
    PosternTransfer *slowest =
        whose == NULL || !is_slow(whose, now) ? find_slowest(transfers, whose, now) : NULL;
    gboolean made = slowest != NULL && postern_budget_promise(transfers->budget, slowest->held);
    if (made) {
        slowest->chosen = TRUE;
        slowest->promised = slowest->held;
        transfers->serial++;
        wake_threads(transfers);
    }
    pthread_mutex_unlock(&transfers->lock);
    return made;
}

PosternTransfer *postern_transfer_new(PosternTransfers *transfers, PosternTransferRank rank, gint64 now)
{
    PosternTransfer *transfer = g_new0(PosternTransfer, 1);
    transfer->transfers = postern_transfers_ref(transfers);
    transfer->link.data = transfer;
    transfer->rank = rank;
    transfer->window_from = transfer->last = now;
    transfer->rate = G_MAXUINT64;
    pthread_mutex_lock(&transfers->lock);
    g_queue_push_tail_link(&transfers->all, &transfer->link);
    pthread_mutex_unlock(&transfers->lock);
    return transfer;
}

static void keep_promise(PosternTransfer *transfer)
{
    postern_budget_keep_promise(transfer->transfers->budget, transfer->promised);
    transfer->promised = 0;
}

void postern_transfer_free(PosternTransfer *transfer)
{
    if (transfer == NULL)
        return;
    PosternTransfers *transfers = transfer->transfers;
    pthread_mutex_lock(&transfers->lock);
    g_queue_unlink(&transfers->all, &transfer->link);
    keep_promise(transfer);
    pthread_mutex_unlock(&transfers->lock);
    g_free(transfer);
    postern_transfers_unref(transfers);
}

void postern_transfer_note(PosternTransfer *transfer, guint64 held, guint64 octets, gint64 now)
{
    pthread_mutex_lock(&transfer->transfers->lock);
    gint64 window = now - transfer->window_from;
    if (transfer->waits) {
        transfer->window_from = now;
        transfer->window_octets = 0;
        transfer->rate = G_MAXUINT64;
    } else if (window >= WINDOW_MS) {
        transfer->rate = transfer->window_octets * 1000 / (guint64)window;
        transfer->window_from = now;
        transfer->window_octets = 0;
    }
    transfer->waits = FALSE;
    transfer->held = held;
    transfer->window_octets += octets;
    transfer->last = now;
    pthread_mutex_unlock(&transfer->transfers->lock);
}

void postern_transfer_wait(PosternTransfer *transfer)
{
    pthread_mutex_lock(&transfer->transfers->lock);
    transfer->waits = TRUE;
    pthread_mutex_unlock(&transfer->transfers->lock);
}

void postern_transfer_stays(PosternTransfer *transfer)
{
    pthread_mutex_lock(&transfer->transfers->lock);
    transfer->stays = TRUE;
    keep_promise(transfer); /* it was chosen too late: nobody else may count on its room */
    pthread_mutex_unlock(&transfer->transfers->lock);
}

gboolean postern_transfer_must_go(PosternTransfer *transfer)
{
    pthread_mutex_lock(&transfer->transfers->lock);
    gboolean must_go = transfer->chosen && !transfer->stays;
    pthread_mutex_unlock(&transfer->transfers->lock);
    return must_go;
}
