#include "verdict/rules.h"

#include "unit/verdict_sample.h"

static void add_note(const PosternRuleNote *note, gpointer user_data)
{
    g_assert_cmpstr(note->text, !=, "");
    g_string_append_printf(user_data, "%s%s:%s:%s:%s%s", ((GString *)user_data)->len > 0 ? " " : "",
                           note->name, note->group != NULL ? note->group : "-",
                           postern_action_name(note->configured), postern_action_name(note->action),
                           note->suspended ? ":suspended" : "");
    if (note->decides)
        g_string_append(user_data, ":decides");
}

static char *explain(const PosternPolicy *policy, const char *words, gboolean header_unsafe)
{
    g_autoptr(PosternFindings) findings = new_findings(words);
    g_autoptr(PosternEnvelope) envelope = new_envelope();
    PosternFacts facts = {
        .policy = policy, .findings = findings, .envelope = envelope, .header_unsafe = header_unsafe};
    GString *text = g_string_new(NULL);
    postern_rules_explain(&facts, add_note, text);
    return g_string_free(text, FALSE);
}

static void test_rows(void)
{
    static const struct {
        const char *words;
        PosternAction action;
        const char *expected;
    } cases[] = {
        {"", POSTERN_ACTION_REJECT, ""},
        {"spf=fail", POSTERN_ACTION_REJECT, "spf_fail:policy:reject:reject:decides"},
        {"spf=fail", POSTERN_ACTION_ACCEPT, "spf_fail:policy:accept:accept"},
        {"spf=temperror", POSTERN_ACTION_REJECT, "spf_error:policy:reject:tempfail:decides"},
        {"spf=softfail dkim=fail", POSTERN_ACTION_QUARANTINE,
         "spf_softfail:policy:quarantine:quarantine:decides dkim_fail:policy:quarantine:quarantine"},
        {"virus=infected spf=fail", POSTERN_ACTION_REJECT,
         "virus:policy:reject:reject:decides spf_fail:policy:reject:reject"},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternPolicy) policy = new_policy(cases[i].action);
        g_autofree char *text = explain(policy, cases[i].words, FALSE);
        g_assert_cmpstr(text, ==, cases[i].expected);
    }
}

static void test_no_option_says_so(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_ACCEPT);
    g_autofree char *text = explain(policy, "", TRUE);
    g_assert_cmpstr(text, ==, "header:-:reject:reject:decides");
}

static void test_suspended(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
    g_ptr_array_add(policy->exempt_recipients, g_strdup("b"));
    g_autofree char *text = explain(policy, "spf=fail", FALSE);
    g_assert_cmpstr(text, ==, "spf_fail:policy:reject:accept:suspended");
}

static void test_group(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
    g_free(policy->name);
    policy->name = g_strdup("strict");
    g_autofree char *text = explain(policy, "spf=fail", FALSE);
    g_assert_cmpstr(text, ==, "spf_fail:policy strict:reject:reject:decides");
}

/* The row that decides is the one that the verdict names. */
static void test_agrees_with_the_verdict(void)
{
    static const char *const words[] = {"spf=fail", "spf=fail dkim=fail",       "dkim=temperror",
                                        "p=reject", "p=quarantine virus=error", "virus=infected p=reject",
                                        "spf=none"};
    for (guint i = 0; i < G_N_ELEMENTS(words); i++)
        for (guint action = POSTERN_ACTION_ACCEPT; action <= POSTERN_ACTION_REJECT; action++) {
            g_autoptr(PosternPolicy) policy = new_policy((PosternAction)action);
            g_autoptr(PosternVerdict) verdict = decide(policy, words[i]);
            g_autofree char *text = explain(policy, words[i], FALSE);
            g_auto(GStrv) rows = g_strsplit(text, " ", -1);
            const char *deciding = NULL;
            for (char **row = rows; *row != NULL; row++)
                if (g_str_has_suffix(*row, ":decides"))
                    deciding = *row;
            g_assert_true((deciding != NULL) == (verdict->check != NULL));
            g_assert_true(deciding == NULL || g_str_has_prefix(deciding, verdict->check));
        }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rows-explain/rows", test_rows);
    g_test_add_func("/rows-explain/no-option-says-so", test_no_option_says_so);
    g_test_add_func("/rows-explain/suspended", test_suspended);
    g_test_add_func("/rows-explain/group", test_group);
    g_test_add_func("/rows-explain/agrees-with-the-verdict", test_agrees_with_the_verdict);
    return g_test_run();
}
