#include "verdict/policies.h"

#include <string.h>

#include "base/option.h"
#include "verdict/policies_table.h"

struct PosternPolicies {
    gint references;
    GHashTable *local;   /* NAME to PosternPolicy *, for mail of our own clients; "" is [policy] */
    GHashTable *remote;  /* the same for all others: nothing of theirs gets our signature */
    GHashTable *table;   /* of [clients] recipients: its key to PosternPolicy *; NULL: there is none */
    GPtrArray *external; /* of PosternPolicy *: [policy], and those of the table */
    GPtrArray *users;    /* the one of authenticated_policy */
    GPtrArray *own;      /* the one of own_networks_policy */
    GArray *own_networks;
    GArray *trusted_relays;
    GArray *trusted; /* both */
    gboolean know_networks;
};

const char *postern_client_class_name(PosternClientClass client_class)
{
    static const char *const names[] = {
        [POSTERN_CLIENT_AUTHENTICATED] = "authenticated",
        [POSTERN_CLIENT_OWN_NETWORK] = "own_network",
        [POSTERN_CLIENT_TRUSTED_RELAY] = "trusted_relay",
        [POSTERN_CLIENT_OTHER] = "other",
    };

    return (gsize)client_class < G_N_ELEMENTS(names) ? names[client_class] : "unknown";
}

/* Whatever [policy NAME] says, an external client that calls itself one of us does not get our signature for
 * it. */
static void add_named(GHashTable *set, gboolean signs, PosternPolicy *policy, gboolean observe)
{
    policy->observe = observe;
    if (!signs) {
        policy->sign = FALSE;
        policy->checks = (PosternChecks)(policy->checks & ~(guint)POSTERN_CHECK_SIGN);
    }
    g_hash_table_insert(set, policy->name, policy);
}

static GHashTable *named_policies(const PosternConfiguration *configuration, gboolean signs,
                                  const char *authserv_id, gboolean observe)
{
    GHashTable *set =
        g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)postern_policy_free);
    g_autoptr(GPtrArray) names = postern_configuration_names(configuration, "policy");

    add_named(set, signs, postern_policy_from_configuration(configuration, authserv_id), observe);
    for (guint i = 0; i < names->len; i++)
        add_named(set, signs, postern_policy_from_group(configuration, names->pdata[i], authserv_id),
                  observe);
    return set;
}

static GPtrArray *only(GHashTable *set, const char *name)
{
    GPtrArray *list = g_ptr_array_new();
    PosternPolicy *policy = g_hash_table_lookup(set, name);

    g_ptr_array_add(list, policy ? policy : g_hash_table_lookup(set, ""));
    return list;
}

static gboolean read_table(PosternPolicies *policies, const char *path, GError **error)
{
    GHashTableIter iter;
    gpointer policy;

    if (*path == '\0')
        return TRUE;
    policies->table = postern_policies_table_read(path, policies->remote, error);
    if (!policies->table)
        return FALSE;
    g_hash_table_iter_init(&iter, policies->table);
    while (g_hash_table_iter_next(&iter, NULL, &policy))
        if (!g_ptr_array_find(policies->external, policy, NULL))
            g_ptr_array_add(policies->external, policy);
    return TRUE;
}

static GArray *networks_of(char *const *items, char *const *more)
{
    GArray *networks = g_array_new(FALSE, FALSE, sizeof(PosternNetwork));

    postern_networks_add(networks, items);
    if (more)
        postern_networks_add(networks, more);
    return networks;
}

