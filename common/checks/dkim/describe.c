#include "checks/dkim/finding.h"

#include <string.h>

#include "base/configuration/check.h"
#include "base/limits.h"
#include "verdict/check.h"

static const char *const results[] = {
    [POSTERN_DKIM_NONE] = "none",           [POSTERN_DKIM_PASS] = "pass",
    [POSTERN_DKIM_FAIL] = "fail",           [POSTERN_DKIM_POLICY] = "policy",
    [POSTERN_DKIM_NEUTRAL] = "neutral",     [POSTERN_DKIM_TEMPERROR] = "temperror",
    [POSTERN_DKIM_PERMERROR] = "permerror", [POSTERN_DKIM_SKIPPED] = "skipped",
};
G_STATIC_ASSERT(G_N_ELEMENTS(results) == POSTERN_DKIM_SKIPPED + 1);

const char *postern_dkim_result_name(PosternDkimResult result)
{
    return postern_choice(results, result);
}

static const PosternField signature_fields[] = {
    {POSTERN_FIELD_CHOICE(PosternDkimFinding, result, results), .json = "result", .always = TRUE},
    {POSTERN_FIELD_TEXT_OF(PosternDkimFinding, domain), .json = "domain"},
    {POSTERN_FIELD_TEXT_OF(PosternDkimFinding, selector), .json = "selector"},
    {POSTERN_FIELD_TEXT_OF(PosternDkimFinding, identity), .json = "identity"},
    {POSTERN_FIELD_TEXT_OF(PosternDkimFinding, algorithm), .json = "algorithm"},
    {POSTERN_FIELD_TEXT_OF(PosternDkimFinding, signature_start)},
    {POSTERN_FIELD_NUMBER_OF(PosternDkimFinding, key_bits, G_MAXUINT32), .json = "key_bits"},
    {POSTERN_FIELD_OCTETS_OF(PosternDkimFinding, body_covered, POSTERN_MESSAGE_MAX_OCTETS),
     .json = "body_covered"},
    {POSTERN_FIELD_OCTETS_OF(PosternDkimFinding, body_unsigned, POSTERN_MESSAGE_MAX_OCTETS),
     .json = "body_unsigned"},
    {POSTERN_FIELD_BOOLEAN_OF(PosternDkimFinding, testing)},
    {POSTERN_FIELD_TEXT_OF(PosternDkimFinding, reason), .json = "reason"},
    {.name = NULL},
};

static const PosternDkimFinding no_signature = {.body_covered = -1};

static const PosternStructure signature = {.size = sizeof(PosternDkimFinding),
                                           .fields = signature_fields,
                                           .initial = &no_signature,
                                           .free = (GDestroyNotify)postern_dkim_finding_free};

static const PosternField fields[] = {
    {POSTERN_FIELD_LIST_OF(PosternDkimFindings, signatures, POSTERN_DKIM_SIGNATURES_REPORTED_MAX, signature),
     .json = "dkim", .always = TRUE},
    {POSTERN_FIELD_BOOLEAN_OF(PosternDkimFindings, checked)},
    {.name = NULL},
};

PosternDkimFinding *postern_dkim_finding_new(void)
{
    return postern_structure_new(&signature);
}

void postern_dkim_finding_free(PosternDkimFinding *finding)
{
    postern_structure_free(&signature, finding);
}

static const PosternDkimFinding *first_with(const PosternDkimFindings *findings, PosternDkimResult result)
{
    for (guint i = 0; i < findings->signatures->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(findings->signatures, i);
        if (finding->result == result)
            return finding;
    }
    return NULL;
}

/* The more telling first. */
static guint telling_of(const PosternDkimFinding *finding)
{
    return finding->result == POSTERN_DKIM_PASS ? 0 : finding->result == POSTERN_DKIM_SKIPPED ? 2 : 1;
}

/*
 * The signatures that are told in a line or a field, at most POSTERN_DKIM_SIGNATURES_LISTED_MAX: all of so
 * many, in the order of the header; of more those that pass first, and those that were not evaluated last.
 */
