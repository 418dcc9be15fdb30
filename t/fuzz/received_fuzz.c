/* Received fields: any octets are read without harm, and what is said of the client stands in the field. */
#include "mail/received.h"

#include <string.h>

#include "base/limits.h"

#include "split.h"

static gboolean is_trusted(const PosternAddress *address, gconstpointer data)
{
    return address->family == AF_INET && ((const guint8 *)&address->ipv4)[0] % 2 == *(const guint8 *)data % 2;
}

/* A quoted pair is read as '?'. */
static gboolean stands_in(const char *text, const char *octets, gsize size)
{
    return strchr(text, '?') || memmem(octets, size, text, strlen(text));
}

static void check_field(const char *octets, gsize size)
{
    PosternReceived received;

    if (!postern_received_parse(octets, size, &received)) {
        g_assert(!received.helo && !received.client_name);
        return;
    }
    g_assert(received.client.family != AF_UNSPEC || (!received.helo && !received.client_name));
    if (received.client.family == AF_INET6) {
        g_assert(memchr(octets, ':', size));
    } else if (received.client.family == AF_INET) {
        g_autofree char *text = postern_address_to_string(&received.client);

        g_assert(memmem(octets, size, text, strlen(text)));
    }
    if (received.helo) {
        g_assert(strlen(received.helo) <= POSTERN_HELO_NAME_MAX_OCTETS);
        g_assert(stands_in(received.helo, octets, size));
    }
    if (received.client_name) {
        g_assert(strlen(received.client_name) <= POSTERN_DOMAIN_NAME_MAX_OCTETS);
        g_assert(stands_in(received.client_name, octets, size));
    }
    postern_received_clear(&received);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *octets = g_memdup2(data, size);
    g_autoptr(PosternHeader) header = postern_header_parse(octets, size);
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();
    guint8 odd = size > 0 ? data[size - 1] : 0;

    if (size == 0)
        return 0;
    check_field(octets, size);
    if (postern_received_find_client(header, is_trusted, &odd, envelope))
        g_assert(envelope->client.family != AF_UNSPEC && !is_trusted(&envelope->client, &odd));
    else
        g_assert(envelope->client.family == AF_UNSPEC && !envelope->helo);
    return 0;
}
