#include <string.h>

#include "base/configuration/check.h"
#include "base/escape.h"
#include "base/limits.h"
#include "checks/rules/finding.h"
#include "verdict/check.h"

#define SHOWN_FILE_OCTETS 120

typedef struct {
    guint undecided; /* PosternAction */
} Options;

G_STATIC_ASSERT(sizeof(Options) <= POSTERN_CHECK_OPTIONS_MAX_OCTETS);

static const PosternOption options[] = {
    {"policy", "rules_undecided", POSTERN_OPTION_CHOICE,
     POSTERN_OPTION_OF_CHECK(POSTERN_CHECK_INDEX_RULES, Options, undecided), 0, 0, postern_actions, "mark",
     "Action if it cannot be found out whether a content rule holds.",
     postern_configuration_check_kind_action},
    {NULL},
};

static const PosternField match_fields[] = {
    {POSTERN_FIELD_TEXT_OF(PosternRuleMatch, rule), .json = "rule"},
    {POSTERN_FIELD_NUMBER_OF(PosternRuleMatch, action, POSTERN_ACTION_REJECT), .json = "action",
     .names = postern_actions, .always = TRUE},
    {POSTERN_FIELD_TEXT_OF(PosternRuleMatch, file), .json = "file"},
    {POSTERN_FIELD_TEXT_OF(PosternRuleMatch, reason), .json = "reason"},
    {POSTERN_FIELD_TEXT_OF(PosternRuleMatch, reply)},
    {.name = "exempt",
     .type = POSTERN_FIELD_TEXTS,
     .offset = G_STRUCT_OFFSET(PosternRuleMatch, exempt),
     .maximum = POSTERN_POLICY_NAME_MAX_OCTETS,
     .entries = POSTERN_RULE_EXEMPT_MAX},
    {.name = NULL},
};

static void match_free(gpointer data)
{
    postern_rule_match_free(data);
}

static const PosternStructure match_structure = {
    .size = sizeof(PosternRuleMatch), .fields = match_fields, .free = match_free};

PosternRuleMatch *postern_rule_match_new(void)
{
    return postern_structure_new(&match_structure);
}

void postern_rule_match_free(PosternRuleMatch *match)
{
    if (match != NULL)
        postern_structure_free(&match_structure, match);
}

static const PosternField fields[] = {
    {POSTERN_FIELD_BOOLEAN_OF(PosternRulesFinding, checked)},
    {POSTERN_FIELD_LIST_OF(PosternRulesFinding, matches, POSTERN_RULE_MATCHES_MAX, match_structure),
     .json = "rules"},
    {POSTERN_FIELD_TEXT_OF(PosternRulesFinding, unread)},
    {POSTERN_FIELD_TEXT_OF(PosternRulesFinding, undecided), .json = "rules_undecided"},
    {.name = NULL},
};

static gboolean is_exempt(const PosternRuleMatch *match, const char *policy)
{
    return g_ptr_array_find_with_equal_func(
        match->exempt, policy[0] != '\0' ? policy : POSTERN_RULE_POLICY_ITSELF, g_str_equal, NULL);
}

char *postern_rules_finding_field(const PosternRulesFinding *finding, const char *policy)
{
    g_autoptr(GString) value = g_string_new(NULL);
    for (guint i = 0; i < finding->matches->len; i++) {
        const PosternRuleMatch *match = g_ptr_array_index(finding->matches, i);
        if (match->action == POSTERN_ACTION_ACCEPT || is_exempt(match, policy))
            continue;
        g_autofree char *file = g_strndup(match->file != NULL ? match->file : "", SHOWN_FILE_OCTETS);
        g_string_append_printf(value, "%s%s", value->len > 0 ? ",\r\n\t" : "", match->rule);
        postern_rule_add_in_brackets(value, postern_escape_for_header(file));
    }
    if (finding->undecided != NULL)
        g_string_append_printf(value, "%sundecided", value->len > 0 ? ",\r\n\t" : "");
    return value->len > 0 ? g_string_free(g_steal_pointer(&value), FALSE) : NULL;
}

/* The first that has the action of the row; NULL: none that this policy goes by. */
static const PosternRuleMatch *match_of(const PosternRule *row, const PosternFacts *facts)
{
    const GPtrArray *matches = facts->findings->rules.matches;
    for (guint i = 0; i < matches->len; i++) {
        const PosternRuleMatch *match = g_ptr_array_index(matches, i);
        if (match->action == *(const PosternAction *)row->data && !is_exempt(match, facts->policy->name))
            return match;
    }
    return NULL;
}

static gboolean applies(const PosternRule *row, const PosternFacts *facts)
{
    return match_of(row, facts) != NULL;
}

