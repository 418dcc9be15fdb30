#include "checks/sign/finding.h"

#include "base/configuration/check.h"
#include "base/limits.h"
#include "verdict/check.h"

static const PosternField fields[] = {
    {.name = "fields",
     .type = POSTERN_FIELD_TEXTS,
     .offset = G_STRUCT_OFFSET(PosternSignFinding, fields),
     .maximum = POSTERN_HEADER_EDIT_MAX_OCTETS,
     .entries = POSTERN_SIGN_FIELDS_MAX},
    {POSTERN_FIELD_TEXT_OF(PosternSignFinding, domain), .json = "domain"},
    {POSTERN_FIELD_TEXT_OF(PosternSignFinding, problem)},
    {POSTERN_FIELD_TEXT_OF(PosternSignFinding, unsigned_reason), .json = "unsigned"},
    {.name = NULL},
};

static gboolean applies(const PosternRule *rule, const PosternFacts *facts)
{
    return facts->findings->sign.problem != NULL;
}

static void describe(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Message could not be signed");
    if (inside)
        postern_rule_add_in_brackets(text, facts->findings->sign.problem);
}

static const PosternRule rules[] = {
    {"sign_error", POSTERN_CHECK_SIGN, applies, POSTERN_RULE_POLICY(sign_error), TRUE, postern_rule_always,
     "451 4.3.0", "451 4.3.0", describe},
    {NULL},
};

static void set_failed(PosternFindings *findings, const char *reason)
{
    postern_findings_replace(&findings->sign.problem, reason);
}

static void add_words(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    if (findings->sign.fields->len > 0)
        add(out, "signed", findings->sign.domain);
    if (findings->sign.unsigned_reason != NULL)
        add(out, "unsigned", findings->sign.unsigned_reason);
}

/* Of a capsule: a scan signs nothing. */
static void add_json(const PosternFindings *findings, const PosternVerdict *verdict, const PosternJson *json)
{
    if (findings->sign.domain == NULL && findings->sign.unsigned_reason == NULL)
        return;
    json->begin(json->out, "signing", FALSE);
    postern_structure_tell(&postern_description_sign.finding, &findings->sign, json);
    json->end(json->out, FALSE);
}

static const PosternOption options[] = {
    {"policy", "sign", POSTERN_OPTION_BOOLEAN, G_STRUCT_OFFSET(PosternConfiguration, policy.sign), 0, 0, NULL,
     "no", "Add our DKIM signature to mail from own_networks and authenticated users (see [sign])."},
    {POSTERN_OPTION_ACTION(sign_error, "tempfail"), "Action if signing a message fails temporarily.",
     postern_configuration_check_error_action},
    {NULL},
};

static gboolean is_wanted(const PosternConfiguration *configuration, const PosternPolicyOptions *policy,
                          guint checks)
{
    return policy->sign && configuration->sign.table[0] != '\0';
}

const PosternCheck postern_description_sign = {
    .finding = {.size = sizeof(PosternSignFinding), .fields = fields},
    .options = options,
    .is_wanted = is_wanted,
    .stages = 1 << POSTERN_STAGE_SIGN,
    .rules = rules,
    .fail = set_failed,
    .add_words = add_words,
    .add_json = add_json,
};
