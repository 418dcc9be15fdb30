/*
 * A sliding window that all threads share without a lock: as rate.h, by slots of an eighth of it. A limit is
 * never exceeded; threads that ask for the last ones at the same moment may both be refused.
 */
#pragma once

#include "proxy/screen/rate.h"

/* Zeroed: nothing yet. */
typedef struct {
    _Atomic guint64 slots[POSTERN_RATE_SLOTS + 1]; /* of each its number, in the upper half, and how many */
} PosternSharedRate;

/* How many in the window before now (monotonic milliseconds, here and below). window_ms is the same in all
 * calls. */
guint64 postern_shared_rate_value(PosternSharedRate *rate, gint64 now, guint window_ms);
/* Number more have happened. */
void postern_shared_rate_add(PosternSharedRate *rate, guint number, gint64 now, guint window_ms);
/* One more is wanted: TRUE, and it is counted; or FALSE: there are limit in the window. */
gboolean postern_shared_rate_take(PosternSharedRate *rate, guint64 limit, gint64 now, guint window_ms);
/* One that was taken at now did not happen. */
void postern_shared_rate_give_back(PosternSharedRate *rate, gint64 now, guint window_ms);
