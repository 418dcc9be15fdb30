/*
 * What is in a leaf, beside an enclosed message: other messages of a mailbox, files in its text, members of a
 * container. walk.c walks the parts of a message, and these; what they find are leaves, or messages, again.
 */
#pragma once

#include "checks/content/walk_budget.h"

/* Where in what a part is. */
typedef struct {
    const PosternItem *parent;
    guint level;
    gboolean other; /* by another reading than the first of what it is in */
} PosternInside;

static inline PosternInside postern_inside_deeper(PosternInside inside)
{
    inside.level++;
    return inside;
}

/* walk.c: takes a leaf that does not stand in what is walked, or walks octets as a message. */
void postern_walk_leaf(PosternWalk *walk, const PosternItem *item, PosternInside inside);
void postern_walk_bytes(PosternWalk *walk, GBytes *bytes, PosternInside inside);

/* All that is in item, which was taken. */
void postern_walk_into(PosternWalk *walk, const PosternItem *item, PosternInside inside);
/* Files in text without MIME (embedded.h) alone. */
void postern_walk_embedded(PosternWalk *walk, const PosternItem *item, PosternInside inside);
/* Members of the container that item is, if it is one, alone. */
void postern_walk_container(PosternWalk *walk, const PosternItem *item, PosternInside inside);
