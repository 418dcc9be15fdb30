/* A hostile capsule: an error, or one that is written and read again as the same. */
#include "capsule/capsule.h"

#include <stdint.h>
#include <string.h>

#include "unit/capsule_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a fuzzer would hardly find by itself: a capsule that is right, with some octets of it changed. */
static GBytes *overlaid(const uint8_t *data, size_t size)
{
    g_autoptr(PosternCapsule) capsule = capsule_sample_of("Subject: x\r\n\r\n", 14);
    g_autoptr(GBytes) octets = capsule_sample_octets(capsule);
    gsize length = 0;
    guint8 *copy = g_bytes_unref_to_data(g_steal_pointer(&octets), &length);
    for (; size >= 3; data += 3, size -= 3)
        copy[(data[0] + 256u * data[1]) % length] = data[2];
    return g_bytes_new_take(copy, size == 1 ? length - data[0] : length);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return -1;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) octets =
        data[0] % 2 == 0 ? g_bytes_new(data + 1, size - 1) : overlaid(data + 1, size - 1);
    g_autoptr(PosternCapsule) first = postern_capsule_parse(octets, &error);
    g_assert((first == NULL) == (error != NULL));
    if (first == NULL)
        return 0;
    g_autoptr(GBytes) once = capsule_sample_octets(first);
    g_autoptr(PosternCapsule) second = postern_capsule_parse(once, &error);
    g_assert(second != NULL && error == NULL);
    g_autoptr(GBytes) twice = capsule_sample_octets(second);
    g_assert(g_bytes_equal(once, twice));
    return 0;
}
