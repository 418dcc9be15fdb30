/*
 * Many deadlines under one timer: which is the next? A heap; each deadline is embedded in what it is of, and
 * costs a pointer more while it is set.
 */
#pragma once

#include <glib.h>

typedef struct {
    gint64 at;   /* monotonic milliseconds, while it is set */
    guint place; /* in the heap, from 1; 0: it is not set */
} PosternDeadline;

typedef struct PosternDeadlines PosternDeadlines;

PosternDeadlines *postern_deadlines_new(void);
/* Those that are set are forgotten. */
void postern_deadlines_free(PosternDeadlines *deadlines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternDeadlines, postern_deadlines_free)

/* Sets deadline (zeroed at first; it must not move or go while it is set), in place of what it was;
 * G_MAXINT64: it is not set any more. */
void postern_deadlines_set(PosternDeadlines *deadlines, PosternDeadline *deadline, gint64 at);
/* When the next one passes; G_MAXINT64: none is set. */
gint64 postern_deadlines_next(const PosternDeadlines *deadlines);
/* The first one that has passed by now, which stays set; NULL: there is none. */
PosternDeadline *postern_deadlines_passed(const PosternDeadlines *deadlines, gint64 now);
