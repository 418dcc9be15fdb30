#include "proxy/session/transit.h"

#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "mail/header.h"

#define FIRST_BLOCK_OCTETS 4096
#define LENT_MAX 8
#define SMALL_MAX_OCTETS 32

typedef struct Block Block;
struct Block {
    Block *next;
    gsize start, end, size; /* of octets: the first that waits, the end of those that do, their room */
    char octets[];
};

struct PosternTransit {
    guint references;
    PosternBudget *budget;
    guint64 charged;
    guint64 expected;
    guint64 size;
    guint64 stored; /* octets that wait in blocks */
    Block *head, *tail;
    Block *spare;                /* the one that was emptied last, or NULL */
    struct iovec lent[LENT_MAX]; /* behind the blocks */
    int lent_count;
    guint64 lent_octets;
    char small[SMALL_MAX_OCTETS]; /* what lent pieces point to that does not last itself */
    gsize small_used;
    PosternHeaderPlace place;
    gsize header_octets;  /* with the empty line, once place is POSTERN_HEADER_ENDED */
    gboolean within_line; /* the last octet was no line end */
    gboolean started;
    gboolean ended;
};

PosternTransit *postern_transit_new(guint64 expected, PosternBudget *budget)
{
    PosternTransit *transit = postern_new_zeroed(PosternTransit);
    transit->references = 1;
    transit->budget = postern_budget_ref(budget);
    transit->expected = expected;
    return transit;
}

PosternTransit *postern_transit_ref(PosternTransit *transit)
{
    transit->references++;
    return transit;
}

void postern_transit_unref(PosternTransit *transit)
{
    if (transit == NULL || --transit->references > 0)
        return;
    for (Block *block = transit->head; block != NULL;) {
        Block *next = block->next;
        g_free(block);
        block = next;
    }
    g_free(transit->spare);
    postern_budget_release(transit->budget, transit->charged);
    postern_budget_unref(transit->budget);
    g_free(transit);
}

/* Charges for octets in all, in steps: what all threads share is touched seldom. */
static gboolean charge(PosternTransit *transit, guint64 octets)
{
    guint64 step =
        octets < POSTERN_MESSAGE_CHUNK_OCTETS ? POSTERN_MESSAGE_PAGE_OCTETS : POSTERN_MESSAGE_CHUNK_OCTETS;
    guint64 steps[] = {(octets + step - 1) / step * step, octets};
    for (guint i = 0; i < G_N_ELEMENTS(steps) && octets > transit->charged; i++)
        if (postern_budget_reserve(transit->budget, steps[i] - transit->charged))
            transit->charged = steps[i];
    return octets <= transit->charged;
}

gboolean postern_transit_reserve(PosternTransit *transit, guint64 octets)
{
    return charge(transit, octets);
}

static void follow_header(PosternTransit *transit, const char *octets, gsize length)
{
    gsize last = 0;
    if (postern_header_find_end(&transit->place, octets, length, &last))
        transit->header_octets = transit->stored + last;
}

/* The last block, with room for an octet at least; NULL: no memory. One more, but the header stays in one. */
static Block *block_with_room(PosternTransit *transit, gsize wanted)
{
    Block *last = transit->tail;
    gboolean grows = last != NULL && last == transit->head && transit->place != POSTERN_HEADER_ENDED;
    if (last != NULL && last->end < last->size)
        return last;
    gsize size = POSTERN_MESSAGE_CHUNK_OCTETS;
    if (last == NULL)
        size = CLAMP(MAX(wanted, transit->expected), FIRST_BLOCK_OCTETS, POSTERN_MESSAGE_CHUNK_OCTETS);
    else if (grows)
        size = 2 * last->size;
    Block *block = grows ? g_try_realloc(last, sizeof *block + size) : g_steal_pointer(&transit->spare);
    if (block == NULL && !grows)
        block = g_try_malloc(sizeof *block + size);
    if (block == NULL)
        return NULL;
    if (!grows)
        *block = (Block){.next = NULL};
    block->size = size;
    if (last == NULL || grows)
        transit->head = block;
    else
        last->next = block;
    transit->tail = block;
    return block;
}

static gboolean store(PosternTransit *transit, const char *octets, gsize length)
{
    if (!charge(transit, transit->stored + length))
        return FALSE;
    while (length > 0) {
        Block *block = block_with_room(transit, length);
        if (block == NULL)
            return FALSE;
        gsize part = MIN(length, block->size - block->end);
        memcpy(block->octets + block->end, octets, part);
        follow_header(transit, octets, part);
        block->end += part;
        transit->stored += part;
        octets += part;
        length -= part;
    }
    return TRUE;
}

gboolean postern_transit_settle(PosternTransit *transit)
{
    int count = transit->lent_count;
    transit->lent_count = 0;
    transit->lent_octets = transit->small_used = 0;
    for (int i = 0; i < count; i++)
        if (!store(transit, transit->lent[i].iov_base, transit->lent[i].iov_len))
            return FALSE;
    return TRUE;
}

