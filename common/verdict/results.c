#include "verdict/results.h"

#include <string.h>

#include "verdict/identity.h"

static void add_spf(PosternAuthenticationResults *results, const PosternCase *facts)
{
    const PosternSpfFinding *spf = &facts->findings->spf;
    const char *identity = spf->helo ? facts->envelope->helo : facts->envelope->sender;

    if (spf->result == POSTERN_SPF_NOT_CHECKED)
        return;
    postern_authentication_results_add(results, "spf", postern_spf_result_name(spf->result), spf->problem);
    g_autofree char *value =
        postern_identity_to_ascii(identity && *identity ? identity : spf->domain, spf->domain);

    postern_authentication_results_add_property(results, "smtp", spf->helo ? "helo" : "mailfrom", value);
}

/* HELO beside MAIL FROM. */
static void add_spf_helo(PosternAuthenticationResults *results, const PosternCase *facts)
{
    const PosternSpfFinding *spf = &facts->findings->spf_helo;

    if (spf->result == POSTERN_SPF_NOT_CHECKED)
        return;
    postern_authentication_results_add(results, "spf", postern_spf_result_name(spf->result), spf->problem);
    postern_authentication_results_add_property(results, "smtp", "helo", spf->domain);
}

static void add_signature(PosternAuthenticationResults *results, const PosternDkimFinding *dkim)
{
    gboolean skipped = dkim->result == POSTERN_DKIM_SKIPPED;
    const char *result = postern_dkim_result_name(skipped ? POSTERN_DKIM_POLICY : dkim->result);
    const char *reason = skipped && !dkim->reason ? "not evaluated: too many signatures" : dkim->reason;

    postern_authentication_results_add(results, "dkim", result, reason);
    postern_authentication_results_add_property(results, "header", "d", dkim->domain);
    postern_authentication_results_add_property(results, "header", "s", dkim->selector);
    postern_authentication_results_add_property(results, "header", "a", dkim->algorithm);
    postern_authentication_results_add_property(results, "header", "b", dkim->signature_start);

    /* With its '@': i= may be of a domain alone. */
    const char *at = dkim->identity ? strrchr(dkim->identity, '@') : NULL;
    g_autofree char *identity = postern_identity_to_ascii(dkim->identity, at);

    postern_authentication_results_add_property(results, "header", "i", identity);
}

static void add_dkim(PosternAuthenticationResults *results, const PosternCase *facts)
{
    g_autoptr(GPtrArray) dkim = postern_findings_listed_signatures(facts->findings);

    for (guint i = 0; i < dkim->len; i++)
        add_signature(results, g_ptr_array_index(dkim, i));
    if (facts->findings->dkim_checked && dkim->len == 0)
        postern_authentication_results_add(results, "dkim", postern_dkim_result_name(POSTERN_DKIM_NONE),
                                           NULL);
}

/* Whose From it is: the author that decides, or the first. */
static const char *author_of(const PosternDmarcFinding *dmarc)
{
    const PosternDmarcAuthor *author = dmarc->decisive;

    if (!author && dmarc->authors->len > 0)
        author = g_ptr_array_index(dmarc->authors, 0);
    return author ? author->domain : NULL;
}

static void add_dmarc(PosternAuthenticationResults *results, const PosternCase *facts)
{
    const PosternDmarcFinding *dmarc = &facts->findings->dmarc;
    const char *sealer = NULL;
    g_autofree char *overridden = NULL;

    if (dmarc->result == POSTERN_DMARC_NOT_CHECKED)
        return;
    if (postern_case_is_overridden(facts, &sealer))
        overridden = g_strdup_printf("overridden: ARC of the trusted sealer %s says pass", sealer);
    postern_authentication_results_add(results, "dmarc", postern_dmarc_result_name(dmarc->result),
                                       overridden ? overridden : dmarc->problem);
    postern_authentication_results_add_property(results, "header", "from", author_of(dmarc));
    if (dmarc->decisive && dmarc->decisive->record_domain)
        postern_authentication_results_add_property(results, "policy", "dmarc",
                                                    postern_dmarc_policy_name(dmarc->decisive->policy));
}

static void add_arc(PosternAuthenticationResults *results, const PosternCase *facts)
{
    const PosternArcFinding *arc = &facts->findings->arc;
    gboolean temporary = arc->result == POSTERN_ARC_TEMPERROR;
    g_autofree char *client = postern_address_to_string(&facts->envelope->client);
    g_autofree char *reason = NULL;

    if (arc->result == POSTERN_ARC_NOT_CHECKED)
        return;
    if (temporary)
        reason = g_strconcat("temporary error: ", arc->reason ? arc->reason : "the DNS did not answer", NULL);
    postern_authentication_results_add(results, "arc",
                                       postern_arc_result_name(temporary ? POSTERN_ARC_FAIL : arc->result),
                                       temporary ? reason : arc->reason);
    if (facts->envelope->client.family != AF_UNSPEC)
        postern_authentication_results_add_property(results, "smtp", "remote-ip", client);
}

PosternAuthenticationResults *postern_results_of_case(const PosternCase *facts)
{
    PosternAuthenticationResults *results = postern_authentication_results_new(facts->policy->authserv_id);
    guint checks = facts->policy->checks;

    if (checks & POSTERN_CHECK_SPF)
        add_spf(results, facts);
    if (checks & POSTERN_CHECK_SPF_HELO)
        add_spf_helo(results, facts);
    if (checks & POSTERN_CHECK_DKIM)
        add_dkim(results, facts);
    if (checks & POSTERN_CHECK_DMARC)
        add_dmarc(results, facts);
    if (checks & POSTERN_CHECK_ARC)
        add_arc(results, facts);
    return results;
}
