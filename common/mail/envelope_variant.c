#include "mail/envelope.h"

#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "mail/dictionary.h"

/* The text fields: where each stands, and its bound. */
typedef struct {
    const char *key;
    gsize offset;
    gsize maximum;
} Text;

static const Text texts[] = {
    {"client_name", G_STRUCT_OFFSET(PosternEnvelope, client_name), POSTERN_HELO_NAME_MAX_OCTETS},
    {"helo", G_STRUCT_OFFSET(PosternEnvelope, helo), POSTERN_COMMAND_LINE_MAX_OCTETS},
    {"login", G_STRUCT_OFFSET(PosternEnvelope, login), POSTERN_COMMAND_LINE_MAX_OCTETS},
    {"sender", G_STRUCT_OFFSET(PosternEnvelope, sender), POSTERN_PATH_MAX_OCTETS},
    {"sender_parameters", G_STRUCT_OFFSET(PosternEnvelope, sender_parameters),
     POSTERN_COMMAND_LINE_MAX_OCTETS},
    {"session", G_STRUCT_OFFSET(PosternEnvelope, session), POSTERN_HELO_NAME_MAX_OCTETS},
};

static char **text_place(PosternEnvelope *envelope, const Text *text)
{
    return (char **)G_STRUCT_MEMBER_P(envelope, text->offset);
}

static const char *text_value(const PosternEnvelope *envelope, const Text *text)
{
    return *(char *const *)((const char *)envelope + text->offset);
}

static void add_client(GVariantBuilder *builder, const PosternAddress *client)
{
    gsize octets = client->family == AF_INET ? sizeof client->ipv4 : sizeof client->ipv6;

    if (client->family != AF_INET && client->family != AF_INET6)
        return;
    g_variant_builder_add(builder, "{sv}", "client",
                          g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, &client->ipv6, octets, 1));
    g_variant_builder_add(builder, "{sv}", "client_port", g_variant_new_uint32(client->port));
}

static void add_recipients(GVariantBuilder *builder, const GPtrArray *recipients)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE_BYTESTRING_ARRAY);
    for (guint i = 0; i < recipients->len; i++)
        g_variant_builder_add_value(&list,
                                    postern_dictionary_text(g_ptr_array_index(recipients, i), G_MAXINT));
    g_variant_builder_add(builder, "{sv}", "recipients", g_variant_builder_end(&list));
}

GVariant *postern_envelope_to_variant(const PosternEnvelope *envelope)
{
    GVariantBuilder builder;

    g_variant_builder_init(&builder, G_VARIANT_TYPE(POSTERN_ENVELOPE_VARIANT));
    add_client(&builder, &envelope->client);
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        postern_dictionary_add_text(&builder, texts[i].key, text_value(envelope, &texts[i]), G_MAXINT);
    g_variant_builder_add(&builder, "{sv}", "esmtp", g_variant_new_boolean(envelope->esmtp));
    add_recipients(&builder, envelope->recipients);
    return g_variant_builder_end(&builder);
}

static gboolean get_client(GVariant *dictionary, PosternAddress *client, GError **error)
{
    GError *problem = NULL;
    guint32 port = 0;
    g_autoptr(GVariant) value =
        postern_dictionary_get(dictionary, "client", G_VARIANT_TYPE_BYTESTRING, &problem);

    if (problem) {
        g_propagate_error(error, problem);
        return FALSE;
    }
    if (!value)
        return TRUE;

    gsize length;
    const void *octets = g_variant_get_fixed_array(value, &length, 1);
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};

    if (length == sizeof ipv4.sin_addr) {
        memcpy(&ipv4.sin_addr, octets, length);
        *client = postern_address_from_sockaddr((const struct sockaddr *)&ipv4);
    } else if (length == sizeof ipv6.sin6_addr) {
        memcpy(&ipv6.sin6_addr, octets, length);
        *client = postern_address_from_sockaddr((const struct sockaddr *)&ipv6);
    } else {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL,
                    "client is an address of %" G_GSIZE_FORMAT " octets", length);
        return FALSE;
    }
    if (!postern_dictionary_get_number(dictionary, "client_port", G_MAXUINT16, &port, error))
        return FALSE;
    client->port = (guint16)port;
    return TRUE;
}

static gboolean get_recipients(GVariant *dictionary, GPtrArray *recipients, GError **error)
{
    GError *problem = NULL;
    g_autoptr(GVariant) list =
        postern_dictionary_get(dictionary, "recipients", G_VARIANT_TYPE_BYTESTRING_ARRAY, &problem);
    gsize count = list ? g_variant_n_children(list) : 0;

    if (problem) {
        g_propagate_error(error, problem);
        return FALSE;
    }
    if (count > POSTERN_RECIPIENTS_MAX) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT,
                    "envelope has %" G_GSIZE_FORMAT " recipients, over %d", count, POSTERN_RECIPIENTS_MAX);
        return FALSE;
    }
    for (gsize i = 0; i < count; i++) {
        g_autoptr(GVariant) value = g_variant_get_child_value(list, i);
        char *recipient = NULL;

        if (!postern_dictionary_take_text(value, "a recipient", POSTERN_PATH_MAX_OCTETS, &recipient, error))
            return FALSE;
        g_ptr_array_add(recipients, recipient);
    }
    return TRUE;
}

PosternEnvelope *postern_envelope_from_variant(GVariant *variant, GError **error)
{
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();

    if (!postern_dictionary_is_acceptable(variant, "envelope", error))
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        if (!postern_dictionary_get_text(variant, texts[i].key, texts[i].maximum,
                                         text_place(envelope, &texts[i]), error))
            return NULL;
    if (!postern_dictionary_get_boolean(variant, "esmtp", &envelope->esmtp, error) ||
        !get_client(variant, &envelope->client, error) ||
        !get_recipients(variant, envelope->recipients, error))
        return NULL;
    return g_steal_pointer(&envelope);
}
