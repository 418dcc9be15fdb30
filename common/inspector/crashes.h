/*
 * A record of when crashes happened, to count those of the last while.
 */
#pragma once

#include <glib.h>

#define POSTERN_CRASHES_KEPT 32

typedef struct {
    gint64 times[POSTERN_CRASHES_KEPT]; /* monotonic microseconds; 0: none */
    guint next;
} PosternCrashes;

/* Notes a crash at now (over 0); the oldest of POSTERN_CRASHES_KEPT is forgotten. */
void postern_crashes_note(PosternCrashes *crashes, gint64 now);
/* How many there were since now - window. */
guint postern_crashes_count(const PosternCrashes *crashes, gint64 now, gint64 window);
void postern_crashes_clear(PosternCrashes *crashes);
