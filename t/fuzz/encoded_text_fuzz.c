/*
 * Encoded files in text: any octets; what is found is never more than they are, and no text resolves to
 * one that is much longer.
 */
#include "checks/content/encoded_text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static gboolean count(GBytes *octets, const char *decoding, gpointer data)
{
    gsize *sum = data;
    *sum += g_bytes_get_size(octets);
    return decoding != NULL;
}

static void find(const char *octets, gsize length)
{
    gsize sum = 0;
    if (!postern_encoded_text_find(octets, length, count, &sum))
        abort();
    /* Of base64 there are readings, and a URL is looked at twice. */
    if (sum > 24 * length)
        abort();
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *copy = g_memdup2(size > 0 ? data : (const guint8 *)"", MAX(size, 1));
    g_autoptr(GBytes) resolved = postern_encoded_text_resolve(copy, size);
    find(copy, size);
    if (resolved != NULL && g_bytes_get_size(resolved) > 2 * size)
        abort();
    if (resolved != NULL)
        find(g_bytes_get_data(resolved, NULL), g_bytes_get_size(resolved));
    return 0;
}
