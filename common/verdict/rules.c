#include "verdict/rules.h"

#include <string.h>

#include "base/escape.h"
#include "base/limits.h"
#include "verdict/check.h"

gboolean postern_rule_always(const PosternRule *rule, const PosternFacts *facts)
{
    return TRUE;
}

gboolean postern_rule_has_text(const char *text)
{
    return text && *text;
}

void postern_rule_add_in_brackets(GString *text, const char *detail)
{
    if (postern_rule_has_text(detail))
        g_string_append_printf(text, " (%s)", detail);
}

gboolean postern_facts_lack(const PosternFacts *facts, PosternChecks check)
{
    return (facts->findings->not_run & facts->policy->checks & (guint)check) != 0;
}

static gboolean header_is_unsafe(const PosternRule *rule, const PosternFacts *facts)
{
    return facts->header_unsafe;
}

static void describe_unsafe(const PosternRule *rule, const PosternFacts *facts, gboolean inside,
                            GString *text)
{
    g_string_append(text, "Message refused: header has too many fields, or is too large");
}

static gboolean header_is_ambiguous(const PosternRule *rule, const PosternFacts *facts)
{
    return facts->header_problem != NULL;
}

static void describe_ambiguous(const PosternRule *rule, const PosternFacts *facts, gboolean inside,
                               GString *text)
{
    g_string_append(text, "Header can be read in more than one way");
    postern_rule_add_in_brackets(text, facts->header_problem);
}

static const PosternRule header_rules[] = {
    {"header", 0, header_is_unsafe, POSTERN_RULE_ALWAYS(POSTERN_ACTION_REJECT), FALSE, NULL, "552 5.3.4",
     "451 4.3.4", describe_unsafe},
    {"header_ambiguous", POSTERN_CHECK_DKIM | POSTERN_CHECK_DMARC | POSTERN_CHECK_ARC, header_is_ambiguous,
     POSTERN_RULE_POLICY(header_ambiguous), TRUE, NULL, "550 5.6.0", "451 4.6.0", describe_ambiguous},
    {NULL},
};

/* A failure that policy would do something about may be behind what no inspector had time to find out. */
static gboolean check_is_missed(const PosternRule *rule, const PosternFacts *facts)
{
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
        if (postern_checks[i].of->is_missed != NULL && postern_checks[i].of->is_missed(facts))
            return TRUE;
    return FALSE;
}

static void describe_missed(const PosternRule *rule, const PosternFacts *facts, gboolean inside,
                            GString *text)
{
    g_string_append(text, "Message could not be checked");
    for (guint i = 0; inside && i < POSTERN_CHECKS_COUNT; i++)
        if ((facts->findings->not_run & (guint)postern_checks[i].check) != 0)
            g_string_append_printf(text, " %s", postern_checks[i].name);
}

/* Our own trouble, which passes: 451 4.3.0, RFC 3463 3.4. */
static const PosternRule inspection_rules[] = {
    {"inspection", POSTERN_CHECKS_VERDICT, check_is_missed, POSTERN_RULE_ALWAYS(POSTERN_ACTION_TEMPFAIL),
     TRUE, postern_rule_always, "451 4.3.0", "451 4.3.0", describe_missed},
    {NULL},
};

typedef void (*Visit)(const PosternRule *rule, const PosternFacts *facts, gpointer user_data);

static gboolean is_of(const PosternRule *rule, PosternChecks of)
{
    return rule->checks == 0 ? of == POSTERN_CHECKS_ALL : (rule->checks & ~(guint)of) == 0;
}

/* Those of rules that apply. */
static void visit_table(const PosternRule *rules, gboolean suspendable, PosternChecks of,
                        const PosternFacts *facts, Visit visit, gpointer user_data)
{
    for (const PosternRule *rule = rules; rule != NULL && rule->name != NULL; rule++)
        if (rule->suspendable == suspendable && is_of(rule, of) &&
            (rule->checks == 0 || (rule->checks & facts->policy->checks)) && rule->applies(rule, facts))
            visit(rule, facts, user_data);
}

static void visit_checks(gboolean suspendable, PosternChecks of, const PosternFacts *facts, Visit visit,
                         gpointer user_data)
{
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
        visit_table(postern_checks[i].of->rules, suspendable, of, facts, visit, user_data);
}