static GPtrArray *listed(const PosternDkimFindings *findings)
{
    GPtrArray *list = g_ptr_array_new();
    gboolean all = findings->signatures->len <= POSTERN_DKIM_SIGNATURES_LISTED_MAX;
    for (guint telling = 0; telling < 3; telling++)
        for (guint i = 0; i < findings->signatures->len; i++) {
            PosternDkimFinding *finding = g_ptr_array_index(findings->signatures, i);
            if ((all ? telling == 0 : telling_of(finding) == telling) &&
                list->len < POSTERN_DKIM_SIGNATURES_LISTED_MAX)
                g_ptr_array_add(list, finding);
        }
    return list;
}

/* A signature that could not even be tried, for its key is gone or it is malformed, proves nothing: the
 * message is as one without it (RFC 6376 6.1). */
static gboolean applies(const PosternRule *rule, const PosternFacts *facts)
{
    return first_with(&facts->findings->dkim, POSTERN_DKIM_PASS) == NULL &&
           first_with(&facts->findings->dkim, *(const PosternDkimResult *)rule->data) != NULL;
}

/* A signature whose key could not be had may be a good one. */
static gboolean some_key_is_missing(const PosternRule *rule, const PosternFacts *facts)
{
    return first_with(&facts->findings->dkim, POSTERN_DKIM_TEMPERROR) != NULL;
}

static void describe_fail(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    const PosternDkimFinding *finding = first_with(&facts->findings->dkim, POSTERN_DKIM_FAIL);
    g_string_append(text, "No passing DKIM signature: ");
    if (finding != NULL && postern_rule_has_text(finding->reason))
        g_string_append(text, finding->reason);
    else
        g_string_append_printf(text, "that of %s is wrong",
                               finding != NULL && postern_rule_has_text(finding->domain) ? finding->domain
                                                                                         : "this domain");
}

static void describe_error(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    const PosternDkimFinding *finding = first_with(&facts->findings->dkim, POSTERN_DKIM_TEMPERROR);
    g_string_append(text, "DKIM check: temporary error");
    postern_rule_add_in_brackets(text, finding != NULL ? finding->reason : NULL);
}

static const PosternDkimResult fail = POSTERN_DKIM_FAIL, temperror = POSTERN_DKIM_TEMPERROR;

/* 451 4.4.3: RFC 3463 3.5, for RFC 7372 has none for a missing key. */
static const PosternRule rules[] = {
    {"dkim_fail", POSTERN_CHECK_DKIM, applies, POSTERN_RULE_POLICY(dkim_fail), TRUE, some_key_is_missing,
     "550 5.7.20", "451 4.7.20", describe_fail, &fail},
    {"dkim_error", POSTERN_CHECK_DKIM, applies, POSTERN_RULE_POLICY(dkim_error), TRUE, postern_rule_always,
     "451 4.4.3", "451 4.4.3", describe_error, &temperror},
    {NULL},
};

static gboolean is_missed(const PosternFacts *facts)
{
    return postern_facts_lack(facts, POSTERN_CHECK_DKIM) &&
           postern_action_does_something(facts->policy->dkim_fail);
}

static void set_failed(PosternFindings *findings, const char *reason)
{
    PosternDkimFinding *finding = postern_dkim_finding_new();
    finding->result = POSTERN_DKIM_TEMPERROR;
    finding->domain = g_strdup("");
    finding->selector = g_strdup("");
    finding->reason = g_strdup(reason);
    g_ptr_array_add(findings->dkim.signatures, finding);
    findings->dkim.checked = TRUE;
}

/* header.d, header.s, header.a, header.b and header.i; one that was skipped is dkim=policy. */
static void add_signature(PosternAuthenticationResults *out, const PosternDkimFinding *dkim)
{
    gboolean skipped = dkim->result == POSTERN_DKIM_SKIPPED;
    const char *result = postern_dkim_result_name(skipped ? POSTERN_DKIM_POLICY : dkim->result);
    const char *reason = skipped && !dkim->reason ? "not evaluated: too many signatures" : dkim->reason;
    /* With its '@': i= may be of a domain alone. */
    const char *at = dkim->identity ? strrchr(dkim->identity, '@') : NULL;
    g_autofree char *identity = postern_identity_to_ascii(dkim->identity, at);
    postern_authentication_results_add(out, "dkim", result, reason);
    postern_authentication_results_add_property(out, "header", "d", dkim->domain);
    postern_authentication_results_add_property(out, "header", "s", dkim->selector);
    postern_authentication_results_add_property(out, "header", "a", dkim->algorithm);
    postern_authentication_results_add_property(out, "header", "b", dkim->signature_start);
    postern_authentication_results_add_property(out, "header", "i", identity);
}

