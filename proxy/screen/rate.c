#include "proxy/screen/rate.h"

#define COUNTS (POSTERN_RATE_SLOTS + 1) /* the window may begin and end within a slot */

/* How many slots have begun since the one that was counted in last. */
static guint slots_since(const PosternRate *rate, gint64 now, guint window_ms)
{
    return (guint)CLAMP(postern_rate_slot(now, window_ms) - rate->slot, 0, COUNTS);
}

static guint32 *count_of(PosternRate *rate, gint64 slot)
{
    return &rate->counts[slot % COUNTS];
}

guint postern_rate_value(const PosternRate *rate, gint64 now, guint window_ms)
{
    guint64 value = 0;
    for (guint back = 0; back + slots_since(rate, now, window_ms) < COUNTS; back++)
        value += rate->counts[(rate->slot + COUNTS - back) % COUNTS];
    return (guint)MIN(value, G_MAXUINT);
}

void postern_rate_add(PosternRate *rate, guint number, gint64 now, guint window_ms)
{
    guint since = slots_since(rate, now, window_ms);
    for (guint i = 1; i <= since; i++)
        *count_of(rate, rate->slot + i) = 0;
    if (since > 0)
        rate->slot = postern_rate_slot(now, window_ms);
    guint32 *count = count_of(rate, rate->slot);
    *count = (guint32)MIN((guint64)*count + number, G_MAXUINT32);
}
