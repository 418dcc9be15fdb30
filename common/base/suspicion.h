/*
 * The reasons for which a client is suspected: one table. Each reason has points, which an administrator may
 * change ([screen] points), and a text for the log and for people.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_REASON_EARLY_TALKER,
    POSTERN_REASON_EARLY_DATA,
    POSTERN_REASON_PIPELINING,
    POSTERN_REASON_HELO_OURS,
    POSTERN_REASON_HELO_LITERAL,
    POSTERN_REASON_NO_NAME,
    POSTERN_REASON_LISTED,
    POSTERN_REASON_REFUSED_RECIPIENT,
    POSTERN_REASON_ERROR,
    POSTERN_REASON_AUTH_FAILURE,
    POSTERN_REASON_REFUSED_MESSAGE,
    POSTERN_REASON_TIMEOUT,
    POSTERN_REASON_OVER_LIMIT,
    POSTERN_REASON_BLOCKED,
    POSTERN_REASONS,
} PosternReason;

typedef struct {
    const char *name; /* in the configuration and the log */
    guint points;
    gboolean lasts;    /* its points are remembered after the connection */
    const char *text;  /* the client …, for people */
    gboolean unworthy; /* a client of good standing loses that: what no wanted mail needs */
} PosternSuspicion;

/* By number. */
extern const PosternSuspicion postern_suspicions[POSTERN_REASONS];

/* "early_talker,error": those of mask; a new string. */
char *postern_suspicion_names(guint mask);

/* "REASON=POINTS" into both; FALSE: it is none. */
gboolean postern_suspicion_parse(const char *text, PosternReason *ret_reason, guint *ret_points);
