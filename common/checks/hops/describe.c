#include "checks/hops/finding.h"

#include "base/configuration/check.h"
#include "verdict/check.h"

#define HOPS_MIN 10
#define HOPS_MAX 1000

typedef struct {
    guint action; /* PosternAction */
    guint maximum;
} Options;

G_STATIC_ASSERT(sizeof(Options) <= POSTERN_CHECK_OPTIONS_MAX_OCTETS);

#define OPTION(member) POSTERN_OPTION_OF_CHECK(POSTERN_CHECK_INDEX_HOPS, Options, member)

/* RFC 5321 6.3: "normally at least 100 Received entries". */
static const PosternOption options[] = {
    {"policy", "hops", POSTERN_OPTION_CHOICE, OPTION(action), 0, 0, postern_actions, "accept",
     "Action if a message has passed more servers than hops_max; with accept they are not counted.",
     postern_configuration_check_permanent_action},
    {"policy", "hops_max", POSTERN_OPTION_NUMBER, OPTION(maximum), HOPS_MIN, HOPS_MAX, NULL, "100",
     "The most Received fields of a message that is not in a mail loop (RFC 5321 6.3)."},
    {NULL},
};

static const Options *options_of(const PosternCheckOptions *of_checks)
{
    return (gconstpointer)&of_checks[POSTERN_CHECK_INDEX_HOPS];
}

static const PosternField fields[] = {
    {POSTERN_FIELD_BOOLEAN_OF(PosternHopsFinding, checked)},
    {POSTERN_FIELD_NUMBER_OF(PosternHopsFinding, count, G_MAXUINT32), .json = "count", .always = TRUE},
    {.name = NULL},
};

static gboolean applies(const PosternRule *rule, const PosternFacts *facts)
{
    return facts->findings->hops.count > options_of(facts->policy->of_checks)->maximum;
}

static void describe(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    g_string_append(text, "Message refused: it has passed too many servers, as in a mail loop");
    if (inside)
        g_string_append_printf(text, " (%u, [policy] hops_max is %u)", facts->findings->hops.count,
                               options_of(facts->policy->of_checks)->maximum);
}

/* RFC 3463 3.5, X.4.6: routing loop detected. */
static const PosternRule rules[] = {
    {"hops", POSTERN_CHECK_HOPS, applies, POSTERN_RULE_OPTION(HOPS, Options, action), TRUE, NULL, "554 5.4.6",
     "451 4.4.6", describe},
    {NULL},
};

static gboolean is_wanted(const PosternConfiguration *configuration, const PosternPolicyOptions *policy,
                          guint checks)
{
    return options_of(policy->of_checks)->action != POSTERN_ACTION_ACCEPT;
}

static gboolean is_missed(const PosternFacts *facts)
{
    return postern_facts_lack(facts, POSTERN_CHECK_HOPS) &&
           postern_action_does_something(options_of(facts->policy->of_checks)->action);
}

static void add_words(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    g_autofree char *count = g_strdup_printf("%u", findings->hops.count);
    add(out, "hops", findings->hops.checked ? count : NULL);
}

static void add_lines(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                      gpointer out)
{
    g_autofree char *count = g_strdup_printf("%u servers passed", findings->hops.count);
    add(out, "Hops", findings->hops.checked ? count : NULL);
}

static void add_json(const PosternFindings *findings, const PosternVerdict *verdict, const PosternJson *json)
{
    if (!findings->hops.checked)
        return;
    json->begin(json->out, "hops", FALSE);
    postern_structure_tell(&postern_description_hops.finding, &findings->hops, json);
    json->end(json->out, FALSE);
}

const PosternCheck postern_description_hops = {
    .finding = {.size = sizeof(PosternHopsFinding), .fields = fields},
    .options = options,
    .is_wanted = is_wanted,
    .stages = 1 << POSTERN_STAGE_HEADER | 1 << POSTERN_STAGE_WHOLE,
    .of_header = TRUE,
    .rules = rules,
    .is_missed = is_missed,
    .add_words = add_words,
    .add_lines = add_lines,
    .add_json = add_json,
};