static void visit_rules(PosternChecks of, const PosternFacts *facts, Visit visit, gpointer user_data)
{
    visit_checks(FALSE, of, facts, visit, user_data);
    visit_table(header_rules, FALSE, of, facts, visit, user_data);
    visit_table(header_rules, TRUE, of, facts, visit, user_data);
    visit_checks(TRUE, of, facts, visit, user_data);
    visit_table(inspection_rules, TRUE, of, facts, visit, user_data);
}

static PosternAction configured_action(const PosternRule *rule, const PosternFacts *facts)
{
    if (rule->action_offset < 0)
        return (PosternAction)(-1 - rule->action_offset);
    return *(const PosternAction *)(gconstpointer)((const char *)facts->policy + rule->action_offset);
}

/* What rests on an error that passes is not refused, nor lost, for good. */
static PosternAction action_of(const PosternRule *rule, const PosternFacts *facts, gboolean suspended)
{
    PosternAction action = configured_action(rule, facts);
    if (rule->suspendable && suspended)
        return POSTERN_ACTION_ACCEPT;
    if ((action == POSTERN_ACTION_REJECT || action == POSTERN_ACTION_DISCARD) && rule->is_temporary &&
        rule->is_temporary(rule, facts))
        action = POSTERN_ACTION_TEMPFAIL;
    return action;
}

static gboolean recipient_is_exempt(const PosternPolicy *policy, const char *recipient)
{
    const char *at = strrchr(recipient, '@');
    g_autofree char *local_part = g_ascii_strdown(recipient, at ? at - recipient : -1);

    return g_ptr_array_find_with_equal_func(policy->exempt_recipients, local_part, g_str_equal, NULL);
}

static gboolean recipients_are_exempt(const PosternFacts *facts)
{
    const GPtrArray *recipients = facts->envelope->recipients;

    for (guint i = 0; i < recipients->len; i++)
        if (!recipient_is_exempt(facts->policy, g_ptr_array_index(recipients, i)))
            return FALSE;
    return recipients->len > 0;
}

static gboolean is_allowed_sender(const PosternPolicy *policy, const char *domain)
{
    g_autofree char *lower = domain ? g_ascii_strdown(domain, -1) : NULL;

    return lower && g_ptr_array_find_with_equal_func(policy->allowed_senders, lower, g_str_equal, NULL);
}

/* Never by what a message only says: From may be anybody's. */
static gboolean sender_is_allowed(const PosternFacts *facts)
{
    const PosternPolicy *policy = facts->policy;
    const PosternFindings *findings = facts->findings;

    if ((policy->checks & POSTERN_CHECK_SPF) && findings->spf.result == POSTERN_SPF_PASS &&
        !findings->spf.helo && is_allowed_sender(policy, findings->spf.domain))
        return TRUE;
    for (guint i = 0; (policy->checks & POSTERN_CHECK_DKIM) && i < findings->dkim.signatures->len; i++) {
        const PosternDkimFinding *dkim = g_ptr_array_index(findings->dkim.signatures, i);

        if (dkim->result == POSTERN_DKIM_PASS && is_allowed_sender(policy, dkim->domain))
            return TRUE;
    }
    return FALSE;
}

/* The client is allowed, or all recipients are exempt, or SPF or DKIM passes for a sender that is allowed. */
static gboolean is_suspended(const PosternFacts *facts)
{
    return sender_is_allowed(facts) ||
           postern_networks_contain(facts->policy->allowed_networks, &facts->envelope->client) ||
           recipients_are_exempt(facts);
}

typedef struct {
    gboolean suspended;
    const PosternRule *rule;
    PosternAction action;
} Decision;

static void decide(const PosternRule *rule, const PosternFacts *facts, gpointer user_data)
{
    Decision *decision = user_data;
    PosternAction action = action_of(rule, facts, decision->suspended);
    if (action > decision->action) {
        decision->action = action;
        decision->rule = rule;
    }
}

const PosternRule *postern_rules_decide(const PosternFacts *facts, PosternChecks of,
                                        PosternAction *ret_action)
{
    Decision decision = {.suspended = is_suspended(facts), .action = POSTERN_ACTION_ACCEPT};
    visit_rules(of, facts, decide, &decision);
    *ret_action = decision.action;
    return decision.rule;
}

