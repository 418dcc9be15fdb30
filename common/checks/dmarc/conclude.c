#include "checks/dmarc/conclude.h"

#include <string.h>

/* What an identifier says for an author, the worst first. */
typedef enum {
    VOICE_NONE,
    VOICE_UNASKED, /* the client is not known, so that SPF could not be checked */
    VOICE_UNKNOWN, /* it hangs on an answer that the DNS did not give */
    VOICE_ALIGNED,
} Voice;

static gboolean is_same(const char *a, const char *b)
{
    return g_ascii_strcasecmp(a, b) == 0;
}

static gboolean is_below(const char *domain, const char *parent)
{
    gsize length = strlen(domain);
    gsize parent_length = strlen(parent);

    return length > parent_length + 1 && domain[length - parent_length - 1] == '.' &&
           is_same(domain + length - parent_length, parent);
}

/* An Organizational Domain is the domain itself or above it: what shares not even the last label shares none.
 */
static gboolean may_share_parent(const char *a, const char *b)
{
    const char *last_of_a = strrchr(a, '.');
    const char *last_of_b = strrchr(b, '.');

    return is_same(last_of_a ? last_of_a + 1 : a, last_of_b ? last_of_b + 1 : b);
}

static const PosternDmarcOrganization *find_organization(const PosternDmarcFinding *dmarc, const char *domain)
{
    for (guint i = 0; i < dmarc->organizations->len; i++) {
        const PosternDmarcOrganization *organization = g_ptr_array_index(dmarc->organizations, i);

        if (organization->domain && is_same(organization->domain, domain))
            return organization;
    }
    return NULL;
}

gboolean postern_dmarc_is_aligned(const PosternDmarcFinding *dmarc, const PosternDmarcAuthor *author,
                                  const char *identifier, gboolean strict, gboolean *ret_temporary)
{
    *ret_temporary = FALSE;
    if (!author->domain || is_same(author->domain, identifier))
        return author->domain != NULL;
    if (strict)
        return FALSE;
    if (!author->organizational) {
        *ret_temporary = may_share_parent(author->domain, identifier);
        return FALSE;
    }
    if (is_same(author->organizational, identifier))
        return TRUE;
    if (!is_below(identifier, author->organizational))
        return FALSE;
    const PosternDmarcOrganization *organization = find_organization(dmarc, identifier);

    if (!organization || !organization->organizational) {
        *ret_temporary = TRUE;
        return FALSE;
    }
    return is_same(organization->organizational, author->organizational);
}

/* temporary: the mechanism itself could not tell. If it does not even name a domain, it may be any. */
static Voice listen(const PosternDmarcFinding *dmarc, const PosternDmarcAuthor *author,
                    const char *identifier, gboolean strict, gboolean temporary)
{
    gboolean unknown = FALSE;

    if (!identifier || !*identifier)
        return temporary ? VOICE_UNKNOWN : VOICE_NONE;
    if (postern_dmarc_is_aligned(dmarc, author, identifier, strict, &unknown))
        return temporary ? VOICE_UNKNOWN : VOICE_ALIGNED;
    return unknown ? VOICE_UNKNOWN : VOICE_NONE;
}

static Voice listen_to_spf(const PosternFindings *findings, const PosternDmarcAuthor *author)
{
    const PosternSpfFinding *spf = &findings->spf;
    gboolean temporary = spf->result == POSTERN_SPF_TEMPERROR;

    if (spf->result == POSTERN_SPF_NOT_CHECKED)
        return VOICE_UNASKED;
    if (spf->result != POSTERN_SPF_PASS && !temporary)
        return VOICE_NONE;
    return listen(&findings->dmarc, author, spf->domain, author->strict_spf, temporary);
}

static Voice listen_to_dkim(const PosternFindings *findings, const PosternDmarcAuthor *author)
{
    Voice loudest = VOICE_NONE;

    for (guint i = 0; i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *dkim = g_ptr_array_index(findings->dkim.signatures, i);
        gboolean temporary = dkim->result == POSTERN_DKIM_TEMPERROR;

        if (dkim->result == POSTERN_DKIM_PASS || temporary)
            loudest =
                MAX(loudest, listen(&findings->dmarc, author, dkim->domain, author->strict_dkim, temporary));
    }
    return loudest;
}

static PosternDmarcResult evaluate(const PosternFindings *findings, const PosternDmarcAuthor *author)
{
    if (author->temporary)
        return POSTERN_DMARC_TEMPERROR;
    if (!author->record_domain)
        return POSTERN_DMARC_NONE;
    switch (MAX(listen_to_spf(findings, author), listen_to_dkim(findings, author))) {
    case VOICE_ALIGNED:
        return POSTERN_DMARC_PASS;
    case VOICE_UNKNOWN:
        return POSTERN_DMARC_TEMPERROR;
    case VOICE_UNASKED:
        return POSTERN_DMARC_NOT_CHECKED;
    default:
        return POSTERN_DMARC_FAIL;
    }
}

static PosternDmarcResult result_without_author(const PosternDmarcFinding *dmarc)
{
    if (dmarc->from_invalid || dmarc->ambiguous)
        return POSTERN_DMARC_PERMERROR;
    if (dmarc->no_author)
        return POSTERN_DMARC_NONE;
    return dmarc->problem ? POSTERN_DMARC_TEMPERROR : POSTERN_DMARC_NOT_CHECKED;
}

/* One that fails decides over one that is not known, or not checked, and these over none and pass (RFC
 * 9989 11.5). */
static int rank(PosternDmarcResult result)
{
    static const int ranks[] = {
        [POSTERN_DMARC_PASS] = 1,      [POSTERN_DMARC_NONE] = 2, [POSTERN_DMARC_NOT_CHECKED] = 3,
        [POSTERN_DMARC_TEMPERROR] = 4, [POSTERN_DMARC_FAIL] = 5,
    };

    return ranks[result];
}

static gboolean is_weightier(PosternDmarcResult result, const PosternDmarcAuthor *author,
                             const PosternDmarcFinding *dmarc)
{
    if (rank(result) != rank(dmarc->result))
        return rank(result) > rank(dmarc->result);
    return author->policy > dmarc->decisive->policy;
}

/* Whatever an answer of the DNS that is missing would say, an ambiguous header does not pass. */
static gboolean can_never_pass(const PosternDmarcFinding *dmarc)
{
    if (dmarc->result == POSTERN_DMARC_FAIL)
        return FALSE;
    return dmarc->ambiguous || (dmarc->from_invalid && dmarc->result != POSTERN_DMARC_TEMPERROR);
}

void postern_dmarc_conclude(PosternFindings *findings)
{
    PosternDmarcFinding *dmarc = &findings->dmarc;

    dmarc->decisive = NULL;
    dmarc->result = POSTERN_DMARC_NOT_CHECKED;
    if (dmarc->authors->len == 0) {
        dmarc->result = result_without_author(dmarc);
        return;
    }
    for (guint i = 0; i < dmarc->authors->len; i++) {
        const PosternDmarcAuthor *author = g_ptr_array_index(dmarc->authors, i);
        PosternDmarcResult result = evaluate(findings, author);

        if (!dmarc->decisive || is_weightier(result, author, dmarc)) {
            dmarc->result = result;
            dmarc->decisive = author;
        }
    }
    if (can_never_pass(dmarc))
        dmarc->result = POSTERN_DMARC_PERMERROR;
}
