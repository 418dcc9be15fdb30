/*
 * The octets of one part, by each encoding: no reading is longer than they are, and none is there twice.
 */
#include "checks/content/decode.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    GBytes *readings[POSTERN_CONTENT_READINGS_MAX];
    guint count = 0;
    if (size < 2)
        return 0;
    g_autofree char *copy = g_memdup2(data + 1, size - 1);
    if (!postern_content_decode((PosternContentEncoding)(data[0] % 3), copy, size - 1, (data[0] & 4) == 0,
                                readings, &count) ||
        count == 0)
        abort();
    for (guint i = 0; i < count; i++) {
        if (g_bytes_get_size(readings[i]) > size - 1)
            abort();
        for (guint j = 0; j < i; j++)
            if (g_bytes_equal(readings[i], readings[j]))
                abort();
    }
    for (guint i = 0; i < count; i++)
        g_bytes_unref(readings[i]);
    return 0;
}
