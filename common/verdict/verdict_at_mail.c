#include "verdict/rules.h"
#include "verdict/verdict.h"

static gboolean is_refusal(PosternAction action)
{
    return action == POSTERN_ACTION_TEMPFAIL || action == POSTERN_ACTION_REJECT;
}

/* What may keep a refusal from a recipient, or by a signature, that is not known yet. */
static gboolean may_be_spared(const PosternPolicy *policy)
{
    return policy->observe || policy->allowed_senders->len > 0 || policy->exempt_recipients->len > 0 ||
           !(policy->checks & POSTERN_CHECK_SPF);
}

static gboolean refuses_at_mail(const GPtrArray *list, const PosternFindings *findings,
                                const PosternEnvelope *envelope, char **ret_reply, const char **ret_check)
{
    PosternAction mildest = POSTERN_ACTION_REJECT;

    for (guint i = 0; i < list->len; i++) {
        PosternCase facts = {g_ptr_array_index(list, i), findings, envelope, FALSE};
        PosternAction action;
        const PosternRule *rule = postern_rules_decide(&facts, POSTERN_CHECKS_CLIENT, &action);

        if (!is_refusal(action) || may_be_spared(facts.policy))
            return FALSE;
        if (i > 0 && action >= mildest)
            continue;
        mildest = action;
        if (ret_check)
            *ret_check = rule->name;
        if (ret_reply) {
            g_free(*ret_reply);
            *ret_reply = postern_rule_reply(rule, &facts, action);
        }
    }
    return list->len > 0;
}

char *postern_verdict_refuse_at_mail(const PosternPolicies *policies, PosternClientClass client_class,
                                     const PosternFindings *findings, const PosternEnvelope *envelope,
                                     const char **ret_check)
{
    const char *check = NULL;
    g_autofree char *reply = NULL;
    gboolean refused = client_class != POSTERN_CLIENT_TRUSTED_RELAY &&
                       refuses_at_mail(postern_policies_of_class(policies, client_class), findings, envelope,
                                       &reply, &check);

    if (ret_check)
        *ret_check = refused ? check : NULL;
    return refused ? g_steal_pointer(&reply) : NULL;
}

gboolean postern_policies_may_refuse_at_mail(const PosternPolicies *policies, PosternClientClass client_class)
{
    static const PosternSpfResult results[] = {POSTERN_SPF_FAIL, POSTERN_SPF_SOFTFAIL, POSTERN_SPF_TEMPERROR};
    g_autoptr(PosternFindings) findings = postern_findings_new();
    g_autoptr(PosternEnvelope) envelope = postern_envelope_new();

    findings->spf_helo.result = POSTERN_SPF_FAIL;
    for (gsize i = 0; i < G_N_ELEMENTS(results); i++) {
        g_autofree char *reply = NULL;

        findings->spf.result = results[i];
        reply = postern_verdict_refuse_at_mail(policies, client_class, findings, envelope, NULL);
        if (reply)
            return TRUE;
    }
    return FALSE;
}
