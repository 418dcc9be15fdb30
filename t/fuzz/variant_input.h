/*
 * Fuzz input as a dictionary: either GVariant's binary form, or built entry by entry from keys and types that
 * are likely to be looked at, so that a fuzzer gets beyond the first check.
 */
#pragma once

#include <glib.h>
#include <stdint.h>
#include <string.h>

typedef struct {
    const uint8_t *at;
    gsize left;
    const char *const *keys; /* NULL-terminated */
} VariantInput;

static inline guint variant_input_number(VariantInput *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->at++;
}

static inline GVariant *variant_input_text(VariantInput *input)
{
    guint wanted = variant_input_number(input);
    gsize length = MIN(input->left, (gsize)wanted * (wanted > 250 ? 10 : 1));
    GVariant *text = g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, input->at, length, 1);

    input->at += length;
    input->left -= length;
    return text;
}

static inline GVariant *variant_input_texts(VariantInput *input)
{
    guint count = variant_input_number(input) % 8;
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_BYTESTRING_ARRAY);
    for (guint i = 0; i < count; i++)
        g_variant_builder_add_value(&builder, variant_input_text(input));
    return g_variant_builder_end(&builder);
}

static inline GVariant *variant_input_dictionary(VariantInput *input, guint depth);

static inline GVariant *variant_input_dictionaries(VariantInput *input, guint depth)
{
    guint count = variant_input_number(input) % 8;
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < count; i++)
        g_variant_builder_add_value(&builder, variant_input_dictionary(input, depth));
    return g_variant_builder_end(&builder);
}

static inline GVariant *variant_input_value(VariantInput *input, guint depth)
{
    switch (variant_input_number(input) % (depth > 0 ? 8 : 6)) {
    case 0:
        return g_variant_new_uint32(variant_input_number(input) % 16);
    case 1:
        return g_variant_new_uint32(variant_input_number(input) * 0x01010101u);
    case 2:
        return g_variant_new_uint64(variant_input_number(input) * G_GUINT64_CONSTANT(0x0101010101010101));
    case 3:
        return g_variant_new_boolean(variant_input_number(input) % 2);
    case 4:
        return variant_input_texts(input);
    case 6:
        return variant_input_dictionary(input, depth - 1);
    case 7:
        return variant_input_dictionaries(input, depth - 1);
    default:
        return variant_input_text(input);
    }
}

static inline GVariant *variant_input_dictionary(VariantInput *input, guint depth)
{
    guint keys = g_strv_length((char **)(guintptr)input->keys);
    guint count = variant_input_number(input) % 16;
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE_VARDICT);
    for (guint i = 0; i < count && input->left > 0; i++) {
        const char *key = input->keys[variant_input_number(input) % keys];

        g_variant_builder_add(&builder, "{sv}", key, variant_input_value(input, depth));
    }
    return g_variant_builder_end(&builder);
}

/* The dictionary that size octets at data say; the caller's reference. */
static inline GVariant *variant_input_read(const uint8_t *data, size_t size, const char *const *keys)
{
    VariantInput input = {data + 1, size - 1, keys};

    if (data[0] % 4 != 0)
        return g_variant_ref_sink(variant_input_dictionary(&input, 2));

    g_autoptr(GBytes) bytes = g_bytes_new(input.at, input.left);

    return g_variant_ref_sink(g_variant_new_from_bytes(G_VARIANT_TYPE_VARDICT, bytes, FALSE));
}
