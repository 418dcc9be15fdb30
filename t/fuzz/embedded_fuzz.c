/*
 * Files in text: any octets, each place is gone on from but once.
 */
#include "checks/content/embedded.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *copy = g_memdup2(size > 0 ? data : (const guint8 *)"", MAX(size, 1));
    const char *problem = NULL;
    PosternEmbeddedFile file;
    gsize at = 0, before = 0;
    while (postern_embedded_next(copy, size, &at, &file, &problem)) {
        if (at <= before || at > size || file.octets == NULL || file.decoding == NULL)
            abort();
        before = at;
        postern_embedded_clear(&file);
    }
    if (at != size)
        abort();
    return 0;
}