static void add_results(PosternAuthenticationResults *out, const PosternFacts *facts)
{
    g_autoptr(GPtrArray) dkim = listed(&facts->findings->dkim);
    for (guint i = 0; i < dkim->len; i++)
        add_signature(out, g_ptr_array_index(dkim, i));
    if (facts->findings->dkim.checked && dkim->len == 0)
        postern_authentication_results_add(out, "dkim", postern_dkim_result_name(POSTERN_DKIM_NONE), NULL);
}

/* RESULT:DOMAIN, and with `:l=OCTETS` what signs only so much of the body. */
static void add_words(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    g_autoptr(GPtrArray) signatures = listed(&findings->dkim);
    g_autoptr(GString) text = g_string_new(signatures->len == 0 ? "none" : NULL);
    for (guint i = 0; i < signatures->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(signatures, i);
        g_string_append_printf(text, "%s%s:%s", i > 0 ? "," : "", postern_dkim_result_name(finding->result),
                               postern_rule_has_text(finding->domain) ? finding->domain : "-");
        if (finding->body_unsigned > 0)
            g_string_append_printf(text, ":l=%" G_GINT64_FORMAT, finding->body_covered);
    }
    add(out, "dkim", text->str);
}

static void add_lines(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                      gpointer out)
{
    if (findings->dkim.checked && findings->dkim.signatures->len == 0)
        add(out, "DKIM", "none: no signature");
    for (guint i = 0; i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *finding = g_ptr_array_index(findings->dkim.signatures, i);
        g_autofree char *text = g_strdup_printf(
            "%s %s (selector %s, %s)%s%s", postern_dkim_result_name(finding->result),
            finding->domain != NULL ? finding->domain : "-",
            finding->selector != NULL ? finding->selector : "-",
            finding->algorithm != NULL ? finding->algorithm : "-", finding->reason != NULL ? ": " : "",
            finding->reason != NULL ? finding->reason : "");
        add(out, "DKIM", text);
    }
}

static void add_json(const PosternFindings *findings, const PosternVerdict *verdict, const PosternJson *json)
{
    postern_structure_tell(&postern_description_dkim.finding, &findings->dkim, json);
}

/* One that passes is enough (RFC 6376 6.1). */
static void add_counts(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    const GPtrArray *signatures = findings->dkim.signatures;
    PosternDkimResult result = POSTERN_DKIM_NONE;
    if (first_with(&findings->dkim, POSTERN_DKIM_PASS) != NULL)
        result = POSTERN_DKIM_PASS;
    else if (signatures->len > 0)
        result = ((const PosternDkimFinding *)g_ptr_array_index(signatures, 0))->result;
    add(out, "DKIM", findings->dkim.checked ? postern_dkim_result_name(result) : "not checked");
}

static const PosternOption options[] = {
    {POSTERN_OPTION_ACTION(dkim_fail, "mark"),
     "Action if a DKIM signature is invalid and none is valid; one without a key counts as none."},
    {POSTERN_OPTION_ACTION(dkim_error, "mark"),
     "Action if no DKIM signature is valid and one has a temporary error (temperror).",
     postern_configuration_check_error_action},
    {NULL},
};

const PosternCheck postern_description_dkim = {
    .finding = {.size = sizeof(PosternDkimFindings), .fields = fields},
    .options = options,
    .stages = 1 << POSTERN_STAGE_HEADER | 1 << POSTERN_STAGE_WHOLE,
    .rules = rules,
    .fail = set_failed,
    .is_missed = is_missed,
    .add_results = add_results,
    .add_words = add_words,
    .add_lines = add_lines,
    .add_json = add_json,
    .add_counts = add_counts,
};
