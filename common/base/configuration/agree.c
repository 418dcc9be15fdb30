#include "base/configuration.h"

#include <gio/gio.h>
#include <string.h>

#include "base/configuration/check.h"
#include "base/configuration/listeners.h"
#include "base/configuration/private.h"
#include "base/endpoint.h"
#include "base/limits.h"
#include "base/server_entry.h"
#include "base/suggestion.h"

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

static gboolean are_everybody(GArray *ranges, const Range *public, gsize count)
{
    guint64 all = 0;
    guint64 trusted = 0;
    guint64 next = 0;
    g_array_sort(ranges, compare_ranges);
    for (gsize i = 0; i < count; i++) {
        all += public[i].last - public[i].first + 1;
        for (guint j = 0; j < ranges->len; j++)
            trusted += count_common(&g_array_index(ranges, Range, j), &public[i], &next);
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

static void check_trust(const PosternConfiguration *configuration, gboolean all_loopback,
                        PosternDiagnostics *diagnostics)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    for (gsize i = 0; i < length; i++) {
        const PosternOption *option = &options[i];
        if (option->trust == NULL || (option->trust_of_peers && all_loopback))
            continue;
        check_list(configuration, NULL, option, diagnostics);
        g_autoptr(GPtrArray) names = postern_configuration_names(configuration, option->group);
        for (guint j = 0; j < names->len; j++)
            if (!is_inherited(configuration, names->pdata[j], option))
                check_list(configuration, names->pdata[j], option, diagnostics);
    }
}

static gboolean is_loopback(GInetSocketAddress *endpoint)
{
    return g_inet_address_get_is_loopback(g_inet_socket_address_get_address(endpoint));
}

typedef struct {
    const PosternConfiguration *configuration;
    PosternDiagnostics *diagnostics;
    GPtrArray *listeners; /* so far */
    gboolean all_loopback;
} Listening;

static void check_listener(Listening *listening, const char *key, const char *text)
{
    GInetSocketAddress *listener = postern_endpoint_parse(text, NULL);
    g_return_if_fail(listener != NULL);

    for (guint i = 0; i < listening->listeners->len; i++) {
        GInetSocketAddress *other = listening->listeners->pdata[i];
        if (g_inet_socket_address_get_port(other) == g_inet_socket_address_get_port(listener) &&
            g_inet_address_equal(g_inet_socket_address_get_address(other),
                                 g_inet_socket_address_get_address(listener)))
            postern_diagnostics_add(listening->diagnostics, "proxy", key, "'%s' stands there twice", text);
    }
    g_ptr_array_add(listening->listeners, listener);
    listening->all_loopback = listening->all_loopback && is_loopback(listener);
}

static void check_server(const Listening *listening, const char *group, const char *key,
                         const PosternServerEntry *entry)
{
    const char *listener = postern_configuration_listener_at(listening->configuration, &entry->address);
    if (listener != NULL)
        postern_diagnostics_add(
            listening->diagnostics, group, key,
            "'%s' is where the proxy itself listens ('%s'): mail would go round in a loop", entry->place,
            listener);
}

/* The same for all ways to write the same place. */
static char *place_of(const PosternServerEntry *entry)
{
    g_autofree char *address = postern_address_to_string(&entry->address);
    if (entry->host != NULL)
        return g_strdup_printf("%s %s%u %s", entry->lmtp ? "lmtp" : "smtp", entry->srv ? "srv" : "",
                               entry->address.port, entry->host);
    return g_strdup_printf("%s %u %s", entry->lmtp ? "lmtp" : "smtp", entry->address.port, address);
}

/* Two that are the same would be one server that sees twice its limit. */
static void check_servers(const Listening *listening, const char *group, const char *key, char **servers)
{
    g_autoptr(GHashTable) places = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (char **server = servers; *server != NULL; server++) {
        g_autoptr(PosternServerEntry) entry = postern_server_entry_parse(*server, NULL);
        g_return_if_fail(entry != NULL);
        check_server(listening, group, key, entry);
        if (!g_hash_table_add(places, place_of(entry)))
            postern_diagnostics_add(listening->diagnostics, group, key, "'%s' stands there twice", *server);
    }
}

/* What would be left aside without a word: pins ask no authority, and a key needs its certificate. */
static void check_server_tls(const PosternConfiguration *configuration, PosternDiagnostics *diagnostics)
{
    if (configuration->tls.server_pins[0] != NULL && configuration->tls.server_authorities[0] != '\0')
        postern_diagnostics_add(diagnostics, "tls", "server_authorities",
                                "is of no use beside server_pins, for which no authority is asked: keep one "
                                "of both");
    if (configuration->tls.server_key[0] != '\0' && configuration->tls.server_certificate[0] == '\0')
        postern_diagnostics_add(diagnostics, "tls", "server_key",
                                "is of no use without server_certificate: name that too");
}

static void check_group_tls(const PosternConfiguration *configuration, const PosternServersOptions *group,
                            const char *title, PosternDiagnostics *diagnostics)
{
    gboolean pinned =
        group->tls_pins[0] != NULL || (group->tls == 0 && configuration->tls.server_pins[0] != NULL);
    if (pinned && group->tls_authorities[0] != '\0')
        postern_diagnostics_add(diagnostics, title, "tls_authorities",
                                "is of no use beside %s, for which no authority is asked: keep one of both",
                                group->tls_pins[0] != NULL ? "tls_pins" : "[tls] server_pins");
    if (group->tls_key[0] != '\0' && group->tls_certificate[0] == '\0')
        postern_diagnostics_add(diagnostics, title, "tls_key",
                                "is of no use without tls_certificate: name that too");
}

static void check_groups(const Listening *listening)
{
    const PosternConfiguration *configuration = listening->configuration;
    g_autoptr(GPtrArray) names = postern_configuration_names(configuration, "servers");
    check_servers(listening, "proxy", "backend", configuration->proxy.backend);
    for (guint i = 0; i < names->len; i++) {
        const PosternServersOptions *group = g_hash_table_lookup(configuration->groups, names->pdata[i]);
        g_autofree char *title = g_strdup_printf("servers %s", (char *)names->pdata[i]);
        if (g_str_equal(names->pdata[i], POSTERN_DEFAULT_GROUP))
            postern_diagnostics_add(listening->diagnostics, title, NULL,
                                    "is the name of the group whose servers are in [proxy] backend");
        if (group->address[0] == NULL)
            postern_diagnostics_add(listening->diagnostics, title, "address", "must name a server");
        check_servers(listening, title, "address", group->address);
        check_group_tls(configuration, group, title, listening->diagnostics);
    }
}

static void check_role(const PosternConfiguration *configuration, PosternDiagnostics *diagnostics)
{
    if (configuration->proxy.role == POSTERN_ROLE_BEFORE_QUEUE_FILTER) {
        if (configuration->proxy.trusted_clients[0] == NULL)
            postern_diagnostics_add(diagnostics, "proxy", "trusted_clients",
                                    "must name the mail servers that may connect: with role = "
                                    "before_queue_filter nobody else is let in");
    } else if (configuration->proxy.auth == POSTERN_AUTH_OFF &&
               (configuration->proxy.submission_listen[0] != NULL ||
                configuration->proxy.submission_tls_listen[0] != NULL)) {
        postern_diagnostics_add(diagnostics, "proxy", "submission_listen",
                                "is for users who log in: auth must not be off");
    }
}

static void check_listeners(const PosternConfiguration *configuration, PosternDiagnostics *diagnostics)
{
    g_autoptr(GPtrArray) listeners = g_ptr_array_new_with_free_func(g_object_unref);
    Listening listening = {configuration, diagnostics, listeners, TRUE};
    for (char **listen = configuration->proxy.listen; *listen != NULL; listen++)
        check_listener(&listening, "listen", *listen);
    for (char **listen = configuration->proxy.submission_listen; *listen != NULL; listen++)
        check_listener(&listening, "submission_listen", *listen);
    for (char **listen = configuration->proxy.tls_listen; *listen != NULL; listen++)
        check_listener(&listening, "tls_listen", *listen);
    for (char **listen = configuration->proxy.submission_tls_listen; *listen != NULL; listen++)
        check_listener(&listening, "submission_tls_listen", *listen);
    check_groups(&listening);
    check_trust(configuration, listening.all_loopback, diagnostics);
    if (configuration->proxy.role == POSTERN_ROLE_EDGE &&
        !postern_client_address_is_judged(configuration->proxy.client_address) && !listening.all_loopback &&
        configuration->proxy.recipient_domains[0] == NULL && configuration->proxy.routes[0] == '\0')
        postern_diagnostics_add(
            diagnostics, "proxy", "recipient_domains",
            "must name your domains: with client_address = %s the back-end takes every client for "
            "the proxy, and would be an open relay (or listen on loopback addresses alone)",
            configuration->proxy.client_address == POSTERN_CLIENT_ADDRESS_NONE ? "none" : "xforward");
}

static void check_policy_exists(const PosternConfiguration *configuration, const char *key, const char *name,
                                PosternDiagnostics *diagnostics)
{
    g_autoptr(GPtrArray) names = postern_configuration_names(configuration, POSTERN_POLICY_GROUP);
    if (postern_configuration_policy(configuration, name) != NULL)
        return;
    g_ptr_array_add(names, NULL);
    const char *nearest = postern_suggestion_for_name(name, (const char *const *)names->pdata);
    if (nearest != NULL)
        postern_diagnostics_add(diagnostics, "clients", key,
                                "there is no group [policy %s] (did you mean '%s'?)", name, nearest);
    else
        postern_diagnostics_add(diagnostics, "clients", key, "there is no group [policy %s]", name);
}

/* name: NULL is [policy] itself. */
static void check_policy(const PosternConfiguration *configuration, const char *name,
                         PosternDiagnostics *diagnostics)
{
    const PosternPolicyOptions *policy = postern_configuration_policy(configuration, name);
    const char *const *checks = (const char *const *)policy->checks;
    g_autofree char *group = name != NULL ? g_strdup_printf("policy %s", name) : g_strdup("policy");
    if (g_strv_contains(checks, "dmarc") &&
        !(g_strv_contains(checks, "spf") && g_strv_contains(checks, "dkim")))
        postern_diagnostics_add(diagnostics, group, "checks",
                                "has dmarc, which is made of what spf and dkim find: name these too");
    /* What a policy only has from [policy] does no harm if it is of no use. */
    if (name == NULL && policy->trusted_sealers[0] != NULL &&
        !(g_strv_contains(checks, "arc") && g_strv_contains(checks, "dmarc")))
        postern_diagnostics_add(diagnostics, group, "trusted_sealers",
                                "override what dmarc finds by what arc finds: name both in checks");
    if (policy->sign && (name == NULL || !configuration->policy.sign) && configuration->sign.table[0] == '\0')
        postern_diagnostics_add(diagnostics, group, "sign",
                                "needs keys: name their file in [sign] table, or set sign = no");
}

static void check_policies(const PosternConfiguration *configuration, PosternDiagnostics *diagnostics)
{
    g_autoptr(GPtrArray) names = postern_configuration_names(configuration, POSTERN_POLICY_GROUP);
    check_policy(configuration, NULL, diagnostics);
    for (guint i = 0; i < names->len; i++)
        check_policy(configuration, names->pdata[i], diagnostics);
    check_policy_exists(configuration, "authenticated_policy", configuration->clients.authenticated_policy,
                        diagnostics);
    check_policy_exists(configuration, "own_networks_policy", configuration->clients.own_networks_policy,
                        diagnostics);
}

static void check_message_size(const PosternConfiguration *configuration, PosternDiagnostics *diagnostics)
{
    guint64 held = configuration->proxy.message_size;
    if (!configuration->proxy.inspect)
        held = MIN(held, 2 * configuration->proxy.burst_size);
    if (configuration->proxy.message_memory < held)
        postern_diagnostics_add(diagnostics, "proxy", "message_memory",
                                configuration->proxy.inspect
                                    ? "is less than message_size: a message of that size could never be taken"
                                    : "is less than message_size and than two of burst_size");
    if (held > POSTERN_MESSAGE_MAX_OCTETS)
        postern_diagnostics_add(diagnostics, "proxy", "message_size",
                                "is more than 1G: messages so large pass only with inspect = no");
}

void postern_configuration_agree(const PosternConfiguration *configuration, PosternDiagnostics *diagnostics)
{
    check_listeners(configuration, diagnostics);
    check_server_tls(configuration, diagnostics);
    check_role(configuration, diagnostics);
    check_policies(configuration, diagnostics);
    check_message_size(configuration, diagnostics);
    if (configuration->milter.message_memory < configuration->milter.message_size)
        postern_diagnostics_add(diagnostics, "milter", "message_memory",
                                "is less than message_size: a message of that size could never be looked at");
    if (configuration->dns.answers[0] != '\0' && configuration->dns.servers[0] != NULL)
        postern_diagnostics_add(
            diagnostics, "dns", "answers",
            "takes the place of the network, so that servers are never asked: keep one of both");
}
