/*
 * What is changed in a message before libclamav sees it: any octets, linear work.
 */
#include <stdlib.h>

#include "checks/virus/multipart.h"
#include "checks/virus/uuencode.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *copy = g_memdup2(size > 0 ? data : (const guint8 *)"", MAX(size, 1));
    guint64 work = 0;
    (void)postern_virus_multipart_rename(copy, size, &work);
    if (postern_virus_multipart_is_hidden(copy, size, &work))
        abort();
    postern_virus_uuencode_hide(copy, size, &work);
    if (work > 20 * (guint64)size + 100)
        abort();
    return 0;
}
