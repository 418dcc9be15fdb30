#include "proxy/screen/shared_rate.h"

#include <stdatomic.h>

#define COUNTS (POSTERN_RATE_SLOTS + 1)

static guint32 slot_at(gint64 now, guint window_ms)
{
    return (guint32)postern_rate_slot(now, window_ms);
}

static guint32 slot_of(guint64 packed)
{
    return (guint32)(packed >> 32);
}

static guint32 count_of(guint64 packed)
{
    return (guint32)packed;
}

/* Slots that a is later than b; their numbers wrap. */
static gint32 later(guint32 a, guint32 b)
{
    return (gint32)(a - b);
}

guint64 postern_shared_rate_value(PosternSharedRate *rate, gint64 now, guint window_ms)
{
    guint64 value = 0;
    for (guint i = 0; i < COUNTS; i++) {
        guint64 packed = atomic_load(&rate->slots[i]);
        if (later(slot_at(now, window_ms), slot_of(packed)) < COUNTS) /* the clock of another may be ahead */
            value += count_of(packed);
    }
    return value;
}

void postern_shared_rate_add(PosternSharedRate *rate, guint number, gint64 now, guint window_ms)
{
    const guint32 slot = slot_at(now, window_ms);
    _Atomic guint64 *place = &rate->slots[slot % COUNTS];
    guint64 packed = atomic_load(place), next;
    do {
        gboolean over = later(slot, slot_of(packed)) > 0;
        guint64 count = MIN((over ? 0 : count_of(packed)) + (guint64)number, G_MAXUINT32);
        next = (guint64)(over ? slot : slot_of(packed)) << 32 | count;
    } while (!atomic_compare_exchange_weak(place, &packed, next));
}

gboolean postern_shared_rate_take(PosternSharedRate *rate, guint64 limit, gint64 now, guint window_ms)
{
    postern_shared_rate_add(rate, 1, now, window_ms);
    if (postern_shared_rate_value(rate, now, window_ms) <= limit)
        return TRUE;
    postern_shared_rate_give_back(rate, now, window_ms);
    return FALSE;
}

void postern_shared_rate_give_back(PosternSharedRate *rate, gint64 now, guint window_ms)
{
    const guint32 slot = slot_at(now, window_ms);
    _Atomic guint64 *place = &rate->slots[slot % COUNTS];
    guint64 packed = atomic_load(place);
    do {
        if (later(slot, slot_of(packed)) > 0 || count_of(packed) == 0)
            return;
    } while (!atomic_compare_exchange_weak(place, &packed, packed - 1));
}
