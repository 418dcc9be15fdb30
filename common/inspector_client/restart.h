/*
 * When a process that has ended is started again: at once the first time, then after pauses that double up to
 * POSTERN_RESTART_PAUSE_MAX_MS; one that has run for as long counts as well again. Pure; times are monotonic
 * microseconds.
 */
#pragma once

#include <glib.h>

typedef struct {
    gint64 started; /* last */
    gint64 not_before;
    guint failures; /* one after the other */
} PosternRestart;

/* It was started at now. */
void postern_restart_note_start(PosternRestart *restart, gint64 now);
/* It has ended, or could not be started. TRUE: that is worth a line in the log, a change of state. */
gboolean postern_restart_note_end(PosternRestart *restart, gint64 now);
/* TRUE if it may be started at now. */
gboolean postern_restart_is_due(const PosternRestart *restart, gint64 now);
/* TRUE if it has ended several times, one after the other. */
gboolean postern_restart_keeps_failing(const PosternRestart *restart);
