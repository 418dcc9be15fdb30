/*
 * The leaves of a message: what a reader of mail shows or saves, each with the octets that it is made of.
 */
#pragma once

#include "checks/check.h"
#include "checks/content/part.h"

typedef enum {
    POSTERN_LEAF_FILE,
    POSTERN_LEAF_TEXT,    /* text/plain without a name: shown, not saved */
    POSTERN_LEAF_MESSAGE, /* an enclosed message that is encoded, so that the walk does not go into it */
    POSTERN_LEAF_PIECE,   /* message/partial: the rest of it is elsewhere (RFC 2046 5.2.2) */
} PosternLeafKind;

typedef struct {
    PosternLeafKind kind;
    PosternContentEncoding encoding;
    gsize start, length; /* its encoded octets, in those of the message */
} PosternContentLeaf;

/*
 * The same walk as that of the content check: appends to leaves (of PosternContentLeaf) those that are not
 * empty, in order. Returns the limit that the walk met, a new string, or NULL.
 */
char *postern_content_leaves(PosternContentEngine *engine, const char *octets, gsize length, GArray *leaves);