gboolean postern_rules_may_refuse(const PosternPolicy *policy, PosternChecks check)
{
    const PosternFacts facts = {.policy = policy};
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++) {
        const PosternRule *rule = postern_checks[i].check == check ? postern_checks[i].of->rules : NULL;
        for (; rule != NULL && rule->name != NULL; rule++) {
            PosternAction action =
                rule->action_offset >= 0 ? configured_action(rule, &facts) : POSTERN_ACTION_ACCEPT;
            if (action == POSTERN_ACTION_TEMPFAIL || action == POSTERN_ACTION_REJECT)
                return TRUE;
        }
    }
    return FALSE;
}

static void add_marking(const PosternRule *rule, const PosternFacts *facts, gpointer user_data)
{
    GString *names = user_data;
    if (action_of(rule, facts, is_suspended(facts)) == POSTERN_ACTION_MARK)
        g_string_append_printf(names, "%s%s", names->len > 0 ? ", " : "", rule->name);
}

char *postern_rules_marking(const PosternFacts *facts)
{
    GString *names = g_string_new(NULL);
    for (gint suspendable = FALSE; suspendable <= TRUE; suspendable++) {
        for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++)
            if (postern_checks[i].of->add_results == NULL && !postern_checks[i].of->has_field)
                visit_table(postern_checks[i].of->rules, suspendable, POSTERN_CHECKS_ALL, facts, add_marking,
                            names);
        visit_table(header_rules, suspendable, POSTERN_CHECKS_ALL, facts, add_marking, names);
    }
    return g_string_free(names, names->len == 0);
}

char *postern_rule_reply(const PosternRule *rule, const PosternFacts *facts, PosternAction action)
{
    gboolean delayed = action == POSTERN_ACTION_TEMPFAIL;
    const char *end = delayed ? ", try again later" : "";

    if (!delayed && action != POSTERN_ACTION_REJECT)
        return NULL;

    GString *text = g_string_new(delayed ? rule->delayed : rule->refused);

    g_string_append_c(text, ' ');
    rule->describe(rule, facts, FALSE, text);
    g_string_truncate(text, MIN(text->len, POSTERN_REFUSAL_MAX_OCTETS - strlen(end)));
    g_string_append(text, end);
    return postern_escape_for_reply(g_string_free(text, FALSE));
}

char *postern_rule_quarantine(const PosternRule *rule, const PosternFacts *facts)
{
    static const char refused[] = "Message refused: "; /* it was not */
    g_autoptr(GString) reason = g_string_new(NULL);
    GString *text = g_string_new(rule->name);

    rule->describe(rule, facts, TRUE, reason);
    gboolean says_so = g_str_has_prefix(reason->str, refused);
    g_string_append_printf(text, ": %s", reason->str + (says_so ? strlen(refused) : 0));
    g_string_truncate(text, MIN(text->len, (gsize)POSTERN_REFUSAL_MAX_OCTETS));
    return postern_escape_for_header(g_string_free(text, FALSE));
}

typedef struct {
    Decision decision;
    char *group;
    PosternRulesExplain note;
    gpointer user_data;
} Explanation;

static void explain(const PosternRule *rule, const PosternFacts *facts, gpointer user_data)
{
    const Explanation *explanation = user_data;
    gboolean suspended = explanation->decision.suspended;
    GString *text = g_string_new(NULL);
    rule->describe(rule, facts, TRUE, text);
    g_string_truncate(text, MIN(text->len, (gsize)POSTERN_REFUSAL_MAX_OCTETS));
    g_autofree char *safe = postern_escape_for_reply(g_string_free(text, FALSE));
    const PosternRuleNote told = {
        .name = rule->name,
        .group = rule->action_offset < 0 ? NULL : explanation->group,
        .configured = configured_action(rule, facts),
        .action = action_of(rule, facts, suspended),
        .suspended = rule->suspendable && suspended,
        .decides = rule == explanation->decision.rule,
        .text = safe,
    };
    explanation->note(&told, explanation->user_data);
}

void postern_rules_explain(const PosternFacts *facts, PosternRulesExplain note, gpointer user_data)
{
    const char *name = facts->policy->name;
    g_autofree char *group =
        postern_rule_has_text(name) ? g_strdup_printf("policy %s", name) : g_strdup("policy");
    Explanation explanation = {
        {.suspended = is_suspended(facts), .action = POSTERN_ACTION_ACCEPT}, group, note, user_data};
    visit_rules(POSTERN_CHECKS_ALL, facts, decide, &explanation.decision);
    visit_rules(POSTERN_CHECKS_ALL, facts, explain, &explanation);
}
