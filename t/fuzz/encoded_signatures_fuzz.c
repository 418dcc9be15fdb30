/*
 * Lines of signatures: any octets, of each form; white space behind a line changes nothing.
 */
#include "checks/virus/encoded_signatures.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autofree char *line = g_malloc(size + 1);
    for (gsize i = 0; i < size; i++)
        line[i] = (char)data[i];
    for (guint form = POSTERN_SIGNATURES_NDB; form <= POSTERN_SIGNATURES_DB; form++) {
        gboolean may = postern_encoded_signature_is((PosternSignatureForm)form, line, size);
        line[size] = '\n';
        if (postern_encoded_signature_is((PosternSignatureForm)form, line, size + 1) != may)
            abort();
    }
    return 0;
}
