/*
 * The walk over a message: any octets. Items keep their contract, and all work is bounded by the octets.
 */
#include "checks/content/item.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static PosternContentEngine *engine(void)
{
    static PosternContentEngine *once;
    if (once == NULL)
        once = postern_content_engine_new();
    return once;
}

static gboolean take(const PosternItem *item, gpointer data)
{
    guint *items = data;
    ++*items;
    if (item->octets == NULL || item->types[0] == NULL ||
        (item->decoding == NULL) != (item->kind == POSTERN_ITEM_MEMBER) ||
        item->depth != (item->parent != NULL ? item->parent->depth + 1 : 0))
        abort();
    for (guint i = 0; item->names[i] != NULL; i++)
        if (strlen(item->names[i]) > POSTERN_ATTACHMENT_NAME_MAX_OCTETS ||
            !g_utf8_validate(item->names[i], -1, NULL))
            abort();
    return TRUE;
}

static void note(PosternVirusKind kind, const char *text, gpointer data)
{
    if (text == NULL)
        abort();
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *copy = g_memdup2(size > 0 ? data : (const guint8 *)"", MAX(size, 1));
    guint items = 0;
    const PosternItemVisitor visitor = {take, note, &items};
    PosternItemBudget budget = postern_item_budget(size);
    postern_items_walk(engine(), copy, size, &budget, &visitor);
    if (items > POSTERN_ITEMS_MAX)
        abort();
    return 0;
}
