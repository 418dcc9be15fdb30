#include "verdict/rules.h"

static gboolean does_something(PosternAction action)
{
    return action > POSTERN_ACTION_MARK;
}

static gboolean dmarc_does_something(const PosternPolicy *policy)
{
    return does_something(policy->dmarc_reject) || does_something(policy->dmarc_quarantine) ||
           does_something(policy->from_invalid);
}

/* DMARC hangs on SPF and DKIM, unless one of them, or the absence of a policy, has settled it. */
static gboolean dmarc_is_open(const PosternCase *facts)
{
    const guint needed = POSTERN_CHECK_DMARC | POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM;
    PosternDmarcResult result = facts->findings->dmarc.result;

    return (facts->policy->checks & POSTERN_CHECK_DMARC) && (facts->findings->not_run & needed) &&
           (result == POSTERN_DMARC_NOT_CHECKED || result == POSTERN_DMARC_TEMPERROR);
}

/* A failure that policy would do something about may be behind what no inspector had time to find out. */
static gboolean inspection_applies(const PosternCase *facts)
{
    const PosternPolicy *policy = facts->policy;
    guint not_run = facts->findings->not_run & policy->checks;

    return ((not_run & POSTERN_CHECK_SPF) &&
            (does_something(policy->spf_fail) || does_something(policy->spf_softfail))) ||
           ((not_run & POSTERN_CHECK_SPF_HELO) && does_something(policy->spf_helo)) ||
           ((not_run & POSTERN_CHECK_DKIM) && does_something(policy->dkim_fail)) ||
           (dmarc_is_open(facts) && dmarc_does_something(policy));
}

static void describe_inspection(const PosternCase *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Message could not be checked");
    for (guint i = 0; inside && i < 32; i++)
        if (facts->findings->not_run & (1U << i))
            g_string_append_printf(text, " %s", postern_check_name((PosternChecks)(1U << i)));
}

/* Our own trouble, which passes: 451 4.3.0, RFC 3463 3.4. */
const PosternRow postern_rules_inspection[] = {
    {"inspection", POSTERN_CHECKS_CLIENT | POSTERN_CHECK_DKIM | POSTERN_CHECK_DMARC, inspection_applies,
     POSTERN_ROW_ALWAYS_TEMPFAIL, TRUE, postern_row_always, "451 4.3.0", "451 4.3.0", describe_inspection},
    {NULL},
};
