#include "checks/spf/finding.h"

#include <string.h>

#include "base/configuration/check.h"
#include "base/limits.h"
#include "verdict/check.h"

static const char *const results[] = {
    [POSTERN_SPF_NOT_CHECKED] = "not_checked",
    [POSTERN_SPF_NONE] = "none",
    [POSTERN_SPF_NEUTRAL] = "neutral",
    [POSTERN_SPF_PASS] = "pass",
    [POSTERN_SPF_FAIL] = "fail",
    [POSTERN_SPF_SOFTFAIL] = "softfail",
    [POSTERN_SPF_TEMPERROR] = "temperror",
    [POSTERN_SPF_PERMERROR] = "permerror",
};
G_STATIC_ASSERT(G_N_ELEMENTS(results) == POSTERN_SPF_PERMERROR + 1);

const char *postern_spf_result_name(PosternSpfResult result)
{
    return postern_choice(results, result);
}

static const PosternField fields[] = {
    {POSTERN_FIELD_CHOICE(PosternSpfFinding, result, results)},
    {POSTERN_FIELD_BOOLEAN_OF(PosternSpfFinding, helo)},
    {POSTERN_FIELD_TEXT_OF(PosternSpfFinding, domain), .json = "domain"},
    {.name = "explanation",
     .type = POSTERN_FIELD_TEXT,
     .offset = G_STRUCT_OFFSET(PosternSpfFinding, explanation),
     .maximum = POSTERN_SPF_EXPLANATION_MAX_OCTETS,
     .json = "explanation"},
    {POSTERN_FIELD_TEXT_OF(PosternSpfFinding, problem), .json = "reason"},
    {POSTERN_FIELD_BOOLEAN_OF(PosternSpfFinding, uncertain)},
    {.name = NULL},
};

/* Of MAIL FROM, and of HELO. */
static const PosternSpfFinding *of_rule(const PosternRule *rule, const PosternFacts *facts)
{
    return rule->checks == POSTERN_CHECK_SPF_HELO ? &facts->findings->spf_helo : &facts->findings->spf;
}

static gboolean applies(const PosternRule *rule, const PosternFacts *facts)
{
    return of_rule(rule, facts)->result == *(const PosternSpfResult *)rule->data;
}

/* RFC 7208 5.5: what "ptr" cannot find out is no match; here it is no reason to refuse for good. */
static gboolean is_uncertain(const PosternRule *rule, const PosternFacts *facts)
{
    return of_rule(rule, facts)->uncertain;
}

static void append_who_sends_for_whom(const PosternFacts *facts, const char *verb, GString *text)
{
    g_autofree char *address = postern_address_to_string(&facts->envelope->client);
    gboolean known = facts->envelope->client.family != AF_UNSPEC;
    const char *domain = facts->findings->spf.domain;
    g_string_append_printf(text, "%s %s to send mail from %s", known ? address : "client", verb,
                           postern_rule_has_text(domain) ? domain : "this domain");
}

static void describe_fail(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    const char *explanation = facts->findings->spf.explanation;
    g_string_append(text, "SPF check failed: ");
    if (postern_rule_has_text(explanation))
        g_string_append(text, explanation);
    else
        append_who_sends_for_whom(facts, "is not allowed", text);
}

static void describe_softfail(const PosternRule *rule, const PosternFacts *facts, gboolean inside,
                              GString *text)
{
    g_string_append(text, "SPF check: softfail: ");
    append_who_sends_for_whom(facts, "is probably not allowed", text);
}

static void describe_error(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    g_string_append(text, "SPF check: temporary error");
    postern_rule_add_in_brackets(text, facts->findings->spf.problem);
}

static void describe_helo(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    const PosternSpfFinding *spf = &facts->findings->spf_helo;
    g_autofree char *address = postern_address_to_string(&facts->envelope->client);
    g_string_append(text, "SPF check of HELO failed: ");
    if (postern_rule_has_text(spf->explanation))
        g_string_append(text, spf->explanation);
    else
        g_string_append_printf(text, "%s is not allowed to call itself %s", address,
                               postern_rule_has_text(spf->domain) ? spf->domain : "so");
}

