#include "base/slab.h"

#include <string.h>

#define BLOCK_ITEMS 64U

typedef struct {
    guint used;
    guint64 items[]; /* the first word of each is its number; 0: free */
} Block;

struct PosternSlab {
    gsize words; /* of an item */
    GDestroyNotify clear;
    GPtrArray *blocks; /* of Block *; NULL: empty */
    guint room;        /* no block before it has a free item */
    guint count;
    guint64 taken; /* so far */
};

PosternSlab *postern_slab_new(gsize octets, GDestroyNotify clear)
{
    PosternSlab *slab = g_new0(PosternSlab, 1);
    slab->words = (octets + sizeof(guint64) - 1) / sizeof(guint64);
    slab->clear = clear;
    slab->blocks = g_ptr_array_new_with_free_func(g_free);
    return slab;
}

static guint64 *item_at(const PosternSlab *slab, Block *block, guint place)
{
    return block->items + place * slab->words;
}

gpointer postern_slab_next(const PosternSlab *slab, guint *at)
{
    for (; *at < slab->blocks->len * BLOCK_ITEMS; (*at)++) {
        Block *block = g_ptr_array_index(slab->blocks, *at / BLOCK_ITEMS);
        if (block != NULL && *item_at(slab, block, *at % BLOCK_ITEMS) != 0)
            return item_at(slab, block, (*at)++ % BLOCK_ITEMS);
    }
    return NULL;
}

void postern_slab_free(PosternSlab *slab)
{
    guint at = 0;
    gpointer item;
    if (slab == NULL)
        return;
    while (slab->clear != NULL && (item = postern_slab_next(slab, &at)) != NULL)
        slab->clear(item);
    g_ptr_array_unref(slab->blocks);
    g_free(slab);
}

/* The first block with a free item. */
static Block *block_with_room(PosternSlab *slab)
{
    for (; slab->room < slab->blocks->len; slab->room++) {
        Block *block = g_ptr_array_index(slab->blocks, slab->room);
        if (block == NULL)
            break;
        if (block->used < BLOCK_ITEMS)
            return block;
    }
    Block *block = g_malloc0(sizeof(Block) + BLOCK_ITEMS * slab->words * sizeof(guint64));
    if (slab->room == slab->blocks->len)
        g_ptr_array_add(slab->blocks, block);
    else
        g_ptr_array_index(slab->blocks, slab->room) = block;
    return block;
}

gpointer postern_slab_take(PosternSlab *slab)
{
    if (slab->count == POSTERN_SLAB_ITEMS_MAX)
        return NULL;
    Block *block = block_with_room(slab);
    guint place = 0;
    while (*item_at(slab, block, place) != 0)
        place++;
    guint64 *item = item_at(slab, block, place);
    *item = ++slab->taken * POSTERN_SLAB_ITEMS_MAX + slab->room * BLOCK_ITEMS + place;
    block->used++;
    slab->count++;
    return item;
}

gpointer postern_slab_find(const PosternSlab *slab, guint64 number)
{
    guint slot = number % POSTERN_SLAB_ITEMS_MAX;
    Block *block =
        slot / BLOCK_ITEMS < slab->blocks->len ? g_ptr_array_index(slab->blocks, slot / BLOCK_ITEMS) : NULL;
    if (number == 0 || block == NULL)
        return NULL;
    guint64 *item = item_at(slab, block, slot % BLOCK_ITEMS);
    return *item == number ? item : NULL;
}

void postern_slab_give_back(PosternSlab *slab, guint64 number)
{
    guint64 *item = postern_slab_find(slab, number);
    guint index = number % POSTERN_SLAB_ITEMS_MAX / BLOCK_ITEMS;
    Block *block = g_ptr_array_index(slab->blocks, index);
    if (slab->clear != NULL)
        slab->clear(item);
    memset(item, 0, slab->words * sizeof(guint64));
    slab->room = MIN(slab->room, index);
    slab->count--;
    if (--block->used > 0)
        return;
    g_free(block);
    g_ptr_array_index(slab->blocks, index) = NULL;
}

guint postern_slab_count(const PosternSlab *slab)
{
    return slab->count;
}
