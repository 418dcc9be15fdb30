#include "verdict/verdict.h"

#include "unit/verdict_sample.h"

static void trust(PosternPolicy *policy, const char *sealer)
{
    g_ptr_array_add(policy->trusted_sealers, g_strdup(sealer));
}

static PosternVerdict *decide_findings(const PosternPolicy *policy, const PosternFindings *findings)
{
    g_autoptr(PosternEnvelope) envelope = new_envelope();

    return postern_verdict_decide(policy, findings, envelope, NULL);
}

typedef struct {
    const char *sets; /* SEALER:DMARC:DOMAIN, the oldest first; '-' for what is not known */
    gboolean overridden;
} Chain;

static void add_sets(PosternFindings *findings, const char *sets)
{
    g_auto(GStrv) list = g_strsplit(sets, " ", -1);

    for (char **set = list; *set; set++) {
        g_auto(GStrv) parts = g_strsplit(*set, ":", 3);

        add_set(findings, parts[0], strcmp(parts[1], "-") ? parts[1] : NULL,
                strcmp(parts[2], "-") ? parts[2] : NULL);
    }
}

/* The oldest set of the trusted end of the chain decides. */
static void test_override(void)
{
    static const Chain chains[] = {
        {"lists.example.net:pass:example.com", TRUE},
        {"LISTS.Example.NET:pass:Example.COM", TRUE},
        {"lists.example.net:fail:example.com", FALSE},
        {"lists.example.net:none:example.com", FALSE},
        {"lists.example.net:-:example.com", FALSE},
        {"lists.example.net:pass:-", FALSE},
        {"lists.example.net:pass:example.org", FALSE},
        {"lists.example.net:pass:sub.example.com", FALSE},
        {"evil.example:pass:example.com", FALSE},
        {"sub.lists.example.net:pass:example.com", FALSE},
        {"example.net:pass:example.com", FALSE},
        {"evil.example:pass:example.com lists.example.net:fail:example.com", FALSE},
        {"evil.example:fail:example.com lists.example.net:pass:example.com", TRUE},
        {"lists.example.net:pass:example.com evil.example:pass:example.com", FALSE},
        {"other.example:pass:example.com lists.example.net:fail:example.com", TRUE},
        {"other.example:fail:example.com lists.example.net:pass:example.com", FALSE},
        {"other.example:pass:example.com evil.example:fail:a.example lists.example.net:pass:example.com",
         TRUE},
        {"other.example:pass:example.com evil.example:fail:a.example lists.example.net:fail:example.com",
         FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(chains); i++) {
        g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
        g_autoptr(PosternFindings) findings = new_findings("p=reject");

        trust(policy, "lists.example.net");
        trust(policy, "other.example");
        add_sets(findings, chains[i].sets);

        g_autoptr(PosternVerdict) verdict = decide_findings(policy, findings);

        g_assert_cmpint(verdict->arc_override, ==, chains[i].overridden);
        g_assert_cmpstr(verdict->check, ==, chains[i].overridden ? NULL : "dmarc_reject");
        g_assert_cmpstr(verdict->disposition, ==, chains[i].overridden ? "none" : "reject");
        g_assert_true(chains[i].overridden ==
                      (strstr(verdict->authentication_results, "overridden") != NULL));
    }
}

static void test_no_override(void)
{
    static const guint checks[] = {POSTERN_CHECK_DMARC, POSTERN_CHECK_DMARC | POSTERN_CHECK_SPF};
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);
    g_autoptr(PosternFindings) findings = new_findings("p=reject");

    add_sets(findings, "lists.example.net:pass:example.com");

    g_autoptr(PosternVerdict) nobody_trusted = decide_findings(policy, findings);

    g_assert_cmpstr(nobody_trusted->check, ==, "dmarc_reject");
    trust(policy, "lists.example.net");
    for (gsize i = 0; i < G_N_ELEMENTS(checks); i++) {
        policy->checks = (PosternChecks)checks[i];

        g_autoptr(PosternVerdict) without_arc = decide_findings(policy, findings);

        g_assert_cmpstr(without_arc->check, ==, "dmarc_reject");
    }
    policy->checks = POSTERN_CHECKS_ALL;
    findings->arc.result = POSTERN_ARC_FAIL;

    g_autoptr(PosternVerdict) broken = decide_findings(policy, findings);

    g_assert_cmpstr(broken->check, ==, "dmarc_reject");
    findings->arc.result = POSTERN_ARC_PASS;
    findings->dmarc.from_invalid = TRUE;

    g_autoptr(PosternVerdict) two_authors = decide_findings(policy, findings);

    g_assert_cmpstr(two_authors->check, ==, "dmarc_reject");
    g_assert_false(two_authors->arc_override);
}

