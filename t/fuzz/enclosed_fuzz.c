/*
 * winmail.dat, signed and compressed mail, files of Apple, ActiveMime, rich text, OLE and OpenPGP of any
 * octets: within the budget, and never a problem without a note. The first octet says which mark is put in
 * front.
 */
#include "checks/container/container.h"

#include <stdlib.h>

#define OCTETS (1024 * 1024)

typedef struct {
    guint64 octets;
    gboolean noted;
} Fuzzed;

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static gboolean take(const PosternItem *item, gpointer data)
{
    Fuzzed *fuzzed = data;
    fuzzed->octets += item->octets != NULL ? g_bytes_get_size(item->octets) : 0;
    if (fuzzed->octets > OCTETS)
        abort();
    return TRUE;
}

static void note(PosternVirusKind kind, const char *text, gpointer data)
{
    ((Fuzzed *)data)->noted = TRUE;
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static const struct {
        const char *octets;
        guint length;
    } marks[] = {{"\x78\x9f\x3e\x22", 4},
                 {"", 0},
                 {"\0\5\x16\0\0\2\0\0", 8},
                 {"\0\1x", 3},
                 {"-----BEGIN PGP MESSAGE-----\n\n", 29},
                 {"ActiveMime\0\0", 12},
                 {"{\\rtf1{\\objdata ", 15},
                 {"\1\5\0\0\2\0\0\0", 8}};
    static const char *const names[] = {"x", NULL}, *const types[] = {"application/octet-stream", NULL};
    if (size == 0)
        return 0;
    GByteArray *octets = g_byte_array_new();
    gsize mark = data[0] % G_N_ELEMENTS(marks);
    g_byte_array_append(octets, (const guint8 *)marks[mark].octets, marks[mark].length);
    g_byte_array_append(octets, data + 1, (guint)size - 1);
    g_autoptr(GBytes) file = g_byte_array_free_to_bytes(octets);
    const PosternItem item = {.kind = POSTERN_ITEM_FILE, .names = names, .types = types, .octets = file};
    PosternItemBudget budget = {.parts = 100, .levels = 2, .readings = 1, .octets = OCTETS};
    Fuzzed fuzzed = {0};
    const PosternItemVisitor visitor = {take, note, &fuzzed};
    if (postern_container_open(&item, &budget, &visitor) == POSTERN_CONTAINER_PROBLEM && !fuzzed.noted)
        abort();
    return 0;
}
