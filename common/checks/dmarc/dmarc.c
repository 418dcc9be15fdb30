#include "checks/check.h"

#include <string.h>

#include "base/limits.h"
#include "checks/dmarc/identifiers.h"
#include "checks/dmarc/walk.h"
#include "checks/header/author.h"

/* One run of the check. What it finds is of use only if nothing is missing. */
typedef struct {
    PosternAnswers *answers;
    PosternFindings *findings;
    GHashTable *names; /* of char *: that walks ask for, each once */
    gboolean missing;
} Run;

#define tell(run, ...) postern_findings_step((run)->findings, POSTERN_CHECK_DMARC, __VA_ARGS__)

/* Makes room for the names of the walk from domain. FALSE: there is none, and it is not to be walked. */
static gboolean reserve(Run *run, const char *domain)
{
    PosternDmarcPath path;
    guint more = 0;

    postern_dmarc_path(domain, &path);
    for (guint i = 0; i < path.count; i++)
        more += g_hash_table_contains(run->names, path.names[i]) ? 0 : 1;
    if (g_hash_table_size(run->names) + more > POSTERN_DMARC_QUESTIONS_MAX)
        return FALSE;
    for (guint i = 0; i < path.count; i++)
        g_hash_table_add(run->names, g_strdup(path.names[i]));
    return TRUE;
}

/* FALSE: the walk is not made, or waits. */
static gboolean walk(Run *run, const char *domain, PosternDmarcWalk *ret_walk)
{
    if (!reserve(run, domain)) {
        tell(run, "%s is not walked from: the message names too many domains", domain);
        return FALSE;
    }
    if (postern_dmarc_walk(domain, run->answers, run->findings, ret_walk) == 1)
        return TRUE;
    run->missing = TRUE;
    return FALSE;
}

typedef enum { EXISTS, EXISTS_NOT, EXISTS_UNKNOWN } Existence;

/*
 * A name without any record is NXDOMAIN (RFC 9989 A.4, RFC 8020). The question for the alias itself tells it
 * from an alias that leads nowhere, if the question for an address has the same answer.
 */
static Existence find_existence(Run *run, const char *domain)
{
    const PosternAnswer *alias = postern_answers_look_up(run->answers, domain, POSTERN_DNS_CNAME);
    const PosternAnswer *address = postern_answers_look_up(run->answers, domain, POSTERN_DNS_A);
    Existence existence = EXISTS_UNKNOWN;

    if (alias == NULL || address == NULL) {
        run->missing = TRUE;
        return EXISTS_UNKNOWN;
    }
    if (alias->status == POSTERN_ANSWER_NXDOMAIN ||
        (alias->status == POSTERN_ANSWER_NODATA && address->status == POSTERN_ANSWER_NXDOMAIN))
        existence = EXISTS_NOT;
    else if (alias->status == POSTERN_ANSWER_RECORDS || alias->status == POSTERN_ANSWER_NODATA ||
             address->status == POSTERN_ANSWER_RECORDS || address->status == POSTERN_ANSWER_NODATA)
        existence = EXISTS;
    tell(run, "%s %s", domain,
         existence == EXISTS       ? "exists"
         : existence == EXISTS_NOT ? "does not exist"
                                   : "may exist: the DNS failed");
    return existence;
}

static PosternDmarcPolicy ease(PosternDmarcPolicy policy)
{
    return policy == POSTERN_DMARC_POLICY_NONE ? policy : (PosternDmarcPolicy)(policy - 1);
}

/* If it is not known whether the domain exists, the milder of both policies: a failing DNS refuses nobody.
 */
static PosternDmarcPolicy subdomain_policy(Run *run, const char *domain, const PosternDmarcRecord *record)
{
    PosternDmarcPolicy existing = record->subdomain_policy;
    PosternDmarcPolicy nonexistent = record->nonexistent_policy;

    if (existing == nonexistent)
        return existing;
    switch (find_existence(run, domain)) {
    case EXISTS:
        return existing;
    case EXISTS_NOT:
        return nonexistent;
    default:
        return MIN(existing, nonexistent);
    }
}

static void apply_record(Run *run, PosternDmarcAuthor *author, const PosternDmarcWalk *found)
{
    const PosternDmarcRecord *record = &found->record;
    gboolean own = strcmp(found->record_domain, author->domain) == 0;
    PosternDmarcPolicy asked = own ? record->policy : subdomain_policy(run, author->domain, record);

    author->record_domain = g_strdup(found->record_domain);
    author->record =
        g_strndup(g_bytes_get_data(found->record_text, NULL), g_bytes_get_size(found->record_text));
    author->testing = record->testing;
    author->strict_dkim = record->strict_dkim;
    author->strict_spf = record->strict_spf;
    author->policy = record->testing ? ease(asked) : asked;
    tell(run, "policy for %s: %s, by the record of %s%s", author->domain,
         postern_dmarc_policy_name(author->policy), author->record_domain,
         record->testing ? ", eased by t=y" : "");
}

