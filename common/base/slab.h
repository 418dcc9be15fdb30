/*
 * Items of one size, each found by a number that is never given out again: so whoever is told of one that is
 * gone by then finds nothing. They lie together in blocks, without a word of the allocator between them, and
 * a block that is empty is freed.
 */
#pragma once

#include <glib.h>

/* Items at once, at most; the least bits of a number. */
#define POSTERN_SLAB_ITEMS_MAX (1U << 20)

typedef struct PosternSlab PosternSlab;

/* Of items of octets each, which begin with their number (a guint64, for the caller to read); clear (or NULL)
 * is called for each that is given back, or there at the end. */
PosternSlab *postern_slab_new(gsize octets, GDestroyNotify clear);
void postern_slab_free(PosternSlab *slab);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternSlab, postern_slab_free)

/* A new item, zeroed but for its number, which is never 0. It stays where it is. NULL: there are
 * POSTERN_SLAB_ITEMS_MAX. */
gpointer postern_slab_take(PosternSlab *slab);
/* The item of number, or NULL: it was given back. */
gpointer postern_slab_find(const PosternSlab *slab, guint64 number);
/* Clears and gives back the item of number, which is there. */
void postern_slab_give_back(PosternSlab *slab, guint64 number);

/* Items now. */
guint postern_slab_count(const PosternSlab *slab);
/* The first item at or after *at (0 to begin), which moves behind it; NULL: no more. Items may come and go
 * meanwhile. */
gpointer postern_slab_next(const PosternSlab *slab, guint *at);
