#include "checks/content/item.h"

#include "base/limits.h"
#include "checks/container/container.h"
#include "checks/content/decode.h"
#include "checks/content/leaves.h"

typedef struct {
    PosternContentEngine *engine;
    PosternItemBudget *budget;
    const PosternItemVisitor *visitor;
    gboolean ended; /* no more is wanted or allowed */
} Items;

static void note(const Items *items, PosternVirusKind kind, const char *text)
{
    items->visitor->note(kind, text, items->visitor->data);
}

/* Takes so much from the budget. */
static gboolean allow(Items *items, gsize length)
{
    PosternItemBudget *budget = items->budget;
    if (budget->deadline != 0 && g_get_monotonic_time() > budget->deadline)
        note(items, POSTERN_VIRUS_SCAN_ERROR, "the scan took too long");
    else if (budget->parts == 0 || length > budget->octets)
        note(items, POSTERN_VIRUS_TOO_LARGE, "more files and enclosed messages than are looked into");
    else {
        budget->parts--;
        budget->octets -= length;
        return TRUE;
    }
    items->ended = TRUE;
    return FALSE;
}

static void walk(Items *items, const char *octets, gsize length, const PosternItem *parent);

static gboolean take_member(const PosternItem *item, gpointer data);

static void note_container(PosternVirusKind kind, const char *text, gpointer data)
{
    note(data, kind, text);
}

/* (A message that stands as it is is walked, and its parts are looked at.) */
static void open_container(Items *items, const PosternItem *item)
{
    const PosternItemVisitor visitor = {take_member, note_container, items};
    if (!items->ended && (item->kind != POSTERN_ITEM_MESSAGE || !item->verbatim))
        (void)postern_container_open(item, items->budget, &visitor);
}

/* The budget has been charged for it. */
static gboolean take_member(const PosternItem *item, gpointer data)
{
    Items *items = data;
    items->ended = items->ended || !items->visitor->take(item, items->visitor->data);
    open_container(items, item);
    return !items->ended;
}

static void take_item(Items *items, const PosternItem *item)
{
    gsize length = 0;
    const char *octets = g_bytes_get_data(item->octets, &length);
    if (items->ended || !allow(items, length))
        return;
    items->ended = !items->visitor->take(item, items->visitor->data);
    if (item->kind == POSTERN_ITEM_MESSAGE && !item->verbatim && !items->ended)
        walk(items, octets, length, item);
    open_container(items, item);
}

static void take_leaf(Items *items, const PosternContentLeaf *leaf, const char *octets,
                      const PosternItem *parent)
{
    const char *names[] = {leaf->name, NULL}, *types[] = {leaf->type, NULL};
    GBytes *readings[POSTERN_CONTENT_READINGS_MAX];
    guint count = 0;
    PosternItem item = {.parent = parent,
                        .kind = leaf->kind,
                        .depth = parent != NULL ? parent->depth + 1 : 0,
                        .attachment = leaf->attachment,
                        .verbatim = leaf->encoding == POSTERN_CONTENT_IDENTITY,
                        .names = names,
                        .types = types,
                        .charset = leaf->charset};
    if (leaf->kind == POSTERN_ITEM_MESSAGE && leaf->encoding == POSTERN_CONTENT_IDENTITY)
        readings[count++] = g_bytes_new_static(octets + leaf->start, leaf->length);
    else if (!postern_content_decode(leaf->encoding, octets + leaf->start, leaf->length, readings, &count))
        note(items, POSTERN_VIRUS_SCAN_ERROR, "no memory for a file of the message");
    for (guint i = 0; i < count; i++) {
        item.octets = readings[i];
        item.reading = i;
        item.verbatim = item.verbatim && i == 0;
        if (i < items->budget->readings)
            take_item(items, &item);
        g_bytes_unref(readings[i]);
    }
}

static void walk(Items *items, const char *octets, gsize length, const PosternItem *parent)
{
    if (items->engine == NULL)
        return;
    g_autoptr(GArray) leaves = g_array_new(FALSE, FALSE, sizeof(PosternContentLeaf));
    g_array_set_clear_func(leaves, postern_content_leaf_clear);
    if ((parent != NULL ? parent->depth + 1 : 0) > items->budget->levels) {
        note(items, POSTERN_VIRUS_TOO_LARGE, "more levels of enclosed messages than are looked into");
        return;
    }
    g_autofree char *problem = postern_content_leaves(items->engine, octets, length, leaves);
    if (problem != NULL)
        note(items, POSTERN_VIRUS_TOO_LARGE, problem);
    for (guint i = 0; i < leaves->len && !items->ended; i++)
        take_leaf(items, &g_array_index(leaves, PosternContentLeaf, i), octets, parent);
}

PosternItemBudget postern_item_budget(gsize length)
{
    return (PosternItemBudget){
        .parts = POSTERN_ITEMS_MAX,
        .levels = POSTERN_ITEM_LEVELS_MAX,
        .readings = POSTERN_ITEM_READINGS_MAX,
        .octets = POSTERN_ITEM_OCTETS_MIN + (guint64)length * POSTERN_ITEM_OCTETS_FACTOR,
    };
}

void postern_items_walk(PosternContentEngine *engine, const char *octets, gsize length,
                        PosternItemBudget *budget, const PosternItemVisitor *visitor)
{
    Items items = {.engine = engine, .budget = budget, .visitor = visitor};
    walk(&items, octets, length, NULL);
}

void postern_items_walk_in(PosternContentEngine *engine, GBytes *message, const PosternItem *parent,
                           PosternItemBudget *budget, const PosternItemVisitor *visitor)
{
    Items items = {.engine = engine, .budget = budget, .visitor = visitor};
    gsize length = 0;
    const char *octets = g_bytes_get_data(message, &length);
    walk(&items, octets, length, parent);
}

void postern_items_open(GBytes *file, PosternItemBudget *budget, const PosternItemVisitor *visitor)
{
    static const char *const none[] = {NULL}, *const types[] = {"application/octet-stream", NULL};
    Items items = {.budget = budget, .visitor = visitor};
    const PosternItem item = {.kind = POSTERN_ITEM_FILE, .names = none, .types = types, .octets = file};
    open_container(&items, &item);
}