static const PosternSpfResult fail = POSTERN_SPF_FAIL, softfail = POSTERN_SPF_SOFTFAIL,
                              temperror = POSTERN_SPF_TEMPERROR;

static const PosternRule rules[] = {
    {"spf_fail", POSTERN_CHECK_SPF, applies, POSTERN_RULE_POLICY(spf_fail), TRUE, is_uncertain, "550 5.7.23",
     "451 4.7.23", describe_fail, &fail},
    {"spf_softfail", POSTERN_CHECK_SPF, applies, POSTERN_RULE_POLICY(spf_softfail), TRUE, is_uncertain,
     "550 5.7.23", "451 4.7.23", describe_softfail, &softfail},
    {"spf_error", POSTERN_CHECK_SPF, applies, POSTERN_RULE_POLICY(spf_error), TRUE, postern_rule_always,
     "451 4.7.24", "451 4.7.24", describe_error, &temperror},
    {NULL},
};

static const PosternRule helo_rules[] = {
    {"spf_helo", POSTERN_CHECK_SPF_HELO, applies, POSTERN_RULE_POLICY(spf_helo), TRUE, is_uncertain,
     "550 5.7.23", "451 4.7.23", describe_helo, &fail},
    {NULL},
};

static gboolean is_missed(const PosternFacts *facts)
{
    return postern_facts_lack(facts, POSTERN_CHECK_SPF) &&
           (postern_action_does_something(facts->policy->spf_fail) ||
            postern_action_does_something(facts->policy->spf_softfail));
}

static gboolean helo_is_missed(const PosternFacts *facts)
{
    return postern_facts_lack(facts, POSTERN_CHECK_SPF_HELO) &&
           postern_action_does_something(facts->policy->spf_helo);
}

static void set_error(PosternSpfFinding *spf, const char *reason)
{
    spf->result = POSTERN_SPF_TEMPERROR;
    postern_findings_replace(&spf->problem, reason);
}

static void set_failed(PosternFindings *findings, const char *reason)
{
    set_error(&findings->spf, reason);
}

static void set_helo_failed(PosternFindings *findings, const char *reason)
{
    set_error(&findings->spf_helo, reason);
}

static void add_result(PosternAuthenticationResults *out, const PosternSpfFinding *spf, const char *property,
                       const char *value)
{
    postern_authentication_results_add(out, "spf", postern_spf_result_name(spf->result), spf->problem);
    postern_authentication_results_add_property(out, "smtp", property, value);
}

/* smtp.mailfrom or smtp.helo */
static void add_results(PosternAuthenticationResults *out, const PosternFacts *facts)
{
    const PosternSpfFinding *spf = &facts->findings->spf;
    const char *identity = spf->helo ? facts->envelope->helo : facts->envelope->sender;
    if (spf->result == POSTERN_SPF_NOT_CHECKED)
        return;
    g_autofree char *value =
        postern_identity_to_ascii(postern_rule_has_text(identity) ? identity : spf->domain, spf->domain);
    add_result(out, spf, spf->helo ? "helo" : "mailfrom", value);
}

static void add_helo_results(PosternAuthenticationResults *out, const PosternFacts *facts)
{
    const PosternSpfFinding *spf = &facts->findings->spf_helo;
    if (spf->result != POSTERN_SPF_NOT_CHECKED)
        add_result(out, spf, "helo", spf->domain);
}

static void add_words(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    add(out, "spf", postern_spf_result_name(findings->spf.result));
}

static void add_helo_words(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    if (findings->spf_helo.result != POSTERN_SPF_NOT_CHECKED)
        add(out, "spf_helo", postern_spf_result_name(findings->spf_helo.result));
}

