#include "judge/policy.h"

#include <string.h>

#define MAPPED_PREFIX_BITS 96 /* RFC 4291 2.5.5.2 */

const char *postern_action_name(PosternAction action)
{
    static const char *const names[] = {
        [POSTERN_ACTION_ACCEPT] = "accept",         [POSTERN_ACTION_MARK] = "mark",
        [POSTERN_ACTION_QUARANTINE] = "quarantine", [POSTERN_ACTION_DISCARD] = "discard",
        [POSTERN_ACTION_TEMPFAIL] = "tempfail",     [POSTERN_ACTION_REJECT] = "reject",
    };

    return (gsize)action < G_N_ELEMENTS(names) ? names[action] : "unknown";
}

static gboolean parse_network(PosternNetwork *network, const char *text)
{
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    gboolean mapped = FALSE;
    guint64 width;
    guint64 bits;

    if (!parts[0] || !postern_address_parse(&network->address, g_strstrip(parts[0])))
        return FALSE;
    mapped = network->address.family == AF_INET && strchr(parts[0], ':');
    width = network->address.family == AF_INET && !mapped ? 32 : 128;
    bits = width;
    if (parts[1] && !g_ascii_string_to_unsigned(g_strstrip(parts[1]), 10, 0, width, &bits, NULL))
        return FALSE;
    if (mapped && bits < MAPPED_PREFIX_BITS)
        return FALSE;
    network->bits = (guint)(mapped ? bits - MAPPED_PREFIX_BITS : bits);
    return TRUE;
}

static void add_networks(GArray *networks, char **items)
{
    for (char **item = items; *item; item++) {
        PosternNetwork network;

        if (parse_network(&network, *item))
            g_array_append_val(networks, network);
    }
}

static char *own_name(const PosternConfiguration *configuration)
{
    const char *name = configuration->proxy.hostname;

    return g_strdup(name && *name ? name : g_get_host_name());
}

PosternPolicy *postern_policy_from_configuration(const PosternConfiguration *configuration,
                                                 const char *authserv_id)
{
    PosternPolicy *policy = g_new0(PosternPolicy, 1);

    policy->virus = (PosternAction)configuration->policy.virus;
    policy->unscannable = (PosternAction)configuration->policy.unscannable;
    policy->spf_fail = (PosternAction)configuration->policy.spf_fail;
    policy->spf_softfail = (PosternAction)configuration->policy.spf_softfail;
    policy->spf_error = (PosternAction)configuration->policy.spf_error;
    policy->dkim_fail = (PosternAction)configuration->policy.dkim_fail;
    policy->dkim_error = (PosternAction)configuration->policy.dkim_error;
    policy->authentication_results = configuration->policy.authentication_results;
    policy->observe = configuration->proxy.mode == POSTERN_MODE_OBSERVE;
    policy->authserv_id = authserv_id ? g_strdup(authserv_id) : own_name(configuration);
    policy->allowed_networks = g_array_new(FALSE, FALSE, sizeof(PosternNetwork));
    add_networks(policy->allowed_networks, configuration->policy.allow_clients);
    policy->exempt_recipients = g_ptr_array_new_with_free_func(g_free);
    for (char **item = configuration->policy.exempt_recipients; *item; item++)
        g_ptr_array_add(policy->exempt_recipients, g_ascii_strdown(*item, -1));
    return policy;
}

PosternPolicy *postern_policy_new(void)
{
    g_autoptr(PosternConfiguration) configuration = postern_configuration_new();

    return postern_policy_from_configuration(configuration, NULL);
}

void postern_policy_free(PosternPolicy *policy)
{
    if (!policy)
        return;
    g_free(policy->authserv_id);
    g_array_unref(policy->allowed_networks);
    g_ptr_array_unref(policy->exempt_recipients);
    g_free(policy);
}
