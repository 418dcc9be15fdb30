#include <string.h>

#include "base/limits.h"
#include "checks/rules/evaluation.h"

static PosternHolds message_condition_holds(const PosternRulesEvaluation *evaluation, guint number,
                                            const PosternRuleCondition *condition)
{
    guint64 counted =
        condition->subject == POSTERN_RULE_FILES ? evaluation->file_count : evaluation->file_octets;
    if (condition->subject == POSTERN_RULE_FILES || condition->subject == POSTERN_RULE_FILES_SIZE)
        return counted >= condition->minimum && counted <= condition->maximum ? POSTERN_HOLDS
                                                                              : POSTERN_HOLDS_NOT;
    return (PosternHolds)evaluation->message.holds[number];
}

/* Of the whole rule. */
static PosternHolds rule_holds(PosternRulesEvaluation *evaluation, guint rule_number)
{
    const PosternContentRule *rule = g_ptr_array_index(evaluation->engine->rules, rule_number);
    guint first = g_array_index(evaluation->engine->first_conditions, guint, rule_number);
    PosternHolds holds = POSTERN_HOLDS;
    guint undecided = first;
    for (guint i = 0; i < rule->conditions->len && holds != POSTERN_HOLDS_NOT; i++) {
        const PosternRuleCondition *condition = &g_array_index(rule->conditions, PosternRuleCondition, i);
        PosternHolds one =
            postern_rule_subject_is_file(condition->subject)
                ? (PosternHolds)evaluation->rules[rule_number]
                : postern_holds_turn_over(message_condition_holds(evaluation, first + i, condition),
                                          condition->negated);
        /* what was not looked at may hold it */
        if (one == POSTERN_HOLDS_NOT && evaluation->time.spent)
            one = POSTERN_HOLDS_PERHAPS;
        if (one == POSTERN_HOLDS_PERHAPS)
            undecided = first + i;
        holds = postern_holds_both(holds, one);
    }
    if (holds == POSTERN_HOLDS_PERHAPS)
        postern_rules_note_undecided(evaluation, undecided);
    return holds;
}

static char *reason_of(const PosternRulesEvaluation *evaluation, guint rule_number)
{
    const PosternContentRule *rule = g_ptr_array_index(evaluation->engine->rules, rule_number);
    guint first = g_array_index(evaluation->engine->first_conditions, guint, rule_number);
    GString *reason = g_string_new(evaluation->reasons[rule_number]);
    for (guint i = 0; i < rule->conditions->len; i++)
        if (!postern_rule_subject_is_file(g_array_index(rule->conditions, PosternRuleCondition, i).subject))
            postern_rules_add_reason(evaluation, &evaluation->message, first + i, reason);
    return g_string_free(reason, FALSE);
}

/* Room is made by the mildest, if it is milder. */
static gboolean make_room(PosternRulesEvaluation *evaluation, GPtrArray *matches, PosternAction action)
{
    guint mildest = 0;
    if (matches->len < POSTERN_RULE_MATCHES_MAX)
        return TRUE;
    if (evaluation->undecided == NULL)
        evaluation->undecided = g_strdup_printf("more than %d rules hold", POSTERN_RULE_MATCHES_MAX);
    for (guint i = 1; i < matches->len; i++)
        if (((PosternRuleMatch *)g_ptr_array_index(matches, i))->action <
            ((PosternRuleMatch *)g_ptr_array_index(matches, mildest))->action)
            mildest = i;
    if (((PosternRuleMatch *)g_ptr_array_index(matches, mildest))->action >= action)
        return FALSE;
    g_ptr_array_remove_index(matches, mildest);
    return TRUE;
}

static void add_match(PosternRulesEvaluation *evaluation, guint rule_number, GPtrArray *matches)
{
    const PosternContentRule *rule = g_ptr_array_index(evaluation->engine->rules, rule_number);
    if (!make_room(evaluation, matches, rule->action))
        return;
    PosternRuleMatch *match = postern_rule_match_new();
    match->rule = g_strdup(rule->name);
    match->action = rule->action;
    match->file = g_strdup(evaluation->files[rule_number]);
    match->reason = reason_of(evaluation, rule_number);
    match->reply = g_strdup(rule->reply);
    for (guint i = 0; i < rule->exempt->len; i++)
        g_ptr_array_add(match->exempt, g_strdup(g_ptr_array_index(rule->exempt, i)));
    g_ptr_array_add(matches, match);
}

void postern_rules_conclude(PosternRulesEvaluation *evaluation, PosternRulesFinding *finding)
{
    for (guint i = 0; i < evaluation->engine->rules->len; i++)
        if (rule_holds(evaluation, i) == POSTERN_HOLDS)
            add_match(evaluation, i, finding->matches);
    finding->checked = TRUE;
    finding->unread = g_steal_pointer(&evaluation->unread);
    finding->undecided = g_steal_pointer(&evaluation->undecided);
}
