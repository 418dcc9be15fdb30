/* Findings from a stranger: whatever is taken goes out and comes back the same. */
#include <string.h>

#include "verdict/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static GByteArray *encode(const PosternFindings *findings)
{
    GByteArray *octets = g_byte_array_new();
    postern_findings_encode(findings, octets);
    return octets;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternFindings) first = postern_findings_decode(data, size, &error);

    g_assert(!first == !!error);
    if (!first)
        return 0;

    g_autoptr(GByteArray) once = encode(first);
    g_autoptr(PosternFindings) second = postern_findings_decode(once->data, once->len, &error);

    g_assert(second && !error);

    g_autoptr(GByteArray) twice = encode(second);

    g_assert(once->len == twice->len && memcmp(once->data, twice->data, once->len) == 0);
    postern_findings_conclude(second);
    g_strfreev(postern_findings_words(second));
    return 0;
}
