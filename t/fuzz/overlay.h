/*
 * Three readings of a fuzzer's input as a GVariant of some type: the octets themselves; what they come to
 * when GLib puts them into normal form; and a good sample with octets changed: 4 octets an edit, place (2),
 * how, value.
 */
#pragma once

#include <stdint.h>
#include <string.h>

#include <glib.h>

static inline GBytes *overlay_normal(const char *type, const uint8_t *data, size_t size)
{
    g_autoptr(GBytes) octets = g_bytes_new(data, size);
    g_autoptr(GVariant) variant =
        g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE(type), octets, FALSE));
    g_autoptr(GVariant) normal = g_variant_get_normal_form(variant);
    return g_variant_get_data_as_bytes(normal);
}

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
static inline GBytes *overlay_read(const char *type, GBytes *sample, const uint8_t *data, size_t size)
{
    if (size == 0)
        return NULL;
    switch (data[0] % 4) {
    case 0:
        return g_bytes_new(data + 1, size - 1);
    case 1:
        return overlay_normal(type, data + 1, size - 1);
    case 2:
        return overlay_edits(sample, data + 1, size - 1);
    default: {
        g_autoptr(GBytes) edited = overlay_edits(sample, data + 1, size - 1);
        return overlay_normal(type, g_bytes_get_data(edited, NULL), g_bytes_get_size(edited));
    }
    }
}