/* A chain whose keys the DNS did not give may be one that overrides. */
static void test_missing_chain(void)
{
    static const struct {
        PosternAction policy, alone, trusting;
    } cases[] = {
        {POSTERN_ACTION_REJECT, POSTERN_ACTION_REJECT, POSTERN_ACTION_TEMPFAIL},
        {POSTERN_ACTION_DISCARD, POSTERN_ACTION_DISCARD, POSTERN_ACTION_TEMPFAIL},
        {POSTERN_ACTION_TEMPFAIL, POSTERN_ACTION_TEMPFAIL, POSTERN_ACTION_TEMPFAIL},
        {POSTERN_ACTION_QUARANTINE, POSTERN_ACTION_QUARANTINE, POSTERN_ACTION_QUARANTINE},
    };
    static const char *const failures[] = {"p=reject arc=temperror", "p=quarantine arc=temperror"};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(failures); j++) {
            g_autoptr(PosternPolicy) policy = new_policy(cases[i].policy);
            g_autoptr(PosternVerdict) alone = decide(policy, failures[j]);

            trust(policy, "lists.example.net");

            g_autoptr(PosternVerdict) trusting = decide(policy, failures[j]);

            policy->checks = (PosternChecks)(POSTERN_CHECKS_ALL & ~POSTERN_CHECK_ARC);

            g_autoptr(PosternVerdict) without_arc = decide(policy, failures[j]);

            g_assert_cmpint(alone->action, ==, cases[i].alone);
            g_assert_cmpint(trusting->action, ==, cases[i].trusting);
            g_assert_cmpint(without_arc->action, ==, cases[i].alone);
        }
    }
}

static void test_disposition(void)
{
    static const struct {
        const char *findings;
        PosternAction action;
        const char *disposition;
    } cases[] = {
        {"", POSTERN_ACTION_REJECT, "none"},
        {"dmarc=pass", POSTERN_ACTION_REJECT, "none"},
        {"p=none", POSTERN_ACTION_REJECT, "none"},
        {"p=reject", POSTERN_ACTION_REJECT, "reject"},
        {"p=reject", POSTERN_ACTION_DISCARD, "reject"},
        {"p=reject", POSTERN_ACTION_QUARANTINE, "quarantine"},
        {"p=quarantine", POSTERN_ACTION_REJECT, "reject"},
        {"p=reject", POSTERN_ACTION_MARK, "none"},
        {"p=reject", POSTERN_ACTION_ACCEPT, "none"},
        {"p=reject", POSTERN_ACTION_TEMPFAIL, "none"},
        {"dmarc=temperror", POSTERN_ACTION_QUARANTINE, "none"},
        {"from=invalid", POSTERN_ACTION_REJECT, "none"},
        {"p=quarantine spf=fail virus=infected", POSTERN_ACTION_QUARANTINE, "quarantine"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternPolicy) policy = new_policy(cases[i].action);
        g_autoptr(PosternVerdict) verdict = decide(policy, cases[i].findings);

        g_assert_cmpstr(verdict->disposition, ==, cases[i].disposition);
    }
}

/* By the owner's policy, each its own action. */
static void test_actions(void)
{
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_ACCEPT);

    policy->name[0] = '\0';
    policy->dmarc_reject = POSTERN_ACTION_REJECT;
    policy->dmarc_quarantine = POSTERN_ACTION_QUARANTINE;

    g_autoptr(PosternVerdict) none = decide(policy, "p=none");
    g_autoptr(PosternVerdict) quarantine = decide(policy, "p=quarantine");
    g_autoptr(PosternVerdict) reject = decide(policy, "p=reject");

    g_assert_cmpint(none->action, ==, POSTERN_ACTION_ACCEPT);
    g_assert_null(none->check);
    g_assert_cmpint(quarantine->action, ==, POSTERN_ACTION_QUARANTINE);
    g_assert_cmpstr(quarantine->decided, ==,
                    "dmarc_quarantine: DMARC check failed: not authenticated, against the DMARC policy of "
                    "example.com (p=quarantine)");
    g_assert_cmpint(reject->action, ==, POSTERN_ACTION_REJECT);
    g_assert_cmpstr(reject->policy, ==, "");
}

/* A good signature whose key is missing: nothing is refused or lost for good. */
static void test_missing_key(void)
{
    static const PosternAction actions[] = {POSTERN_ACTION_REJECT, POSTERN_ACTION_DISCARD};

    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++) {
        g_autoptr(PosternPolicy) policy = new_policy(actions[i]);
        g_autoptr(PosternVerdict) verdict = decide(policy, "dkim=fail dkim=temperror");

        g_assert_cmpint(verdict->action, ==, POSTERN_ACTION_TEMPFAIL);
    }
}

static void test_suspended(void)
{
    static const char *const findings[] = {"p=reject", "dmarc=temperror", "from=invalid", "sign=error"};
    g_autoptr(PosternPolicy) policy = new_policy(POSTERN_ACTION_REJECT);

    g_ptr_array_add(policy->exempt_recipients, g_strdup("b"));
    for (gsize i = 0; i < G_N_ELEMENTS(findings); i++) {
        g_autoptr(PosternVerdict) verdict = decide(policy, findings[i]);

        g_assert_null(verdict->check);
        g_assert_cmpstr(verdict->disposition, ==, "none");
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/verdict-dmarc/override", test_override);
    g_test_add_func("/verdict-dmarc/no-override", test_no_override);
    g_test_add_func("/verdict-dmarc/missing-chain", test_missing_chain);
    g_test_add_func("/verdict-dmarc/disposition", test_disposition);
    g_test_add_func("/verdict-dmarc/actions", test_actions);
    g_test_add_func("/verdict-dmarc/missing-key", test_missing_key);
    g_test_add_func("/verdict-dmarc/suspended", test_suspended);
    return g_test_run();
}
