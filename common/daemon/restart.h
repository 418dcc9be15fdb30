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
/*
 * It has ended at now, or could not be started, as how says: what the log is told of it, a new string, or
 * NULL if that is no news, for it keeps ending.
 */
char *postern_restart_note_end(PosternRestart *restart, const char *how, gint64 now);
/* TRUE if it may be started at now. */
gboolean postern_restart_is_due(const PosternRestart *restart, gint64 now);
