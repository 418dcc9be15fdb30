/*
 * A zip archive of any octets: linear, within the budget, and never a problem without a note.
 */
#include "checks/container/zip.h"

#include <stdlib.h>

#define OCTETS (1024 * 1024)

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);
const char *__asan_default_options(void);

/* What asks for more memory than there is gets none, as in a worker. */
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=512";
}

static gboolean take(const PosternItem *item, gpointer data)
{
    guint64 *octets = data;
    *octets += g_bytes_get_size(item->octets);
    if (*octets > OCTETS)
        abort();
    return TRUE;
}

static void note(PosternVirusKind kind, const char *text, gpointer data)
{
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static const char *const names[] = {NULL}, *const types[] = {"application/zip", NULL};
    guint64 octets = 0;
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    const PosternItem item = {.kind = POSTERN_ITEM_FILE, .names = names, .types = types, .octets = bytes};
    const PosternItemVisitor visitor = {take, note, &octets};
    PosternItemBudget budget = {.parts = 1000, .levels = 1, .readings = 1, .octets = OCTETS};
    PosternOpening opening = {.item = &item, .budget = &budget, .visitor = &visitor, .what = "a zip archive"};
    opening.octets = g_bytes_get_data(bytes, &opening.length);
    if (size == 0)
        return 0;
    (void)postern_zip_begins(opening.octets, opening.length);
    (void)postern_zip_ends(opening.octets, opening.length);
    postern_zip_open(&opening);
    return 0;
}
