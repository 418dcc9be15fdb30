#include "base/slab.h"

#include <string.h>

#define BLOCK_ITEMS 64U

typedef struct {
    guint64 numbers[BLOCK_ITEMS]; /* 0: free */
    guint used;
    guint64 items[];
} Block;

struct PosternSlab {
    gsize octets; /* of an item, whole words */
    GDestroyNotify clear;
    GPtrArray *blocks; /* of Block *; NULL: empty */
    guint room;        /* no block before it has a free item */
    guint count;
    guint64 taken; /* so far */
};

PosternSlab *postern_slab_new(gsize octets, GDestroyNotify clear)
{
    PosternSlab *slab = g_new0(PosternSlab, 1);
    slab->octets = (octets + sizeof(guint64) - 1) / sizeof(guint64) * sizeof(guint64);
    slab->clear = clear;
    slab->blocks = g_ptr_array_new_with_free_func(g_free);
    return slab;
}

static gpointer item_at(const PosternSlab *slab, Block *block, guint place)
{
    return (char *)block->items + place * slab->octets;
}

gpointer postern_slab_next(const PosternSlab *slab, guint *at)
{
    for (; *at < slab->blocks->len * BLOCK_ITEMS; (*at)++) {
        Block *block = g_ptr_array_index(slab->blocks, *at / BLOCK_ITEMS);
        if (block != NULL && block->numbers[*at % BLOCK_ITEMS] != 0)
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
    Block *block = g_malloc0(sizeof(Block) + BLOCK_ITEMS * slab->octets);
    if (slab->room == slab->blocks->len)
        g_ptr_array_add(slab->blocks, block);
    else
        g_ptr_array_index(slab->blocks, slab->room) = block;
    return block;
}

gpointer postern_slab_take(PosternSlab *slab, guint64 *ret_number)
{
    if (slab->count == POSTERN_SLAB_ITEMS_MAX)
        return NULL;
    Block *block = block_with_room(slab);
    guint place = 0;
    while (block->numbers[place] != 0)
        place++;
    *ret_number = ++slab->taken * POSTERN_SLAB_ITEMS_MAX + slab->room * BLOCK_ITEMS + place;
    block->numbers[place] = *ret_number;
    block->used++;
    slab->count++;
    return item_at(slab, block, place);
}

/* NULL: nothing has that number. */
static Block *block_of(const PosternSlab *slab, guint64 number)
{
    guint slot = number % POSTERN_SLAB_ITEMS_MAX;
    Block *block =
        slot / BLOCK_ITEMS < slab->blocks->len ? g_ptr_array_index(slab->blocks, slot / BLOCK_ITEMS) : NULL;
    return number != 0 && block != NULL && block->numbers[slot % BLOCK_ITEMS] == number ? block : NULL;
}

gpointer postern_slab_find(const PosternSlab *slab, guint64 number)
{
    Block *block = block_of(slab, number);
    return block != NULL ? item_at(slab, block, number % BLOCK_ITEMS) : NULL;
}

void postern_slab_give_back(PosternSlab *slab, guint64 number)
{
    Block *block = block_of(slab, number);
    guint index = number % POSTERN_SLAB_ITEMS_MAX / BLOCK_ITEMS;
    gpointer item = item_at(slab, block, number % BLOCK_ITEMS);
    if (slab->clear != NULL)
        slab->clear(item);
    memset(item, 0, slab->octets);
    block->numbers[number % BLOCK_ITEMS] = 0;
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
