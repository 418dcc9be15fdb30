#include "checks/dmarc/finding.h"

#include <string.h>

#include "base/configuration/check.h"
#include "base/limits.h"
#include "checks/dmarc/conclude.h"
#include "verdict/check.h"

/* More domains than these raise no question: the signatures that are evaluated, and SPF's two identities. */
#define ORGANIZATIONS_MAX (POSTERN_DMARC_AUTHORS_MAX + POSTERN_DKIM_SIGNATURES_MAX + 2)

static const char *const results[] = {
    [POSTERN_DMARC_NOT_CHECKED] = "not_checked",
    [POSTERN_DMARC_NONE] = "none",
    [POSTERN_DMARC_PASS] = "pass",
    [POSTERN_DMARC_FAIL] = "fail",
    [POSTERN_DMARC_TEMPERROR] = "temperror",
    [POSTERN_DMARC_PERMERROR] = "permerror",
};
G_STATIC_ASSERT(G_N_ELEMENTS(results) == POSTERN_DMARC_PERMERROR + 1);

static const char *const policies[] = {
    [POSTERN_DMARC_POLICY_NONE] = "none",
    [POSTERN_DMARC_POLICY_QUARANTINE] = "quarantine",
    [POSTERN_DMARC_POLICY_REJECT] = "reject",
};
G_STATIC_ASSERT(G_N_ELEMENTS(policies) == POSTERN_DMARC_POLICY_REJECT + 1);

const char *postern_dmarc_result_name(PosternDmarcResult result)
{
    return postern_choice(results, result);
}

const char *postern_dmarc_policy_name(PosternDmarcPolicy policy)
{
    return postern_choice(policies, policy);
}

static const PosternField author_fields[] = {
    {POSTERN_FIELD_TEXT_OF(PosternDmarcAuthor, domain)},
    {POSTERN_FIELD_TEXT_OF(PosternDmarcAuthor, record_domain)},
    {.name = "record",
     .type = POSTERN_FIELD_TEXT,
     .offset = G_STRUCT_OFFSET(PosternDmarcAuthor, record),
     .maximum = POSTERN_DMARC_RECORD_MAX_OCTETS},
    {POSTERN_FIELD_TEXT_OF(PosternDmarcAuthor, organizational)},
    {POSTERN_FIELD_CHOICE(PosternDmarcAuthor, policy, policies)},
    {POSTERN_FIELD_BOOLEAN_OF(PosternDmarcAuthor, testing)},
    {POSTERN_FIELD_BOOLEAN_OF(PosternDmarcAuthor, strict_dkim)},
    {POSTERN_FIELD_BOOLEAN_OF(PosternDmarcAuthor, strict_spf)},
    {POSTERN_FIELD_BOOLEAN_OF(PosternDmarcAuthor, temporary)},
    {.name = NULL},
};

/* An author has a domain, whoever tells of it. */
static void settle_author(gpointer structure)
{
    PosternDmarcAuthor *author = structure;
    if (author->domain == NULL)
        author->domain = g_strdup("");
}

static const PosternField organization_fields[] = {
    {POSTERN_FIELD_TEXT_OF(PosternDmarcOrganization, domain)},
    {POSTERN_FIELD_TEXT_OF(PosternDmarcOrganization, organizational)},
    {.name = NULL},
};

static void author_free(gpointer data);

static const PosternStructure author_structure = {.size = sizeof(PosternDmarcAuthor),
                                                  .fields = author_fields,
                                                  .free = author_free,
                                                  .settle = settle_author};

static void author_free(gpointer data)
{
    postern_structure_free(&author_structure, data);
}

static void organization_free(gpointer data);

static const PosternStructure organization_structure = {
    .size = sizeof(PosternDmarcOrganization), .fields = organization_fields, .free = organization_free};

static void organization_free(gpointer data)
{
    postern_structure_free(&organization_structure, data);
}

static const PosternField fields[] = {
    {POSTERN_FIELD_LIST_OF(PosternDmarcFinding, authors, POSTERN_DMARC_AUTHORS_MAX, author_structure)},
    {POSTERN_FIELD_LIST_OF(PosternDmarcFinding, organizations, ORGANIZATIONS_MAX, organization_structure)},
    {POSTERN_FIELD_BOOLEAN_OF(PosternDmarcFinding, from_invalid)},
    {POSTERN_FIELD_BOOLEAN_OF(PosternDmarcFinding, from_missing)},
    {POSTERN_FIELD_BOOLEAN_OF(PosternDmarcFinding, no_author)},
    {POSTERN_FIELD_BOOLEAN_OF(PosternDmarcFinding, ambiguous)},
    {POSTERN_FIELD_TEXT_OF(PosternDmarcFinding, problem)},
    {.name = NULL},
};

