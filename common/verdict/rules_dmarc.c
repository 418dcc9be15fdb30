#include "verdict/rules.h"

#include <string.h>

static gboolean fails_under(const PosternCase *facts, PosternDmarcPolicy policy)
{
    const PosternDmarcFinding *dmarc = &facts->findings->dmarc;

    return dmarc->result == POSTERN_DMARC_FAIL && dmarc->decisive && dmarc->decisive->policy == policy &&
           !postern_case_is_overridden(facts, NULL);
}

static gboolean dmarc_reject_applies(const PosternCase *facts)
{
    return fails_under(facts, POSTERN_DMARC_POLICY_REJECT);
}

static gboolean dmarc_quarantine_applies(const PosternCase *facts)
{
    return fails_under(facts, POSTERN_DMARC_POLICY_QUARANTINE);
}

static gboolean dmarc_error_applies(const PosternCase *facts)
{
    return facts->findings->dmarc.result == POSTERN_DMARC_TEMPERROR;
}

static gboolean from_invalid_applies(const PosternCase *facts)
{
    return facts->findings->dmarc.from_invalid && !facts->findings->dmarc.from_missing;
}

static gboolean trusts(const PosternPolicy *policy, const char *sealer)
{
    const GPtrArray *sealers = policy->trusted_sealers;

    for (guint i = 0; sealer && i < sealers->len; i++)
        if (g_ascii_strcasecmp(g_ptr_array_index(sealers, i), sealer) == 0)
            return TRUE;
    return FALSE;
}

static gboolean vouches_for(const PosternArcSet *set, const char *domain)
{
    return set->dmarc && strcmp(set->dmarc, "pass") == 0 && set->dmarc_domain &&
           g_ascii_strcasecmp(set->dmarc_domain, domain) == 0;
}

gboolean postern_case_is_overridden(const PosternCase *facts, const char **ret_sealer)
{
    guint needed = POSTERN_CHECK_DMARC | POSTERN_CHECK_ARC;
    const PosternDmarcFinding *dmarc = &facts->findings->dmarc;
    const PosternArcFinding *arc = &facts->findings->arc;
    const PosternArcSet *lowest = NULL;

    if ((facts->policy->checks & needed) != needed || dmarc->result != POSTERN_DMARC_FAIL ||
        !dmarc->decisive || dmarc->from_invalid || arc->result != POSTERN_ARC_PASS)
        return FALSE;
    for (guint i = arc->sets->len; i > 0; i--) {
        const PosternArcSet *set = g_ptr_array_index(arc->sets, i - 1);

        if (!trusts(facts->policy, set->sealer))
            break;
        lowest = set;
    }
    if (!lowest || !vouches_for(lowest, dmarc->decisive->domain))
        return FALSE;
    if (ret_sealer)
        *ret_sealer = lowest->sealer;
    return TRUE;
}

/* The chain that could not be read may be one that overrides. */
static gboolean chain_is_missing(const PosternCase *facts)
{
    return (facts->policy->checks & POSTERN_CHECK_ARC) && facts->policy->trusted_sealers->len > 0 &&
           facts->findings->arc.result == POSTERN_ARC_TEMPERROR;
}

/* A failure may turn into a pass when the DNS is well again. */
static gboolean failure_may_pass(const PosternCase *facts)
{
    return chain_is_missing(facts) || facts->findings->spf.uncertain;
}

static void describe_dmarc_fail(const PosternCase *facts, gboolean inside, GString *text)
{
    const PosternDmarcAuthor *decisive = facts->findings->dmarc.decisive;
    const char *domain = decisive && postern_row_has_text(decisive->domain) ? decisive->domain : "the author";

    g_string_append_printf(text, "DMARC check failed: not authenticated, against the DMARC policy of %s",
                           domain);
    if (inside && decisive)
        g_string_append_printf(text, " (p=%s)", postern_dmarc_policy_name(decisive->policy));
}

static void describe_dmarc_error(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "DMARC check: temporary error");
    postern_row_add_in_brackets(text, facts->findings->dmarc.problem);
}

static void describe_from_invalid(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Header field From does not name one author domain");
    postern_row_add_in_brackets(text, facts->findings->dmarc.problem);
}

/* 451 4.4.3: RFC 3463 3.5, the DNS did not answer. Under p=none a failure leads to nothing. */
const PosternRow postern_rules_dmarc[] = {
    {"dmarc_reject", POSTERN_CHECK_DMARC, dmarc_reject_applies, POSTERN_ROW_POLICY(dmarc_reject), TRUE,
     failure_may_pass, "550 5.7.1", "451 4.7.1", describe_dmarc_fail},
    {"dmarc_quarantine", POSTERN_CHECK_DMARC, dmarc_quarantine_applies, POSTERN_ROW_POLICY(dmarc_quarantine),
     TRUE, failure_may_pass, "550 5.7.1", "451 4.7.1", describe_dmarc_fail},
    {"dmarc_error", POSTERN_CHECK_DMARC, dmarc_error_applies, POSTERN_ROW_POLICY(dmarc_error), TRUE,
     postern_row_always, "451 4.4.3", "451 4.4.3", describe_dmarc_error},
    {"from_invalid", POSTERN_CHECK_DMARC, from_invalid_applies, POSTERN_ROW_POLICY(from_invalid), TRUE, NULL,
     "550 5.7.1", "451 4.7.1", describe_from_invalid},
    {NULL},
};
