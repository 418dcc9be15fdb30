/*
 * The leaves of a message: what a reader of mail shows or saves, each with the octets that it is made of.
 */
#pragma once

#include "checks/content/item.h"
#include "checks/content/part.h"

typedef struct {
    PosternItemKind kind;
    PosternContentEncoding encoding;
    gsize start, length; /* its encoded octets, in those of the message */
    char *name;          /* or NULL */
    char *type;
    char *charset; /* or NULL */
    gboolean attachment;
} PosternContentLeaf;

/*
 * Appends to leaves (of PosternContentLeaf, cleared by postern_content_leaf_clear) those of the message, in
 * order. Returns the limit that the walk met, a new string, or NULL.
 */
char *postern_content_leaves(PosternContentEngine *engine, const char *octets, gsize length, GArray *leaves);
void postern_content_leaf_clear(gpointer leaf);
