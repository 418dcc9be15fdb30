#include "base/configuration_trust.h"

#include <gio/gio.h>
#include <string.h>

#include "base/configuration_check.h"
#include "base/configuration_policies.h"
#include "base/limits.h"

#define MAPPED_PREFIX_BITS 96 /* RFC 4291 2.5.5.2 */
#define MAPPED_PREFIX "\0\0\0\0\0\0\0\0\0\0\xff\xff"

/* Addresses from first to last; of IPv6 the upper half of each, which is finer than anybody's network. */
typedef struct {
    guint64 first, last;
} Range;

/* Where external clients are: all but this network, private and special ones, multicast (RFC 6890, 4291). */
static const Range public_ipv4[] = {
    {0x01000000, 0x09ffffff}, {0x0b000000, 0x643fffff}, {0x64800000, 0x7effffff}, {0x80000000, 0xa9fdffff},
    {0xa9ff0000, 0xac0fffff}, {0xac200000, 0xc0a7ffff}, {0xc0a90000, 0xdfffffff},
};
static const Range public_ipv6[] = {
    {G_GUINT64_CONSTANT(0x2000000000000000), G_GUINT64_CONSTANT(0x3fffffffffffffff)},
};

/* The first bits of a number of width bits, as the range of all numbers that begin so. */
static Range range_of(guint64 number, guint width, guint bits)
{
    guint64 rest = bits >= width ? 0 : G_MAXUINT64 >> (64 - (width - bits));
    return (Range){number & ~rest, number | rest};
}

static guint64 read_number(const guint8 *octets, gsize length)
{
    guint64 number = 0;
    for (gsize i = 0; i < length; i++)
        number = number << 8 | octets[i];
    return number;
}

/* Adds network to ipv4 or ipv6 (of Range). */
static void add_network(GArray *ipv4, GArray *ipv6, const char *network)
{
    if (!postern_configuration_check_network(network, NULL))
        return;
    g_autoptr(GInetAddressMask) mask = g_inet_address_mask_new_from_string(network, NULL);
    GInetAddress *address = g_inet_address_mask_get_address(mask);
    const guint8 *octets = g_inet_address_to_bytes(address);
    guint bits = g_inet_address_mask_get_length(mask);
    if (g_inet_address_get_family(address) == G_SOCKET_FAMILY_IPV4) {
        Range range = range_of(read_number(octets, 4), 32, bits);
        g_array_append_val(ipv4, range);
    } else if (bits >= MAPPED_PREFIX_BITS && memcmp(octets, MAPPED_PREFIX, MAPPED_PREFIX_BITS / 8) == 0) {
        Range range = range_of(read_number(octets + 12, 4), 32, bits - MAPPED_PREFIX_BITS);
        g_array_append_val(ipv4, range);
    } else if (bits <= 64) {
        Range range = range_of(read_number(octets, 8), 64, bits);
        g_array_append_val(ipv6, range);
    }
}

static int compare_ranges(gconstpointer a, gconstpointer b)
{
    const Range *first = a;
    const Range *second = b;
    return (first->first > second->first) - (first->first < second->first);
}

/* How many numbers of range are in both, those before *next left out, which is moved behind them. */
static guint64 count_common(const Range *range, const Range *other, guint64 *next)
{
    guint64 first = MAX(MAX(range->first, other->first), *next);
    guint64 last = MIN(range->last, other->last);
    if (first > last)
        return 0;
    *next = last + 1;
    return last - first + 1;
}

static gboolean are_everybody(GArray *ranges, const Range *strangers, gsize count)
{
    guint64 all = 0;
    guint64 trusted = 0;
    guint64 next = 0;
    g_array_sort(ranges, compare_ranges);
    for (gsize i = 0; i < count; i++) {
        all += strangers[i].last - strangers[i].first + 1;
        for (guint j = 0; j < ranges->len; j++)
            trusted += count_common(&g_array_index(ranges, Range, j), &strangers[i], &next);
    }
    return trusted >= all / POSTERN_TRUST_PUBLIC_PARTS;
}

gboolean postern_networks_are_everybody(const char *const *networks)
{
    g_autoptr(GArray) ipv4 = g_array_new(FALSE, FALSE, sizeof(Range));
    g_autoptr(GArray) ipv6 = g_array_new(FALSE, FALSE, sizeof(Range));
    for (; *networks != NULL; networks++)
        add_network(ipv4, ipv6, *networks);
    return are_everybody(ipv4, public_ipv4, G_N_ELEMENTS(public_ipv4)) ||
           are_everybody(ipv6, public_ipv6, G_N_ELEMENTS(public_ipv6));
}

static const char *const *list_at(const PosternConfiguration *configuration, const char *policy,
                                  const PosternOption *option)
{
    return *(const char *const *const *)postern_configuration_place(configuration, policy, option);
}

/* policy: NULL, or NAME of [policy NAME]. */
static void check_list(const PosternConfiguration *configuration, const char *policy,
                       const PosternOption *option, PosternDiagnostics *diagnostics)
{
    const char *const *list = list_at(configuration, policy, option);
    g_autofree char *group = policy != NULL ? g_strdup_printf("%s %s", option->group, policy) : NULL;
    const char *alone = NULL;
    if (!postern_networks_are_everybody(list))
        return;
    for (gsize i = 0; alone == NULL && list[i] != NULL; i++) {
        const char *const one[] = {list[i], NULL};
        alone = postern_networks_are_everybody(one) ? list[i] : NULL;
    }
    g_autofree char *who =
        alone != NULL ? g_strdup_printf("'%s' is", alone) : g_strdup("all of them together are");
    postern_diagnostics_add(diagnostics, group != NULL ? group : option->group, option->key,
                            "%s everybody: %s (name the networks that are meant%s)", who, option->trust,
                            option->trust_of_peers ? ", or listen on loopback addresses alone" : "");
}

/* What a policy only has from [policy] is said there. */
static gboolean is_inherited(const PosternConfiguration *configuration, const char *policy,
                             const PosternOption *option)
{
    return g_strv_equal(list_at(configuration, policy, option), list_at(configuration, NULL, option));
}

void postern_configuration_check_trust(const PosternConfiguration *configuration, gboolean all_loopback,
                                       PosternDiagnostics *diagnostics)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    g_autoptr(GPtrArray) names = postern_configuration_policy_names(configuration);
    for (gsize i = 0; i < length; i++) {
        const PosternOption *option = &options[i];
        if (option->trust == NULL || (option->trust_of_peers && all_loopback))
            continue;
        check_list(configuration, NULL, option, diagnostics);
        for (guint j = 0; j < names->len && strcmp(option->group, POSTERN_POLICY_GROUP) == 0; j++)
            if (!is_inherited(configuration, names->pdata[j], option))
                check_list(configuration, names->pdata[j], option, diagnostics);
    }
}