/* Whose From it is: the author that decides, else the first, or NULL: there is none. */
static const PosternDmarcAuthor *author_of(const PosternDmarcFinding *finding)
{
    if (finding->decisive != NULL || finding->authors->len == 0)
        return finding->decisive;
    return g_ptr_array_index(finding->authors, 0);
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

gboolean postern_facts_are_overridden(const PosternFacts *facts, const char **ret_sealer)
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

static gboolean fails(const PosternRule *rule, const PosternFacts *facts)
{
    const PosternDmarcFinding *dmarc = &facts->findings->dmarc;
    return dmarc->result == POSTERN_DMARC_FAIL && dmarc->decisive &&
           dmarc->decisive->policy == *(const PosternDmarcPolicy *)rule->data &&
           !postern_facts_are_overridden(facts, NULL);
}

static gboolean is_error(const PosternRule *rule, const PosternFacts *facts)
{
    return facts->findings->dmarc.result == POSTERN_DMARC_TEMPERROR;
}

static gboolean from_is_invalid(const PosternRule *rule, const PosternFacts *facts)
{
    return facts->findings->dmarc.from_invalid && !facts->findings->dmarc.from_missing;
}

/* The chain that could not be read may be one that overrides. */
static gboolean chain_is_missing(const PosternFacts *facts)
{
    return (facts->policy->checks & POSTERN_CHECK_ARC) && facts->policy->trusted_sealers->len > 0 &&
           facts->findings->arc.result == POSTERN_ARC_TEMPERROR;
}

/* A failure may turn into a pass when the DNS is well again. */
static gboolean may_pass(const PosternRule *rule, const PosternFacts *facts)
{
    return chain_is_missing(facts) || facts->findings->spf.uncertain;
}

static void describe_fail(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    const PosternDmarcAuthor *decisive = facts->findings->dmarc.decisive;
    const char *domain =
        decisive && postern_rule_has_text(decisive->domain) ? decisive->domain : "the author";
    g_string_append_printf(text, "DMARC check failed: not authenticated, against the DMARC policy of %s",
                           domain);
    if (inside && decisive)
        g_string_append_printf(text, " (p=%s)", postern_dmarc_policy_name(decisive->policy));
}

static void describe_error(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    g_string_append(text, "DMARC check: temporary error");
    postern_rule_add_in_brackets(text, facts->findings->dmarc.problem);
}

static void describe_from(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Header field From does not name one author domain");
    postern_rule_add_in_brackets(text, facts->findings->dmarc.problem);
}

static const PosternDmarcPolicy reject = POSTERN_DMARC_POLICY_REJECT,
                                quarantine = POSTERN_DMARC_POLICY_QUARANTINE;

/* 451 4.4.3: RFC 3463 3.5, the DNS did not answer. Under p=none a failure leads to nothing. */
static const PosternRule rules[] = {
    {"dmarc_reject", POSTERN_CHECK_DMARC, fails, POSTERN_RULE_POLICY(dmarc_reject), TRUE, may_pass,
     "550 5.7.1", "451 4.7.1", describe_fail, &reject},
    {"dmarc_quarantine", POSTERN_CHECK_DMARC, fails, POSTERN_RULE_POLICY(dmarc_quarantine), TRUE, may_pass,
     "550 5.7.1", "451 4.7.1", describe_fail, &quarantine},
    {"dmarc_error", POSTERN_CHECK_DMARC, is_error, POSTERN_RULE_POLICY(dmarc_error), TRUE,
     postern_rule_always, "451 4.4.3", "451 4.4.3", describe_error},
    {"from_invalid", POSTERN_CHECK_DMARC, from_is_invalid, POSTERN_RULE_POLICY(from_invalid), TRUE, NULL,
     "550 5.7.1", "451 4.7.1", describe_from},
    {NULL},
};

/* DMARC hangs on SPF and DKIM, unless one of them, or the absence of a policy, has settled it. */
static gboolean is_missed(const PosternFacts *facts)
{
    const guint needed = POSTERN_CHECK_DMARC | POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM;
    const PosternPolicy *policy = facts->policy;
    PosternDmarcResult result = facts->findings->dmarc.result;
    if ((policy->checks & POSTERN_CHECK_DMARC) == 0 || (facts->findings->not_run & needed) == 0 ||
        (result != POSTERN_DMARC_NOT_CHECKED && result != POSTERN_DMARC_TEMPERROR))
        return FALSE;
    return postern_action_does_something(policy->dmarc_reject) ||
           postern_action_does_something(policy->dmarc_quarantine) ||
           postern_action_does_something(policy->from_invalid);
}

static void set_failed(PosternFindings *findings, const char *reason)
{
    postern_findings_replace(&findings->dmarc.problem, reason);
}

/* header.from, and policy.dmarc, the policy that applies; if ARC overrides it, the reason says so. */
static void add_results(PosternAuthenticationResults *out, const PosternFacts *facts)
{
    const PosternDmarcFinding *dmarc = &facts->findings->dmarc;
    const PosternDmarcAuthor *author = author_of(dmarc);
    const char *sealer = NULL;
    g_autofree char *overridden = NULL;
    if (dmarc->result == POSTERN_DMARC_NOT_CHECKED)
        return;
    if (postern_facts_are_overridden(facts, &sealer))
        overridden = g_strdup_printf("overridden: ARC of the trusted sealer %s says pass", sealer);
    postern_authentication_results_add(out, "dmarc", postern_dmarc_result_name(dmarc->result),
                                       overridden ? overridden : dmarc->problem);
    postern_authentication_results_add_property(out, "header", "from", author ? author->domain : NULL);
    if (dmarc->decisive && dmarc->decisive->record_domain)
        postern_authentication_results_add_property(out, "policy", "dmarc",
                                                    postern_dmarc_policy_name(dmarc->decisive->policy));
}

static void add_words(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    const PosternDmarcAuthor *author = findings->dmarc.decisive;
    gboolean named = author != NULL && postern_rule_has_text(author->domain);
    g_autofree char *value = g_strconcat(postern_dmarc_result_name(findings->dmarc.result),
                                         named ? ":" : NULL, named ? author->domain : NULL, NULL);
    add(out, "dmarc", value);
}

static void add_lines(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                      gpointer out)
{
    const PosternDmarcFinding *dmarc = &findings->dmarc;
    const PosternDmarcAuthor *author = author_of(dmarc);
    if (dmarc->result == POSTERN_DMARC_NOT_CHECKED)
        return;
    g_autoptr(GString) text = g_string_new(postern_dmarc_result_name(dmarc->result));
    if (author != NULL)
        g_string_append_printf(text, " %s", author->domain);
    if (author != NULL && author->record_domain != NULL)
        g_string_append_printf(text, " (policy %s of %s%s)", postern_dmarc_policy_name(author->policy),
                               author->record_domain, author->testing ? ", testing" : "");
    if (dmarc->result == POSTERN_DMARC_FAIL)
        g_string_append_printf(text, ", disposition %s", verdict->disposition);
    if (verdict->arc_override)
        g_string_append(text, ", overridden by ARC");
    if (dmarc->problem != NULL)
        g_string_append_printf(text, ": %s", dmarc->problem);
    add(out, "DMARC", text->str);
}

static void add_json(const PosternFindings *findings, const PosternVerdict *verdict, const PosternJson *json)
{
    const PosternDmarcFinding *dmarc = &findings->dmarc;
    const PosternDmarcAuthor *author = author_of(dmarc);
    json->begin(json->out, "dmarc", FALSE);
    json->text(json->out, "result", postern_dmarc_result_name(dmarc->result));
    if (author != NULL)
        json->text(json->out, "domain", author->domain);
    if (author != NULL && author->record_domain != NULL) {
        json->text(json->out, "policy", postern_dmarc_policy_name(author->policy));
        json->text(json->out, "record_domain", author->record_domain);
        json->boolean(json->out, "testing", author->testing);
    }
    if (author != NULL)
        json->text(json->out, "organizational_domain", author->organizational);
    if (dmarc->result != POSTERN_DMARC_NOT_CHECKED)
        json->text(json->out, "disposition", verdict->disposition);
    if (verdict->arc_override)
        json->boolean(json->out, "arc_override", TRUE);
    json->text(json->out, "reason", dmarc->problem);
    json->end(json->out, FALSE);
}

static void add_counts(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    PosternDmarcResult result = findings->dmarc.result;
    add(out, "DMARC",
        result == POSTERN_DMARC_NOT_CHECKED ? "not checked" : postern_dmarc_result_name(result));
}

static const PosternOption options[] = {
    {POSTERN_OPTION_ACTION(dmarc_reject, "quarantine"),
     "Action if DMARC fails under p=reject; RFC 9989 says not to reject on that alone."},
    {POSTERN_OPTION_ACTION(dmarc_quarantine, "quarantine"), "Action if DMARC fails under p=quarantine."},
    {POSTERN_OPTION_ACTION(dmarc_error, "mark"), "Action if DMARC has a temporary error (temperror).",
     postern_configuration_check_error_action},
    {POSTERN_OPTION_ACTION(from_invalid, "quarantine"),
     "Action if From is repeated, unreadable, or names several domains.",
     postern_configuration_check_permanent_action},
    {NULL},
};

const PosternCheck postern_description_dmarc = {
    .finding = {.size = sizeof(PosternDmarcFinding), .fields = fields},
    .options = options,
    .stages = 1 << POSTERN_STAGE_HEADER | 1 << POSTERN_STAGE_WHOLE,
    .of_header = TRUE,
    .rules = rules,
    .fail = set_failed,
    .conclude = postern_dmarc_conclude,
    .is_missed = is_missed,
    .add_results = add_results,
    .add_words = add_words,
    .add_lines = add_lines,
    .add_json = add_json,
    .add_counts = add_counts,
};
