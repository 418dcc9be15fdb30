#include <string.h>

#include "base/error.h"
#include "base/limits.h"
#include "mail/envelope.h"

/* The text fields: where each stands, and its bound. */
static const struct {
    gsize offset;
    gsize maximum;
} texts[] = {
    {G_STRUCT_OFFSET(PosternEnvelope, client_name), POSTERN_HELO_NAME_MAX_OCTETS},
    {G_STRUCT_OFFSET(PosternEnvelope, helo), POSTERN_COMMAND_LINE_MAX_OCTETS},
    {G_STRUCT_OFFSET(PosternEnvelope, login), POSTERN_COMMAND_LINE_MAX_OCTETS},
    {G_STRUCT_OFFSET(PosternEnvelope, sender), POSTERN_PATH_MAX_OCTETS},
    {G_STRUCT_OFFSET(PosternEnvelope, sender_parameters), POSTERN_COMMAND_LINE_MAX_OCTETS},
    {G_STRUCT_OFFSET(PosternEnvelope, session), POSTERN_HELO_NAME_MAX_OCTETS},
};

static void encode_text(const char *text, GByteArray *out)
{
    postern_octets_add_text(out, text, text != NULL ? strlen(text) : 0);
}

void postern_envelope_encode(const PosternEnvelope *envelope, GByteArray *out)
{
    const PosternAddress *client = &envelope->client;
    gsize octets = client->family == AF_INET ? sizeof client->ipv4 : sizeof client->ipv6;
    gboolean known = client->family == AF_INET || client->family == AF_INET6;
    postern_octets_add_text(out, known ? &client->ipv6 : NULL, octets);
    postern_octets_add_number(out, client->port, 2);
    postern_octets_add_number(out, envelope->esmtp != 0, 1);
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        encode_text(*(char *const *)(gconstpointer)((const char *)envelope + texts[i].offset), out);
    postern_octets_add_number(out, envelope->recipients->len, 2);
    for (guint i = 0; i < envelope->recipients->len; i++)
        encode_text(envelope->recipients->pdata[i], out);
}

static void decode_client(PosternAddress *client, PosternOctets *in)
{
    struct sockaddr_in ipv4 = {.sin_family = AF_INET};
    struct sockaddr_in6 ipv6 = {.sin6_family = AF_INET6};
    gsize length = 0;
    const char *octets = postern_octets_text(in, &length);
    guint64 port = postern_octets_number(in, 2);
    if (octets == NULL)
        return;
    if (length == sizeof ipv4.sin_addr) {
        memcpy(&ipv4.sin_addr, octets, length);
        *client = postern_address_from_sockaddr((const struct sockaddr *)&ipv4);
    } else if (length == sizeof ipv6.sin6_addr) {
        memcpy(&ipv6.sin6_addr, octets, length);
        *client = postern_address_from_sockaddr((const struct sockaddr *)&ipv6);
    } else {
        in->bad = TRUE;
    }
    client->port = (guint16)port;
}

PosternEnvelope *postern_envelope_decode(PosternOctets *in, GError **error)
{
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    decode_client(&envelope->client, in);
    envelope->esmtp = postern_octets_number(in, 1) != 0;
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        G_STRUCT_MEMBER(char *, envelope, texts[i].offset) = postern_octets_string(in, texts[i].maximum);
    guint64 count = postern_octets_number(in, 2);
    in->bad = in->bad || count > POSTERN_RECIPIENTS_MAX;
    for (guint64 i = 0; i < count && !in->bad; i++) {
        char *recipient = postern_octets_string(in, POSTERN_PATH_MAX_OCTETS);
        if (recipient != NULL)
            g_ptr_array_add(envelope->recipients, recipient);
        else
            in->bad = TRUE;
    }
    if (!in->bad)
        return g_steal_pointer(&envelope);
    g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL,
                        "an envelope is cut off, malformed, or over a limit");
    return NULL;
}
