#include "proxy/screen/bucket.h"

#include <stdatomic.h>

#define SECOND_US G_GINT64_CONSTANT(1000000)

gint64 postern_bucket_take(PosternBucket *bucket, guint64 octets, guint64 rate, gint64 now)
{
    gint64 now_us = now * 1000;
    gint64 paid_at = atomic_load_explicit(&bucket->paid_at, memory_order_relaxed);
    gint64 later;
    if (rate == 0)
        return 0;
    do {
        later = MAX(paid_at, now_us - SECOND_US) + (gint64)(octets * (guint64)SECOND_US / rate);
    } while (octets > 0 && !atomic_compare_exchange_weak(&bucket->paid_at, &paid_at, later));
    return later > now_us ? (later - now_us + 999) / 1000 : 0;
}
