#include "mail/dictionary.h"

#include <string.h>

#include "base/error.h"

static GVariant *text_as_octets(const char *text, gsize maximum)
{
    gsize length = strnlen(text, maximum + 1);

    if (length > maximum) {
        length = maximum;
        while (length > 0 && maximum - length < 3 && ((guchar)text[length] & 0xc0) == 0x80)
            length--;
    }
    return g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, text, length, 1);
}

void postern_dictionary_add_text(GVariantBuilder *builder, const char *key, const char *text, gsize maximum)
{
    if (text)
        g_variant_builder_add(builder, "{sv}", key, text_as_octets(text, maximum));
}

static gboolean wrong_type(GVariant *value, const char *what, GError **error)
{
    return postern_error_set(error, POSTERN_ERROR_PROTOCOL, "%s has the type %.32s", what,
                             g_variant_get_type_string(value));
}

static gboolean take_text(GVariant *value, const char *what, gsize maximum, char **ret_text, GError **error)
{
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_BYTESTRING))
        return wrong_type(value, what, error);

    gsize length;
    const char *octets = g_variant_get_fixed_array(value, &length, 1);

    if (length > maximum)
        return postern_error_set(error, POSTERN_ERROR_LIMIT, "%s is over %" G_GSIZE_FORMAT " octets", what,
                                 maximum);
    if (length > 0 && memchr(octets, '\0', length))
        return postern_error_set(error, POSTERN_ERROR_PROTOCOL, "%s has a NUL octet inside", what);
    g_free(*ret_text);
    *ret_text = length > 0 ? g_strndup(octets, length) : g_strdup("");
    return TRUE;
}

gboolean postern_dictionary_get_text(GVariant *dictionary, const char *key, gsize maximum, char **ret_text,
                                     GError **error)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(dictionary, key, NULL);

    return !value || take_text(value, key, maximum, ret_text, error);
}

GVariant *postern_dictionary_get(GVariant *dictionary, const char *key, const GVariantType *type,
                                 GError **error)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(dictionary, key, NULL);

    if (!value)
        return NULL;
    if (!g_variant_is_of_type(value, type)) {
        wrong_type(value, key, error);
        return NULL;
    }
    return g_steal_pointer(&value);
}

gboolean postern_dictionary_get_number(GVariant *dictionary, const char *key, guint32 maximum,
                                       guint32 *ret_number, GError **error)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(dictionary, key, NULL);

    if (!value)
        return TRUE;
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_UINT32))
        return wrong_type(value, key, error);

    guint32 number = g_variant_get_uint32(value);

    if (number > maximum)
        return postern_error_set(error, POSTERN_ERROR_LIMIT, "%s is %u, over %u", key, number, maximum);
    *ret_number = number;
    return TRUE;
}

gboolean postern_dictionary_get_boolean(GVariant *dictionary, const char *key, gboolean *ret_boolean,
                                        GError **error)
{
    g_autoptr(GVariant) value = g_variant_lookup_value(dictionary, key, NULL);

    if (!value)
        return TRUE;
    if (!g_variant_is_of_type(value, G_VARIANT_TYPE_BOOLEAN))
        return wrong_type(value, key, error);
    *ret_boolean = g_variant_get_boolean(value);
    return TRUE;
}
