/*
 * What one walk over a message may still do: work is bounded by the octets of the message, whatever they are.
 * Whatever is not allowed is noted; most of it ends the walk.
 */
#pragma once

#include "checks/content/item.h"

typedef struct {
    PosternContentEngine *engine;
    PosternItemBudget *budget;
    const PosternItemVisitor *visitor;
    guint parts; /* that may still be walked, files in text too */
    guint parts_max;
    guint likely, unlikely; /* files that may still be guessed at in text */
    guint64 decoded;        /* octets that may still be decoded */
    guint64 looks;          /* lines compared with a boundary, and how many may be */
    guint64 looks_max;
    gboolean ended; /* no more is wanted or allowed */
} PosternWalk;

/* length: octets of the message. */
void postern_walk_begin(PosternWalk *walk, PosternContentEngine *engine, gsize length,
                        PosternItemBudget *budget, const PosternItemVisitor *visitor);

/* Tells the visitor. */
void postern_walk_note(const PosternWalk *walk, PosternVirusKind kind, const char *text);
/* "more than LIMIT WHAT": AMBIGUOUS. */
void postern_walk_note_limit(const PosternWalk *walk, guint limit, const char *what);

/* FALSE: so deep a level is not walked; the walk goes on. */
gboolean postern_walk_allow_level(const PosternWalk *walk, guint level);
gboolean postern_walk_allow_part(PosternWalk *walk);
/* One that text seems to hold; likely: by more than its letters. Nothing is noted: no text is unreadable
 * because it has many of them. */
gboolean postern_walk_allow_guess(PosternWalk *walk, gboolean likely);
/* Octets that are about to be decoded. */
gboolean postern_walk_allow_decoding(PosternWalk *walk, gsize length);
/* Text of length octets was unpacked: files in it may be decoded beside those of the message. */
void postern_walk_add_decoding(PosternWalk *walk, gsize length);

/* Lines may be looked at for so many octets more; and: whether they have been too many. */
void postern_walk_add_looks(PosternWalk *walk, gsize length);
void postern_walk_check_looks(PosternWalk *walk);

/* Hands an item to the visitor. FALSE: the walk has ended. */
gboolean postern_walk_take(PosternWalk *walk, const PosternItem *item);
