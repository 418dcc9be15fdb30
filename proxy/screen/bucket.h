/*
 * A token bucket that all threads share without a lock: octets are taken when they have come, and paid for at
 * its rate; a second's worth may come ahead (the generic cell rate algorithm).
 */
#pragma once

#include <glib.h>

/* The time at which all that was taken is paid for, in microseconds; 0 at first. */
typedef struct {
    _Atomic gint64 paid_at;
} PosternBucket;

/* Takes octets (0: none) at rate octets a second (0: any). Milliseconds until more may be taken, 0: at once.
 * now: monotonic milliseconds. */
gint64 postern_bucket_take(PosternBucket *bucket, guint64 octets, guint64 rate, gint64 now);
