/*
 * Any octets, with libarchive behind the table of kinds: what is handed on stays within the budget.
 */
#include "checks/container/container.h"

#include <stdlib.h>

#define LEVELS 3
#define OCTETS (4 * 1024 * 1024)

typedef struct {
    PosternItemBudget budget;
    PosternItemVisitor visitor;
    guint64 octets;
    gboolean noted;
} Fuzzed;

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);
const char *__asan_default_options(void);

/* What asks for more memory than there is gets none, as in a worker. */
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1:max_allocation_size_mb=512";
}

static gboolean take(const PosternItem *item, gpointer data)
{
    Fuzzed *fuzzed = data;
    fuzzed->octets += g_bytes_get_size(item->octets);
    if (item->depth > LEVELS || fuzzed->octets > OCTETS)
        abort();
    (void)postern_container_open(item, &fuzzed->budget, &fuzzed->visitor);
    return TRUE;
}

static void note(PosternVirusKind kind, const char *text, gpointer data)
{
    Fuzzed *fuzzed = data;
    fuzzed->noted = TRUE;
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static const char *const types[] = {"application/octet-stream", NULL};
    static const char *const called[] = {"x", "x.br", "x.lzma", "x.tar"};
    if (size == 0)
        return 0;
    const char *const names[] = {called[data[0] % G_N_ELEMENTS(called)], NULL};
    g_autoptr(GBytes) octets = g_bytes_new(data + 1, size - 1);
    const PosternItem item = {.kind = POSTERN_ITEM_FILE, .names = names, .types = types, .octets = octets};
    Fuzzed fuzzed = {.budget = {.parts = 1000, .levels = LEVELS, .readings = 1, .octets = OCTETS}};
    fuzzed.visitor = (PosternItemVisitor){take, note, &fuzzed};
    if (postern_container_open(&item, &fuzzed.budget, &fuzzed.visitor) == POSTERN_CONTAINER_PROBLEM &&
        !fuzzed.noted)
        abort();
    return 0;
}
