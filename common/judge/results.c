#include "judge/results.h"

#include "base/limits.h"

/* More would not fit into POSTERN_HEADER_EDIT_MAX_OCTETS with the longest of texts. */
#define SIGNATURES_LISTED_MAX (2 * POSTERN_DKIM_SIGNATURES_MAX)

static void add_spf(PosternAuthenticationResults *results, const PosternSpfFinding *spf,
                    const PosternEnvelope *envelope)
{
    const char *identity = spf->helo ? envelope->helo : envelope->sender;

    if (spf->result == POSTERN_SPF_NOT_CHECKED)
        return;
    postern_authentication_results_add(results, "spf", postern_spf_result_name(spf->result), spf->problem);
    postern_authentication_results_add_property(results, "smtp", spf->helo ? "helo" : "mailfrom",
                                                identity && *identity ? identity : spf->domain);
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
}

PosternAuthenticationResults *postern_results_of_findings(const char *authserv_id,
                                                          const PosternFindings *findings,
                                                          const PosternEnvelope *envelope)
{
    PosternAuthenticationResults *results = postern_authentication_results_new(authserv_id);

    add_spf(results, &findings->spf, envelope);
    for (guint i = 0; i < MIN(findings->dkim->len, (guint)SIGNATURES_LISTED_MAX); i++)
        add_signature(results, g_ptr_array_index(findings->dkim, i));
    if (findings->dkim_checked && findings->dkim->len == 0)
        postern_authentication_results_add(results, "dkim", postern_dkim_result_name(POSTERN_DKIM_NONE),
                                           NULL);
    return results;
}
