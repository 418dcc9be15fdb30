#include "milter/import/networks.h"

#include <string.h>

#include "base/address.h"

#define IPV4_BITS 32
#define IPV6_BITS 128
#define OCTET_BITS 8

typedef struct {
    PosternAddress address;
    guint bits;
} Network;

static guint bits_of(const PosternAddress *address)
{
    return address->family == AF_INET ? IPV4_BITS : IPV6_BITS;
}

/* Its octets may be written. */
static guint8 *octets_of(PosternAddress *address)
{
    return address->family == AF_INET ? (guint8 *)&address->ipv4 : (guint8 *)&address->ipv6;
}

static gboolean parse(const char *item, Network *network)
{
    g_auto(GStrv) parts = g_strsplit(item, "/", 2);
    guint64 bits = 0;
    if (parts[0] == NULL || !postern_address_parse(&network->address, parts[0]))
        return FALSE;
    network->bits = bits_of(&network->address);
    if (parts[1] == NULL)
        return TRUE;
    /* An IPv4 address may be written as an IPv6 one. */
    gboolean mapped = network->address.family == AF_INET && strchr(parts[0], ':') != NULL;
    guint hidden = mapped ? IPV6_BITS - IPV4_BITS : 0;
    if (!g_ascii_string_to_unsigned(parts[1], 10, hidden, network->bits + hidden, &bits, NULL))
        return FALSE;
    network->bits = (guint)bits - hidden;
    guint8 *octets = octets_of(&network->address);
    for (guint bit = network->bits; bit < bits_of(&network->address); bit++)
        octets[bit / OCTET_BITS] &= (guint8) ~(0x80 >> bit % OCTET_BITS);
    return TRUE;
}

static gboolean holds(const Network *outer, const Network *inner)
{
    return outer->bits <= inner->bits &&
           postern_address_in_network(&inner->address, &outer->address, outer->bits);
}

/* Appends what is left of network without hole, which it holds: its other half, a half of the rest, and on.
 */
static void append_without(GArray *out, Network network, const Network *hole)
{
    while (network.bits < hole->bits) {
        Network other = network;
        guint bit = network.bits;
        guint8 mask = (guint8)(0x80 >> bit % OCTET_BITS);
        Network hole_copy = *hole;
        gboolean upper = (octets_of(&hole_copy.address)[bit / OCTET_BITS] & mask) != 0;
        network.bits = other.bits = bit + 1;
        octets_of(upper ? &network.address : &other.address)[bit / OCTET_BITS] |= mask;
        g_array_append_val(out, other);
    }
}

static GArray *without(GArray *networks, const Network *hole)
{
    GArray *left = g_array_new(FALSE, FALSE, sizeof(Network));
    for (guint i = 0; i < networks->len; i++) {
        const Network *network = &g_array_index(networks, Network, i);
        if (holds(network, hole))
            append_without(left, *network, hole);
        else if (!holds(hole, network))
            g_array_append_val(left, *network);
    }
    g_array_unref(networks);
    return left;
}

static char *to_text(const Network *network)
{
    g_autofree char *address = postern_address_to_string(&network->address);
    return network->bits == bits_of(&network->address) ? g_steal_pointer(&address)
                                                       : g_strdup_printf("%s/%u", address, network->bits);
}

static void append_odd(GString *odd, const char *item)
{
    g_string_append_printf(odd, "%s%s", odd->len > 0 ? ", " : "", item);
}

static GArray *read_exceptions(const char *const *items, GString *odd)
{
    GArray *holes = g_array_new(FALSE, FALSE, sizeof(Network));
    for (; *items != NULL; items++) {
        Network hole;
        if (**items != '!')
            continue;
        if (holes->len < POSTERN_IMPORT_EXCEPTIONS_MAX && parse(*items + 1, &hole))
            g_array_append_val(holes, hole);
        else
            append_odd(odd, *items);
    }
    return holes;
}

GPtrArray *postern_import_networks(const char *const *items, GString *ret_odd)
{
    GPtrArray *texts = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) holes = read_exceptions(items, ret_odd);
    for (; *items != NULL; items++) {
        Network network;
        if (**items == '!')
            continue;
        if (!parse(*items, &network)) {
            append_odd(ret_odd, *items);
            continue;
        }
        GArray *left = g_array_new(FALSE, FALSE, sizeof(Network));
        g_array_append_val(left, network);
        for (guint i = 0; i < holes->len; i++)
            if (holds(&network, &g_array_index(holes, Network, i)))
                left = without(left, &g_array_index(holes, Network, i));
        for (guint i = 0; i < left->len; i++)
            g_ptr_array_add(texts, to_text(&g_array_index(left, Network, i)));
        g_array_unref(left);
    }
    return texts;
}
