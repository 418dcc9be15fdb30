#include "verdict/rules_explain.h"

#include "base/escape.h"
#include "base/limits.h"

/* What comes of row alone. */
static PosternAction own_action(const PosternRow *row, const PosternCase *facts)
{
    const PosternRow alone[] = {*row, {.name = NULL}};
    PosternAction action = POSTERN_ACTION_ACCEPT;

    (void)postern_rules_decide_list(alone, facts, &action);
    return action;
}

static void note_row(const PosternRow *row, const PosternRow *deciding, const PosternCase *facts,
                     PosternRulesExplain note, gpointer user_data)
{
    const char *name = facts->policy->name;
    g_autofree char *group = name && *name ? g_strdup_printf("policy %s", name) : g_strdup("policy");
    GString *text = g_string_new(NULL);

    row->describe(facts, TRUE, text);
    g_string_truncate(text, MIN(text->len, (gsize)POSTERN_REFUSAL_MAX_OCTETS));
    g_autofree char *safe = postern_escape_for_reply(g_string_free(text, FALSE));
    const PosternRowNote told = {
        .name = row->name,
        .group = row->action_offset < 0 ? NULL : group,
        .configured = postern_row_configured_action(row, facts),
        .action = own_action(row, facts),
        .suspended = row->suspendable && postern_case_is_suspended(facts),
        .decides = row == deciding,
        .text = safe,
    };

    note(&told, user_data);
}

void postern_rules_explain(const PosternCase *facts, PosternRulesExplain note, gpointer user_data)
{
    PosternAction action;
    const PosternRow *deciding = postern_rules_decide(facts, &action);

    for (gsize i = 0; postern_rules_lists[i]; i++)
        for (const PosternRow *row = postern_rules_lists[i]; row->name; row++)
            if ((row->checks == 0 || (row->checks & facts->policy->checks)) && row->applies(facts))
                note_row(row, deciding, facts, note, user_data);
}
