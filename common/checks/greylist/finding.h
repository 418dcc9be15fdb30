/*
 * Greylisting: whether somebody known sends, or has to come back later.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_GREYLIST_NOT_CHECKED,
    POSTERN_GREYLIST_PASSED,  /* it has come back before */
    POSTERN_GREYLIST_NEW,     /* nobody knows it */
    POSTERN_GREYLIST_WAITING, /* it is back too early */
    POSTERN_GREYLIST_FAILED,  /* the store could not tell: nothing is refused for that */
} PosternGreylistResult;

typedef struct {
    guint result;   /* PosternGreylistResult */
    guint seconds;  /* NEW, WAITING: that it has to wait */
    char *identity; /* "domain:example.org", "network:192.0.2.0/24": who was looked for; or NULL */
} PosternGreylistFinding;
