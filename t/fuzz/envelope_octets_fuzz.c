/* A hostile envelope: whatever is taken goes out and comes back the same. */
#include "mail/envelope.h"

#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    PosternOctets in = postern_octets_of(bytes);
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternEnvelope) envelope = postern_envelope_decode(&in, &error);
    g_assert_true((envelope == NULL) == (error != NULL));
    if (envelope == NULL)
        return 0;
    g_autoptr(GByteArray) first = g_byte_array_new();
    g_autoptr(GByteArray) second = g_byte_array_new();
    postern_envelope_encode(envelope, first);
    g_autoptr(GBytes) octets = g_bytes_new(first->data, first->len);
    in = postern_octets_of(octets);
    g_autoptr(PosternEnvelope) again = postern_envelope_decode(&in, &error);
    g_assert_no_error(error);
    g_assert_true(postern_octets_end(&in, "envelope", &error));
    postern_envelope_encode(again, second);
    g_assert_cmpmem(first->data, first->len, second->data, second->len);
    return 0;
}