/* Puts octets at the end as they are. lasts: they do so until they are settled. */
static gboolean put(PosternTransit *transit, const char *octets, gsize length, gboolean lasts)
{
    if (!transit->started)
        return store(transit, octets, length);
    gsize copied = lasts ? 0 : length;
    if ((transit->lent_count == LENT_MAX || transit->small_used + copied > SMALL_MAX_OCTETS) &&
        !postern_transit_settle(transit))
        return FALSE;
    if (copied > SMALL_MAX_OCTETS)
        return store(transit, octets, length);
    if (copied > 0)
        octets = memcpy(transit->small + transit->small_used, octets, copied);
    transit->small_used += copied;
    transit->lent[transit->lent_count++] =
        (struct iovec){.iov_base = GSIZE_TO_POINTER((guintptr)octets), .iov_len = length};
    transit->lent_octets += length;
    return TRUE;
}

/* Octets of which none but the first may be a dot at the start of a line. */
static gboolean put_run(PosternTransit *transit, const char *octets, gsize length, gboolean lasts)
{
    gboolean dot = !transit->within_line && octets[0] == '.';
    if ((dot && !put(transit, ".", 1, TRUE)) || !put(transit, octets, length, lasts))
        return FALSE;
    transit->within_line = octets[length - 1] != '\n';
    transit->size += length;
    return TRUE;
}

gboolean postern_transit_pass(PosternTransit *transit, const char *octets, gsize length)
{
    return length == 0 || put_run(transit, octets, length, TRUE);
}

gboolean postern_transit_add(PosternTransit *transit, const char *octets, gsize length)
{
    while (length > 0) {
        const char *newline = memchr(octets, '\n', length);
        gsize line = newline != NULL ? (gsize)(newline + 1 - octets) : length;
        if (!put_run(transit, octets, line, FALSE))
            return FALSE;
        octets += line;
        length -= line;
    }
    return TRUE;
}

void postern_transit_end(PosternTransit *transit)
{
    transit->ended = TRUE;
}

guint64 postern_transit_size(const PosternTransit *transit)
{
    return transit->size;
}

guint64 postern_transit_waiting(const PosternTransit *transit)
{
    return transit->stored + transit->lent_octets;
}

guint64 postern_transit_charged(const PosternTransit *transit)
{
    return transit->charged;
}

gboolean postern_transit_header_complete(const PosternTransit *transit)
{
    return transit->place == POSTERN_HEADER_ENDED;
}

const char *postern_transit_header(const PosternTransit *transit, gsize *ret_length)
{
    *ret_length = 0;
    if (transit->head == NULL)
        return "";
    *ret_length = transit->place == POSTERN_HEADER_ENDED ? transit->header_octets : transit->head->end;
    return transit->head->octets;
}

void postern_transit_start(PosternTransit *transit)
{
    transit->started = TRUE;
}

int postern_transit_pieces(const PosternTransit *transit, struct iovec *ret_pieces, int maximum)
{
    int count = 0;
    for (Block *block = transit->head; block != NULL && count < maximum; block = block->next)
        if (block->end > block->start)
            ret_pieces[count++] = (struct iovec){block->octets + block->start, block->end - block->start};
    for (int i = 0; i < transit->lent_count && count < maximum; i++)
        ret_pieces[count++] = transit->lent[i];
    return count;
}

/* The first block, which is empty, is not needed; one is kept for what comes. */
static void drop_head(PosternTransit *transit)
{
    Block *block = transit->head;
    transit->head = block->next;
    if (transit->head == NULL)
        transit->tail = NULL;
    if (transit->spare == NULL && block->size == POSTERN_MESSAGE_CHUNK_OCTETS && !transit->ended)
        transit->spare = block;
    else
        g_free(block);
}

static void drop_lent(PosternTransit *transit, gsize length)
{
    int gone = 0;
    transit->lent_octets -= length;
    for (; gone < transit->lent_count && length >= transit->lent[gone].iov_len; gone++)
        length -= transit->lent[gone].iov_len;
    transit->lent_count -= gone;
    memmove(transit->lent, transit->lent + gone, (gsize)transit->lent_count * sizeof transit->lent[0]);
    if (transit->lent_count == 0) {
        transit->small_used = 0;
        return;
    }
    transit->lent[0].iov_base = (char *)transit->lent[0].iov_base + length;
    transit->lent[0].iov_len -= length;
}

void postern_transit_take(PosternTransit *transit, gsize length)
{
    while (transit->head != NULL && length > 0) {
        Block *block = transit->head;
        gsize part = MIN(length, block->end - block->start);
        block->start += part;
        transit->stored -= part;
        length -= part;
        if (block->start == block->end)
            drop_head(transit);
    }
    if (length > 0)
        drop_lent(transit, length);
    guint64 needed = transit->stored + POSTERN_MESSAGE_CHUNK_OCTETS;
    if (transit->charged > needed) {
        postern_budget_release(transit->budget, transit->charged - needed);
        transit->charged = needed;
    }
}

gboolean postern_transit_has_ended(const PosternTransit *transit)
{
    return transit->ended;
}
