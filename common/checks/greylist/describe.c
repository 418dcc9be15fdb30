#include "base/configuration/check.h"
#include "base/limits.h"
#include "checks/greylist/finding.h"
#include "verdict/check.h"

typedef struct {
    guint action; /* PosternAction */
} Options;

G_STATIC_ASSERT(sizeof(Options) <= POSTERN_CHECK_OPTIONS_MAX_OCTETS);

static const PosternOption options[] = {
    {"policy", "greylist", POSTERN_OPTION_CHOICE,
     POSTERN_OPTION_OF_CHECK(POSTERN_CHECK_INDEX_GREYLIST, Options, action), 0, 0, postern_actions, "accept",
     "Action for senders whom nobody knows: tempfail asks them to come back ([greylist] delay).",
     postern_configuration_check_error_action},
    {NULL},
};

static const char *const results[] = {
    [POSTERN_GREYLIST_NOT_CHECKED] = "not_checked",
    [POSTERN_GREYLIST_PASSED] = "passed",
    [POSTERN_GREYLIST_NEW] = "new",
    [POSTERN_GREYLIST_WAITING] = "waiting",
    [POSTERN_GREYLIST_FAILED] = "failed",
};

static const PosternField fields[] = {
    {POSTERN_FIELD_CHOICE(PosternGreylistFinding, result, results), .json = "result"},
    {POSTERN_FIELD_NUMBER_OF(PosternGreylistFinding, seconds, G_MAXUINT32), .json = "seconds"},
    {POSTERN_FIELD_TEXT_OF(PosternGreylistFinding, identity), .json = "identity"},
    {.name = NULL},
};

static gboolean applies(const PosternRule *rule, const PosternFacts *facts)
{
    guint result = facts->findings->greylist.result;
    return result == POSTERN_GREYLIST_NEW || result == POSTERN_GREYLIST_WAITING;
}

static void describe(const PosternRule *rule, const PosternFacts *facts, gboolean inside, GString *text)
{
    const PosternGreylistFinding *greylist = &facts->findings->greylist;
    g_string_append_printf(text, "Greylisted: mail of yours is taken from in %u seconds on",
                           greylist->seconds);
    if (inside)
        postern_rule_add_in_brackets(text, greylist->identity);
}

static const PosternRule rules[] = {
    {"greylist", POSTERN_CHECK_GREYLIST, applies, POSTERN_RULE_OPTION(GREYLIST, Options, action), TRUE,
     postern_rule_always, "451 4.7.1", "451 4.7.1", describe},
    {NULL},
};

static gboolean is_wanted(const PosternConfiguration *configuration, const PosternPolicyOptions *policy,
                          guint checks)
{
    const Options *of = (gconstpointer)&policy->of_checks[POSTERN_CHECK_INDEX_GREYLIST];
    return of->action != POSTERN_ACTION_ACCEPT;
}

static void add_words(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    if (findings->greylist.result != POSTERN_GREYLIST_NOT_CHECKED)
        add(out, "greylist", postern_choice(results, findings->greylist.result));
}

static void add_lines(const PosternFindings *findings, const PosternVerdict *verdict, PosternAdd add,
                      gpointer out)
{
    const PosternGreylistFinding *greylist = &findings->greylist;
    g_autoptr(GString) text = g_string_new(postern_choice(results, greylist->result));
    postern_rule_add_in_brackets(text, greylist->identity);
    if (greylist->result != POSTERN_GREYLIST_NOT_CHECKED)
        add(out, "Greylist", text->str);
}

static void add_json(const PosternFindings *findings, const PosternVerdict *verdict, const PosternJson *json)
{
    if (findings->greylist.result == POSTERN_GREYLIST_NOT_CHECKED)
        return;
    json->begin(json->out, "greylist", FALSE);
    postern_structure_tell(&postern_description_greylist.finding, &findings->greylist, json);
    json->end(json->out, FALSE);
}

static void add_counts(const PosternFindings *findings, PosternAdd add, gpointer out)
{
    if (findings->greylist.result != POSTERN_GREYLIST_NOT_CHECKED)
        add(out, "Greylist", postern_choice(results, findings->greylist.result));
}

const PosternCheck postern_description_greylist = {
    .finding = {.size = sizeof(PosternGreylistFinding), .fields = fields},
    .options = options,
    .is_wanted = is_wanted,
    .rules = rules,
    .add_words = add_words,
    .add_lines = add_lines,
    .add_json = add_json,
    .add_counts = add_counts,
};
