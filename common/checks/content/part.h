/*
 * What the header of a MIME part may say, by all that readers of mail make of it.
 */
#pragma once

#include "checks/content/decode.h"
#include "checks/content/engine.h"
#include "checks/content/item.h"
#include "checks/content/part_header.h"

typedef struct {
    GPtrArray *types;      /* of char *, NULL-terminated; the first is never NULL */
    GPtrArray *names;      /* of char *, NULL-terminated */
    GPtrArray *boundaries; /* of char * */
    char *charset;         /* of the first type that names one, or NULL */
    guint encodings;       /* mask, 1 << PosternContentEncoding; never 0 */
    gboolean attachment;
    gboolean multipart; /* by one reading, as the next four */
    gboolean digest;    /* its parts are messages if they do not say what they are */
    gboolean message;
    gboolean piece;
    gboolean text; /* a leaf that is shown */
    gboolean leaf; /* none of multipart and message */
    gboolean cut;  /* there are more values than are looked at */
} PosternPart;

/* default_message: without a type it is a message (RFC 2046 5.1.5). To be cleared. */
void postern_part_read(PosternContentEngine *engine, const PosternPartHeader *header,
                       gboolean default_message, PosternPart *part);
void postern_part_clear(PosternPart *part);