static void add_line(const PosternSpfFinding *spf, PosternAdd add, gpointer out)
{
    const char *detail = spf->explanation != NULL ? spf->explanation : spf->problem;
    g_autofree char *text = g_strdup_printf(
        "%s (%s %s)%s%s", postern_spf_result_name(spf->result), spf->helo ? "helo" : "mailfrom",
        spf->domain != NULL ? spf->domain : "-", detail != NULL ? ": " : "", detail != NULL ? detail : "");
    add(out, "SPF", text);
}

static void add_lines(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                      gpointer out)
{
    if (findings->spf.result == POSTERN_SPF_NOT_CHECKED)
        add(out, "SPF",
            "not checked: the client is not known, or this machine (--client, or a Received field)");
    else
        add_line(&findings->spf, add, out);
}

static void add_helo_lines(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                           gpointer out)
{
    if (findings->spf_helo.result != POSTERN_SPF_NOT_CHECKED)
        add_line(&findings->spf_helo, add, out);
}

static void add_object(const PosternCheck *check, const char *name, const PosternSpfFinding *spf,
                       const PosternJson *json)
{
    json->begin(json->out, name, FALSE);
    json->text(json->out, "result", postern_spf_result_name(spf->result));
    if (spf->result != POSTERN_SPF_NOT_CHECKED)
        json->text(json->out, "identity", spf->helo ? "helo" : "mailfrom");
    postern_structure_tell(&check->finding, spf, json);
    json->end(json->out, FALSE);
}

static void add_json(const PosternFindings *findings, const PosternVerdict *verdict, const PosternJson *json)
{
    add_object(&postern_description_spf, "spf", &findings->spf, json);
}

static void add_helo_json(const PosternFindings *findings, const PosternVerdict *verdict,
                          const PosternJson *json)
{
    if (findings->spf_helo.result != POSTERN_SPF_NOT_CHECKED)
        add_object(&postern_description_spf_helo, "spf_helo", &findings->spf_helo, json);
}

static void add_counts(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    PosternSpfResult result = findings->spf.result;
    add(out, "SPF", result == POSTERN_SPF_NOT_CHECKED ? "not checked" : postern_spf_result_name(result));
}

static const PosternOption options[] = {
    {POSTERN_OPTION_ACTION(spf_fail, "mark"), "Action if SPF says fail."},
    {POSTERN_OPTION_ACTION(spf_softfail, "mark"), "Action if SPF says softfail."},
    {POSTERN_OPTION_ACTION(spf_error, "mark"), "Action if SPF has a temporary error (temperror).",
     postern_configuration_check_error_action},
    {NULL},
};

static const PosternOption helo_options[] = {
    {POSTERN_OPTION_ACTION(spf_helo, "accept"),
     "Action if SPF says fail for HELO (RFC 7208 2.3); with accept it is not checked."},
    {NULL},
};

static gboolean helo_is_wanted(const PosternConfiguration *configuration, const PosternPolicyOptions *policy,
                               guint checks)
{
    return (checks & POSTERN_CHECK_SPF) != 0 && policy->spf_helo != POSTERN_ACTION_ACCEPT;
}

const PosternCheck postern_description_spf = {
    .finding = {.size = sizeof(PosternSpfFinding), .fields = fields},
    .options = options,
    .stages = 1 << POSTERN_STAGE_ENVELOPE | 1 << POSTERN_STAGE_WHOLE,
    .rules = rules,
    .fail = set_failed,
    .is_missed = is_missed,
    .add_results = add_results,
    .add_words = add_words,
    .add_lines = add_lines,
    .add_json = add_json,
    .add_counts = add_counts,
};

const PosternCheck postern_description_spf_helo = {
    .finding = {.size = sizeof(PosternSpfFinding), .fields = fields},
    .options = helo_options,
    .is_wanted = helo_is_wanted,
    .stages = 1 << POSTERN_STAGE_ENVELOPE | 1 << POSTERN_STAGE_WHOLE,
    .rules = helo_rules,
    .fail = set_helo_failed,
    .is_missed = helo_is_missed,
    .add_results = add_helo_results,
    .add_words = add_helo_words,
    .add_lines = add_helo_lines,
    .add_json = add_helo_json,
};
