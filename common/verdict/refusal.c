#include "verdict/refusal.h"

#include "verdict/rules.h"

static gboolean is_refusal(PosternAction action)
{
    return action == POSTERN_ACTION_TEMPFAIL || action == POSTERN_ACTION_REJECT;
}

/* What may keep a refusal from a recipient, or by a signature, that is not known yet. */
static gboolean may_be_spared(const PosternRefusalQuestion *question, const PosternPolicy *policy)
{
    return policy->allowed_senders->len > 0 || (policy->checks & question->checks) == 0 ||
           (question->recipient == NULL && policy->exempt_recipients->len > 0);
}

/* *reply is that of the mildest so far. FALSE: this policy does not refuse. */
static gboolean is_refused_by(const PosternRefusalQuestion *question, const PosternPolicy *policy,
                              PosternAction *mildest, const char **check, char **reply)
{
    PosternEnvelope envelope = *question->envelope;
    g_autoptr(GPtrArray) alone = g_ptr_array_new();
    PosternFacts facts = {policy, question->findings, &envelope, FALSE};
    PosternAction action;
    if (question->recipient != NULL) {
        g_ptr_array_add(alone, (gpointer)(guintptr)question->recipient);
        envelope.recipients = alone;
    }
    const PosternRule *rule = postern_rules_decide(&facts, question->checks, &action);
    if (!is_refusal(action) || may_be_spared(question, policy))
        return FALSE;
    if (*reply != NULL && action >= *mildest)
        return TRUE;
    *mildest = action;
    *check = rule->name;
    g_free(*reply);
    *reply = postern_rule_reply(rule, &facts, action);
    return TRUE;
}

char *postern_refusal_find(const PosternRefusalQuestion *question, const char **ret_check)
{
    const GPtrArray *all = postern_policies_of_class(question->policies, question->client_class);
    PosternAction mildest = POSTERN_ACTION_REJECT;
    g_autofree char *reply = NULL;
    *ret_check = NULL;
    if (question->client_class == POSTERN_CLIENT_TRUSTED_RELAY)
        return NULL;
    if (question->recipient != NULL) {
        const PosternPolicy *policy =
            postern_policies_of(question->policies, question->client_class, question->recipient);
        return is_refused_by(question, policy, &mildest, ret_check, &reply) ? g_steal_pointer(&reply) : NULL;
    }
    const char *check = NULL;
    for (guint i = 0; i < all->len; i++)
        if (!is_refused_by(question, g_ptr_array_index(all, i), &mildest, &check, &reply))
            return NULL;
    *ret_check = check;
    return g_steal_pointer(&reply);
}

gboolean postern_refusal_has_client_rules(const PosternPolicies *policies)
{
    const GPtrArray *all = postern_policies_of_class(policies, POSTERN_CLIENT_OTHER);
    for (guint i = 0; i < all->len; i++) {
        const PosternPolicy *policy = g_ptr_array_index(all, i);
        if ((policy->checks & POSTERN_CHECK_CLIENT) != 0 &&
            (postern_policies_know_networks(policies) ||
             postern_rules_may_refuse(policy, POSTERN_CHECK_CLIENT)))
            return TRUE;
    }
    return FALSE;
}

gboolean postern_refusal_may_be_of_client(const PosternPolicies *policies, PosternClientClass client_class,
                                          const PosternEnvelope *envelope)
{
    return client_class == POSTERN_CLIENT_OTHER && envelope->client.family != AF_UNSPEC &&
           !postern_address_is_loopback(&envelope->client) && postern_refusal_has_client_rules(policies);
}