static void describe(const PosternRule *row, const PosternFacts *facts, gboolean inside, GString *text)
{
    const PosternRuleMatch *match = match_of(row, facts);
    gboolean has_reply = postern_rule_has_text(match->reply);
    g_string_append_printf(text, "Message refused: %s",
                           has_reply ? match->reply : "it holds what is not accepted here");
    if (match->file != NULL)
        g_string_append_printf(text, " (file %.*s, rule %s", SHOWN_FILE_OCTETS, match->file, match->rule);
    else
        g_string_append_printf(text, " (rule %s", match->rule);
    if (inside && match->reason != NULL)
        g_string_append_printf(text, ": %s", match->reason);
    g_string_append_c(text, ')');
}

/* What the walk did not look into is a matter of the scan, if there is one. */
static const char *undecided_of(const PosternFacts *facts)
{
    const PosternRulesFinding *rules = &facts->findings->rules;
    if (rules->undecided != NULL)
        return rules->undecided;
    return (facts->policy->checks & POSTERN_CHECK_VIRUS) == 0 ? rules->unread : NULL;
}

static gboolean is_undecided(const PosternRule *row, const PosternFacts *facts)
{
    return undecided_of(facts) != NULL;
}

static void describe_undecided(const PosternRule *row, const PosternFacts *facts, gboolean inside,
                               GString *text)
{
    g_string_append(text,
                    "Message refused: it is too complex to be checked for content that is not accepted");
    if (inside)
        postern_rule_add_in_brackets(text, undecided_of(facts));
}

static const PosternAction actions[] = {POSTERN_ACTION_REJECT, POSTERN_ACTION_DISCARD,
                                        POSTERN_ACTION_QUARANTINE, POSTERN_ACTION_MARK};

#define ROW(number, action)                                                                                  \
    {                                                                                                        \
        "rules", POSTERN_CHECK_RULES, applies, POSTERN_RULE_ALWAYS(action), TRUE, NULL, "550 5.7.1",         \
            "451 4.7.1", describe, &actions[number]                                                          \
    }

/* A rule of a file says itself what is done. */
static const PosternRule rows[] = {
    ROW(0, POSTERN_ACTION_REJECT),
    ROW(1, POSTERN_ACTION_DISCARD),
    ROW(2, POSTERN_ACTION_QUARANTINE),
    ROW(3, POSTERN_ACTION_MARK),
    {"rules_undecided", POSTERN_CHECK_RULES, is_undecided, POSTERN_RULE_OPTION(RULES, Options, undecided),
     TRUE, NULL, "550 5.7.1", "451 4.7.1", describe_undecided},
    {NULL},
};

static gboolean is_wanted(const PosternConfiguration *configuration, const PosternPolicyOptions *policy,
                          guint checks)
{
    return (checks & POSTERN_CHECK_RULES) != 0 &&
           (configuration->content.default_rules || configuration->content.rules[0] != '\0');
}

/* As of a scan that could not be done. */
static gboolean is_missed(const PosternFacts *facts)
{
    return postern_facts_lack(facts, POSTERN_CHECK_RULES) &&
           postern_action_does_something(facts->policy->scan_error);
}

static void add_words(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    const PosternRulesFinding *rules = &findings->rules;
    g_autoptr(GString) names = g_string_new(NULL);
    for (guint i = 0; i < rules->matches->len; i++)
        g_string_append_printf(names, "%s%s", i > 0 ? "," : "",
                               ((const PosternRuleMatch *)g_ptr_array_index(rules->matches, i))->rule);
    if (rules->undecided != NULL)
        g_string_append_printf(names, "%sundecided", names->len > 0 ? "," : "");
    add(out, "rules", names->str);
}

static void add_lines(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                      gpointer out)
{
    const PosternRulesFinding *rules = &findings->rules;
    for (guint i = 0; i < rules->matches->len; i++) {
        const PosternRuleMatch *match = g_ptr_array_index(rules->matches, i);
        g_autofree char *text = g_strdup_printf("%s%s%s: %s", match->rule, match->file != NULL ? ", " : "",
                                                match->file != NULL ? match->file : "",
                                                match->reason != NULL ? match->reason : "");
        add(out, "Rule", text);
    }
    add(out, "Rules", rules->undecided);
}

static void add_json(const PosternFindings *findings, const PosternVerdict *verdict, const PosternJson *json)
{
    postern_structure_tell(&postern_description_rules.finding, &findings->rules, json);
}

static void add_counts(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    for (guint i = 0; i < findings->rules.matches->len; i++)
        add(out, "Content rule",
            ((const PosternRuleMatch *)g_ptr_array_index(findings->rules.matches, i))->rule);
}

const PosternCheck postern_description_rules = {
    .finding = {.size = sizeof(PosternRulesFinding), .fields = fields},
    .options = options,
    .is_wanted = is_wanted,
    .stages = 1 << POSTERN_STAGE_WHOLE,
    .rules = rows,
    .has_field = TRUE,
    .is_missed = is_missed,
    .add_words = add_words,
    .add_lines = add_lines,
    .add_json = add_json,
    .add_counts = add_counts,
};
