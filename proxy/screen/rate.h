/*
 * How often something happened in a sliding window of time. What happened is counted by slots of an eighth
 * of the window, and a slot counts as a whole until all of it is over. So with E(t) for the exact number in
 * the last t milliseconds:
 *
 *     E(window_ms) <= postern_rate_value() <= E(window_ms * 9 / 8 + 9)
 *
 * A limit is therefore never exceeded by a single one in any window, wherever it begins; whoever has reached
 * it has to wait at most an eighth of the window longer than it would have to by exact time stamps.
 */
#pragma once

#include <glib.h>

#define POSTERN_RATE_SLOTS 8 /* that a window is long */

/* Zeroed: nothing yet. */
typedef struct {
    gint64 slot; /* the one that was counted in last, by number: it never wraps */
    guint32 counts[POSTERN_RATE_SLOTS + 1];
} PosternRate;

/* The number of the slot that now (monotonic milliseconds) is in. */
static inline gint64 postern_rate_slot(gint64 now, guint window_ms)
{
    return now / ((window_ms + POSTERN_RATE_SLOTS - 1) / POSTERN_RATE_SLOTS);
}

/* How many in the window before now (monotonic milliseconds). window_ms is the same in all calls. */
guint postern_rate_value(const PosternRate *rate, gint64 now, guint window_ms);
/* Number more now; it stays at what there is room for. A now before that of the last call is that one. */
void postern_rate_add(PosternRate *rate, guint number, gint64 now, guint window_ms);