static void find_author(Run *run, const char *domain)
{
    PosternDmarcAuthor *author = g_new0(PosternDmarcAuthor, 1);
    PosternDmarcWalk found = {.failed = FALSE};

    author->domain = g_strdup(domain);
    g_ptr_array_add(run->findings->dmarc.authors, author);
    if (!walk(run, domain, &found))
        return;
    author->temporary = found.failed;
    author->organizational = g_strdup(found.organizational);
    if (found.failed)
        tell(run, "which record applies to %s is not known: the DNS failed", domain);
    else if (found.record_domain == NULL)
        tell(run, "no record applies to %s", domain);
    else if (!found.record.usable)
        tell(run, "the record of %s has no valid policy and no address for reports: it is not applied",
             found.record_domain);
    else
        apply_record(run, author, &found);
}

static void find_authors(Run *run, const PosternHeader *header)
{
    PosternDmarcFinding *dmarc = &run->findings->dmarc;
    g_autoptr(GPtrArray) domains = postern_author_domains(header, &dmarc->problem);
    g_autofree char *ambiguity = postern_header_problem(header);

    dmarc->from_invalid = dmarc->problem != NULL;
    dmarc->from_missing =
        postern_header_find(header, "From", 0) == NULL && !postern_header_hides(header, "From");
    dmarc->ambiguous = ambiguity != NULL;
    dmarc->no_author = domains->len == 0 && dmarc->problem == NULL;
    if (ambiguity != NULL && dmarc->problem == NULL)
        dmarc->problem = g_strconcat("the header is ambiguous: ", ambiguity, NULL);
    else if (dmarc->no_author)
        dmarc->problem = g_strdup("From names no author (RFC 6854)");
    if (dmarc->problem != NULL)
        tell(run, "%s", dmarc->problem);
    for (guint i = 0; i < MIN(domains->len, (guint)POSTERN_DMARC_AUTHORS_MAX); i++)
        find_author(run, g_ptr_array_index(domains, i));
}

static gboolean is_below(const char *domain, const char *parent)
{
    gsize length = strlen(domain);
    gsize parent_length = strlen(parent);

    return length > parent_length && domain[length - parent_length - 1] == '.' &&
           strcmp(domain + length - parent_length, parent) == 0;
}

/* Only what is below an author's Organizational Domain can have the same one, and needs a walk to tell. */
static gboolean needs_walk(const PosternDmarcFinding *dmarc, const PosternDmarcIdentifier *identifier)
{
    for (guint i = 0; i < dmarc->authors->len; i++) {
        const PosternDmarcAuthor *author = g_ptr_array_index(dmarc->authors, i);
        gboolean strict = identifier->spf ? author->strict_spf : author->strict_dkim;

        if (author->record_domain != NULL && !strict && author->organizational != NULL &&
            strcmp(identifier->domain, author->domain) != 0 &&
            is_below(identifier->domain, author->organizational))
            return TRUE;
    }
    return FALSE;
}

static gboolean is_known(const PosternDmarcFinding *dmarc, const char *domain)
{
    for (guint i = 0; i < dmarc->organizations->len; i++) {
        const PosternDmarcOrganization *organization = g_ptr_array_index(dmarc->organizations, i);

        if (strcmp(organization->domain, domain) == 0)
            return TRUE;
    }
    return FALSE;
}

static void find_organizations(Run *run, const PosternHeader *header, const PosternEnvelope *envelope)
{
    PosternDmarcFinding *dmarc = &run->findings->dmarc;
    g_autoptr(GPtrArray) identifiers = postern_dmarc_identifiers(header, envelope);

    for (guint i = 0; i < identifiers->len; i++) {
        const PosternDmarcIdentifier *identifier = g_ptr_array_index(identifiers, i);

        if (!needs_walk(dmarc, identifier) || is_known(dmarc, identifier->domain))
            continue;
        PosternDmarcOrganization *organization = g_new0(PosternDmarcOrganization, 1);
        PosternDmarcWalk found = {.failed = FALSE};

        organization->domain = g_strdup(identifier->domain);
        g_ptr_array_add(dmarc->organizations, organization);
        if (walk(run, identifier->domain, &found))
            organization->organizational = g_strdup(found.organizational);
    }
}

int postern_check_dmarc(const PosternHeader *header, const PosternEnvelope *envelope, PosternAnswers *answers,
                        PosternFindings *findings)
{
    g_autoptr(PosternFindings) found = postern_findings_new();
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Run run = {.answers = answers, .findings = found, .names = names};

    found->explain = findings->explain;
    find_authors(&run, header);
    if (!run.missing)
        find_organizations(&run, header, envelope);
    if (run.missing)
        return 0;
    postern_findings_take(findings, found, POSTERN_CHECK_DMARC);
    return 1;
}

static int evaluate_header(const PosternCheckRun *run)
{
    return postern_check_dmarc(run->header, run->envelope, run->answers, run->findings);
}

const PosternEvaluation postern_evaluation_dmarc = {
    .run = {[POSTERN_STAGE_HEADER] = evaluate_header, [POSTERN_STAGE_WHOLE] = evaluate_header},
};
