/*
 * Files that scripts put together: any octets; what is found is never many times as long.
 */
#include "checks/content/script_text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static gboolean count(GBytes *octets, const char *decoding, gpointer data)
{
    gsize *sum = data;
    *sum += g_bytes_get_size(octets);
    return decoding != NULL;
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *page = g_strdup_printf("atob%.*s", (int)size, (const char *)data);
    g_autofree char *copy = g_memdup2(size > 0 ? data : (const guint8 *)"", MAX(size, 1));
    gsize sum = 0, length = strlen(page);
    if (!postern_script_text_find(page, length, count, &sum) || sum > 32 * length)
        abort();
    sum = 0;
    if (!postern_script_text_find(copy, size, count, &sum) || sum > 32 * MAX(size, 1))
        abort();
    return 0;
}
