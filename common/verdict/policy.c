#include "verdict/policy.h"

#include <string.h>

#include "verdict/check.h"

#define MAPPED_PREFIX_BITS 96 /* RFC 4291 2.5.5.2 */

const char *postern_action_name(PosternAction action)
{
    return action <= POSTERN_ACTION_REJECT ? postern_actions[action] : "unknown";
}

gboolean postern_action_does_something(PosternAction action)
{
    return action > POSTERN_ACTION_MARK;
}

PosternAction postern_action_of_reply(const char *reply)
{
    return reply[0] == '5' ? POSTERN_ACTION_REJECT : POSTERN_ACTION_TEMPFAIL;
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

void postern_networks_add(GArray *networks, char *const *items)
{
    for (char *const *item = items; *item; item++) {
        PosternNetwork network;

        if (parse_network(&network, *item))
            g_array_append_val(networks, network);
    }
}

gboolean postern_networks_contain(const GArray *networks, const PosternAddress *address)
{
    for (guint i = 0; i < networks->len; i++) {
        const PosternNetwork *network = &g_array_index(networks, PosternNetwork, i);

        if (postern_address_in_network(address, &network->address, network->bits))
            return TRUE;
    }
    return FALSE;
}

static char *own_name(const PosternConfiguration *configuration)
{
    const char *name = configuration->proxy.hostname;

    return g_strdup(name && *name ? name : g_get_host_name());
}

static PosternChecks checks_of(const PosternConfiguration *configuration, const PosternPolicyOptions *options)
{
    guint named = 0, wanted = 0;
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
        if (g_strv_contains((const char *const *)options->checks, postern_checks[i].name))
            named |= (guint)postern_checks[i].check;
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++) {
        guint check = (guint)postern_checks[i].check;
        if (postern_checks[i].of->is_wanted != NULL
                ? postern_checks[i].of->is_wanted(configuration, options, named)
                : (named & check) != 0)
            wanted |= check;
    }
    return (PosternChecks)wanted;
}

static GPtrArray *lower_case_copy(char *const *items)
{
    GPtrArray *copy = g_ptr_array_new_with_free_func(g_free);

    for (char *const *item = items; *item; item++)
        g_ptr_array_add(copy, g_ascii_strdown(*item, -1));
    return copy;
}

/* What unscannable stands for, if the option of the kind says so. TEMPFAIL there is for what passes: what
 * will be the same at every retry has an action of its own then. */
static PosternAction action_of_kind(const PosternPolicyOptions *options, guint action, PosternAction lasting)
{
    PosternAction unscannable = (PosternAction)options->unscannable;

    if (action != POSTERN_CONFIGURATION_AS_UNSCANNABLE)
        return (PosternAction)action;
    return unscannable == POSTERN_ACTION_TEMPFAIL ? lasting : unscannable;
}

static void copy_actions_of_kinds(PosternPolicy *policy, const PosternPolicyOptions *options)
{
    policy->scan_error = action_of_kind(options, options->scan_error, POSTERN_ACTION_TEMPFAIL);
    policy->ambiguous = action_of_kind(options, options->ambiguous, POSTERN_ACTION_QUARANTINE);
    policy->encrypted = action_of_kind(options, options->encrypted, POSTERN_ACTION_MARK);
    policy->too_large = action_of_kind(options, options->too_large, POSTERN_ACTION_MARK);
    policy->unknown_container = action_of_kind(options, options->unknown_container, POSTERN_ACTION_MARK);
    policy->heuristic = (PosternAction)options->heuristic;
    policy->no_signatures = (PosternAction)options->no_signatures;
}

static void copy_actions(PosternPolicy *policy, const PosternPolicyOptions *options)
{
    policy->virus = (PosternAction)options->virus;
    policy->spf_fail = (PosternAction)options->spf_fail;
    policy->spf_softfail = (PosternAction)options->spf_softfail;
    policy->spf_error = (PosternAction)options->spf_error;
    policy->spf_helo = (PosternAction)options->spf_helo;
    policy->dkim_fail = (PosternAction)options->dkim_fail;
    policy->dkim_error = (PosternAction)options->dkim_error;
    policy->dmarc_reject = (PosternAction)options->dmarc_reject;
    policy->dmarc_quarantine = (PosternAction)options->dmarc_quarantine;
    policy->dmarc_error = (PosternAction)options->dmarc_error;
    policy->from_invalid = (PosternAction)options->from_invalid;
    policy->header_ambiguous = (PosternAction)options->header_ambiguous;
    policy->sign_error = (PosternAction)options->sign_error;
}

PosternPolicy *postern_policy_from_group(const PosternConfiguration *configuration, const char *name,
                                         const char *authserv_id)
{
    const PosternPolicyOptions *options = postern_configuration_policy(configuration, name);

    g_return_val_if_fail(options != NULL, NULL);

    PosternPolicy *policy = g_new0(PosternPolicy, 1);

    policy->name = g_strdup(name);
    policy->checks = checks_of(configuration, options);
    copy_actions(policy, options);
    copy_actions_of_kinds(policy, options);
    policy->trusted_sealers = lower_case_copy(options->trusted_sealers);
    policy->authentication_results = options->authentication_results;
    policy->received_spf = options->received_spf;
    policy->virus_status = (PosternVirusStatus)options->virus_status;
    policy->subject_tag = g_strdup(options->subject_tag);
    policy->sign = options->sign;
    memcpy(policy->of_checks, options->of_checks, sizeof policy->of_checks);
    policy->observe = configuration->proxy.mode == POSTERN_MODE_OBSERVE;
    policy->authserv_id = authserv_id ? g_strdup(authserv_id) : own_name(configuration);
    policy->allowed_networks = g_array_new(FALSE, FALSE, sizeof(PosternNetwork));
    postern_networks_add(policy->allowed_networks, options->allow_clients);
    policy->allowed_senders = lower_case_copy(options->allow_senders);
    policy->exempt_recipients = lower_case_copy(options->exempt_recipients);
    return policy;
}

PosternPolicy *postern_policy_from_configuration(const PosternConfiguration *configuration,
                                                 const char *authserv_id)
{
    return postern_policy_from_group(configuration, "", authserv_id);
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
    g_free(policy->name);
    g_free(policy->subject_tag);
    g_free(policy->authserv_id);
    g_ptr_array_unref(policy->trusted_sealers);
    g_array_unref(policy->allowed_networks);
    g_ptr_array_unref(policy->allowed_senders);
    g_ptr_array_unref(policy->exempt_recipients);
    g_free(policy);
}