PosternPolicies *postern_policies_new(const PosternConfiguration *configuration, const char *authserv_id,
                                      gboolean observe, GError **error)
{
    g_autoptr(PosternPolicies) policies = g_new0(PosternPolicies, 1);

    policies->references = 1;
    policies->know_networks = configuration->clients.networks[0] != '\0';
    policies->local = named_policies(configuration, TRUE, authserv_id, observe);
    policies->remote = named_policies(configuration, FALSE, authserv_id, observe);
    policies->external = only(policies->remote, "");
    policies->users = only(policies->local, configuration->clients.authenticated_policy);
    policies->own = only(policies->local, configuration->clients.own_networks_policy);
    policies->own_networks = networks_of(configuration->clients.own_networks, NULL);
    policies->trusted_relays = networks_of(configuration->clients.trusted_relays, NULL);
    policies->trusted =
        networks_of(configuration->clients.trusted_relays, configuration->clients.own_networks);
    if (!read_table(policies, configuration->clients.recipients, error))
        return NULL;
    return g_steal_pointer(&policies);
}

PosternPolicies *postern_policies_ref(PosternPolicies *policies)
{
    g_atomic_int_inc(&policies->references);
    return policies;
}

void postern_policies_unref(PosternPolicies *policies)
{
    if (!policies || !g_atomic_int_dec_and_test(&policies->references))
        return;
    g_clear_pointer(&policies->table, g_hash_table_unref);
    g_clear_pointer(&policies->external, g_ptr_array_unref);
    g_clear_pointer(&policies->users, g_ptr_array_unref);
    g_clear_pointer(&policies->own, g_ptr_array_unref);
    g_clear_pointer(&policies->own_networks, g_array_unref);
    g_clear_pointer(&policies->trusted_relays, g_array_unref);
    g_clear_pointer(&policies->trusted, g_array_unref);
    g_clear_pointer(&policies->local, g_hash_table_unref);
    g_clear_pointer(&policies->remote, g_hash_table_unref);
    g_free(policies);
}

PosternClientClass postern_policies_client_class(const PosternPolicies *policies,
                                                 const PosternEnvelope *envelope)
{
    if (envelope->login && *envelope->login)
        return POSTERN_CLIENT_AUTHENTICATED;
    if (postern_networks_contain(policies->own_networks, &envelope->client))
        return POSTERN_CLIENT_OWN_NETWORK;
    if (postern_networks_contain(policies->trusted_relays, &envelope->client))
        return POSTERN_CLIENT_TRUSTED_RELAY;
    return POSTERN_CLIENT_OTHER;
}

const GPtrArray *postern_policies_of_class(const PosternPolicies *policies, PosternClientClass client_class)
{
    if (client_class == POSTERN_CLIENT_AUTHENTICATED)
        return policies->users;
    return client_class == POSTERN_CLIENT_OWN_NETWORK ? policies->own : policies->external;
}

const PosternPolicy *postern_policies_of(const PosternPolicies *policies, PosternClientClass client_class,
                                         const char *recipient)
{
    const GPtrArray *list = postern_policies_of_class(policies, client_class);
    const PosternPolicy *policy = NULL;

    if (list == policies->external && policies->table && recipient)
        policy = postern_policies_table_find(policies->table, recipient);
    return policy ? policy : g_ptr_array_index(list, 0);
}

PosternChecks postern_policies_checks(const PosternPolicies *policies, PosternClientClass client_class)
{
    const GPtrArray *list = postern_policies_of_class(policies, client_class);
    guint checks = 0;

    for (guint i = 0; i < list->len; i++)
        checks |= ((const PosternPolicy *)g_ptr_array_index(list, i))->checks;
    return (PosternChecks)(checks & (POSTERN_CHECKS_VERDICT | POSTERN_CHECK_SIGN));
}

gboolean postern_policies_greylist(const PosternPolicies *policies)
{
    return (postern_policies_checks(policies, POSTERN_CLIENT_OTHER) & POSTERN_CHECK_GREYLIST) != 0;
}

gboolean postern_policies_know_networks(const PosternPolicies *policies)
{
    return policies->know_networks;
}

gboolean postern_policies_trust(const PosternAddress *address, gconstpointer policies)
{
    const PosternPolicies *ours = policies;
    return postern_address_is_loopback(address) || postern_networks_contain(ours->trusted, address);
}
