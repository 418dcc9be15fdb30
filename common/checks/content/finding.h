/*
 * What a message is made of (MIME).
 */
#pragma once

#include <glib.h>

typedef struct {
    char *name;   /* file name as decoded, UTF-8, or NULL */
    char *type;   /* media type, "application/zip" */
    guint64 size; /* octets decoded */
} PosternAttachment;

typedef struct {
    GPtrArray *attachments; /* of PosternAttachment *, at most POSTERN_ATTACHMENTS_REPORTED_MAX; never NULL */
    guint count;            /* all of them */
    char *problem;          /* a MIME limit that was met, or NULL */
} PosternContentFinding;
