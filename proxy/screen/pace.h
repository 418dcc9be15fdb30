/*
 * Octets that leave later, one after the other: what a suspect hears. Many hear the same, such as the reply
 * to EHLO, and share it. No clock.
 */
#pragma once

#include <glib.h>

/* So many octets leave at a time. */
typedef struct {
    guint interval_ms; /* between two times; 0: all leave at once */
    guint16 octets;
} PosternTrickle;

typedef struct {
    gint64 next;         /* when the next ones may leave; monotonic milliseconds */
    char *shared;        /* a GRefString: the octets; NULL: they are in octets */
    guint32 interval_ms; /* between two times */
    guint16 piece;       /* octets that leave at a time */
    guint16 length;      /* of octets */
    guint16 sent;        /* of them */
    guint8 is_greeting;  /* the client has to be silent until it begins to leave */
    char octets[];
} PosternPace;

/* octets, the caller's, leave from first on. NULL: they are too many to be kept. last, the caller's: the
 * octets that were shared last (a GRefString, or NULL at first), which are shared again if these are the
 * same. */
PosternPace *postern_pace_new(const char *octets, gsize length, gint64 first, PosternTrickle trickle,
                              char **last);
/* Of one that was moved to memory of the caller's: that is free again. */
void postern_pace_clear(PosternPace *pace);
/* NULL is allowed. */
void postern_pace_free(PosternPace *pace);
/* Others behind them, at the same pace. FALSE: they are too many. */
gboolean postern_pace_append(PosternPace *pace, const char *octets, gsize length);
/* Moves pace to memory of postern_pace_size() octets; what it was is freed if from_heap. */
PosternPace *postern_pace_move(PosternPace *pace, gpointer memory, gboolean from_heap);
/* Octets of memory that it takes, but for what is shared. */
gsize postern_pace_size(const PosternPace *pace);
/* Those that have not left, the first of them. */
const char *postern_pace_octets(const PosternPace *pace);
/* When it is looked after: many at the same time. */
gint64 postern_pace_deadline(const PosternPace *pace);
/* The octets that are left leave by trickle. */
void postern_pace_set(PosternPace *pace, PosternTrickle trickle);
/* How many octets may leave now. */
gsize postern_pace_due(const PosternPace *pace, gint64 now);
/* So many of those that were due have left; FALSE: there are more. */
gboolean postern_pace_is_done_after(PosternPace *pace, gsize length, gint64 now);
