/*
 * Two readings of a fuzzer's input: the octets themselves; and a good sample with octets changed: 4 octets an
 * edit, place (2), how, value.
 */
#pragma once

#include <stdint.h>
#include <string.h>

#include <glib.h>

static inline GBytes *overlay_edits(GBytes *sample, const uint8_t *data, size_t size)
{
    gsize length = 0;
    const guint8 *start = g_bytes_get_data(sample, &length);
    guint8 *copy = g_memdup2(start, length);
    for (size_t at = 0; at + 4 <= size && length > 0; at += 4) {
        gsize place = (data[at] | data[at + 1] << 8) % length;
        copy[place] = data[at + 2] % 2 != 0 ? data[at + 3] : copy[place] ^ data[at + 3];
    }
    return g_bytes_new_take(copy, length);
}

/* By the first octet of the input: which reading. NULL: no input. */
static inline GBytes *overlay_read(GBytes *sample, const uint8_t *data, size_t size)
{
    if (size == 0)
        return NULL;
    return data[0] % 2 == 0 ? g_bytes_new(data + 1, size - 1) : overlay_edits(sample, data + 1, size - 1);
}
