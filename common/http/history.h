/*
 * The last day of a program, by quarters of an hour, out of what it counts. One thread.
 */
#pragma once

#include "base/counters.h"

#define POSTERN_HISTORY_SLOTS 96
#define POSTERN_HISTORY_SLOT_SECONDS (15 * 60)

/* What became of messages. */
typedef enum {
    POSTERN_SERIES_ACCEPTED,
    POSTERN_SERIES_HELD,     /* quarantine, discard */
    POSTERN_SERIES_DEFERRED, /* tempfail */
    POSTERN_SERIES_REFUSED,  /* reject */
    POSTERN_SERIES_FAILED,   /* the mail server refused them, or was lost */
    POSTERN_SERIES,
} PosternSeries;

extern const char *const postern_series_names[POSTERN_SERIES];

typedef struct PosternHistory PosternHistory;

PosternHistory *postern_history_new(void);
void postern_history_free(PosternHistory *history);

/* Now and then: takes over what was counted. now: monotonic microseconds. */
void postern_history_look(PosternHistory *history, const PosternCounters *counters, gint64 now);

/* The messages of a slot, 0 for the current one, 1 for the quarter of an hour before. */
guint64 postern_history_read(const PosternHistory *history, guint ago, PosternSeries series);

/* All messages so far. */
void postern_history_totals(const PosternCounters *counters, guint64 ret_totals[POSTERN_SERIES]);
