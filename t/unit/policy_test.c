#include "verdict/policy.h"

#include <string.h>

static PosternPolicy *policy_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(text, strlen(text), "test", &error);

    g_assert_no_error(error);
    return postern_policy_from_configuration(configuration, "mx.example.org");
}

static void test_action_names(void)
{
    static const char *const names[] = {"accept", "mark", "quarantine", "discard", "tempfail", "reject"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++)
        g_assert_cmpstr(postern_action_name((PosternAction)i), ==, names[i]);
    g_assert_cmpstr(postern_action_name((PosternAction)6), ==, "unknown");
}

static void test_defaults(void)
{
    g_autoptr(PosternPolicy) policy = postern_policy_new();

    g_assert_cmpint(policy->virus, ==, POSTERN_ACTION_REJECT);
    g_assert_cmpint(policy->scan_error, ==, POSTERN_ACTION_TEMPFAIL);
    g_assert_cmpint(policy->ambiguous, ==, POSTERN_ACTION_QUARANTINE);
    g_assert_cmpint(policy->encrypted, ==, POSTERN_ACTION_MARK);
    g_assert_cmpint(policy->too_large, ==, POSTERN_ACTION_MARK);
    g_assert_cmpint(policy->unknown_container, ==, POSTERN_ACTION_MARK);
    g_assert_cmpint(policy->heuristic, ==, POSTERN_ACTION_MARK);
    g_assert_cmpint(policy->no_signatures, ==, POSTERN_ACTION_MARK);
    g_assert_cmpint(policy->spf_fail, ==, POSTERN_ACTION_MARK);
    g_assert_true(policy->authentication_results);
    g_assert_false(policy->observe);
    g_assert_cmpstr(policy->authserv_id, !=, "");
    g_assert_nonnull(policy->authserv_id);
    g_assert_cmpstr(policy->name, ==, "");
    g_assert_cmpint(policy->dmarc_reject, ==, POSTERN_ACTION_QUARANTINE);
    g_assert_cmpint(policy->dmarc_quarantine, ==, POSTERN_ACTION_QUARANTINE);
    g_assert_cmpint(policy->from_invalid, ==, POSTERN_ACTION_QUARANTINE);
    g_assert_cmpint(policy->header_ambiguous, ==, POSTERN_ACTION_QUARANTINE);
    g_assert_cmpint(policy->sign_error, ==, POSTERN_ACTION_TEMPFAIL);
    g_assert_cmpuint(policy->trusted_sealers->len, ==, 0);
    g_assert_false(policy->received_spf);
    g_assert_false(policy->sign);
    g_assert_cmpstr(policy->subject_tag, ==, "");
}

static void test_checks(void)
{
    static const guint content = POSTERN_CHECK_VIRUS | POSTERN_CHECK_CONTENT;
    static const guint all = POSTERN_CHECK_SPF | POSTERN_CHECK_DKIM | POSTERN_CHECK_DMARC |
                             POSTERN_CHECK_ARC | content | POSTERN_CHECK_RULES;
    static const struct {
        const char *text;
        guint checks;
    } cases[] = {
        {"", all},
        {"[virus]\nscan=no", all & ~(guint)POSTERN_CHECK_VIRUS},
        {"[content]\ndefault_rules=no", all & ~(guint)POSTERN_CHECK_RULES},
        {"[content]\ndefault_rules=no\nrules=/rules", all},
        {"[policy]\nchecks=rules", POSTERN_CHECK_RULES},
        {"[policy]\nchecks=", 0},
        {"[policy]\nchecks=SPF", POSTERN_CHECK_SPF},
        {"[policy]\nchecks=virus;dkim", content | POSTERN_CHECK_DKIM},
        {"[policy]\nchecks=spf\nspf_helo=mark", POSTERN_CHECK_SPF | POSTERN_CHECK_SPF_HELO},
        {"[policy]\nchecks=dkim\nspf_helo=mark", POSTERN_CHECK_DKIM},
        {"[policy]\nchecks=arc\nsign=yes\n[sign]\ntable=/keys", POSTERN_CHECK_ARC | POSTERN_CHECK_SIGN},
        {"[policy]\nchecks=arc\n[sign]\ntable=/keys", POSTERN_CHECK_ARC},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternPolicy) policy = policy_of(cases[i].text);

        g_assert_cmpuint(policy->checks, ==, cases[i].checks);
    }
}

static void test_groups(void)
{
    static const char text[] = "[policy strict]\nspf_fail=reject\ndmarc_reject=reject\nfrom_invalid=reject\n"
                               "trusted_sealers=Lists.Example.ORG\nreceived_spf=yes\nsubject_tag=[S]\n"
                               "sign=yes\nsign_error=mark\nchecks=spf\n[sign]\ntable=/etc/postern/keys\n";
    g_autoptr(PosternConfiguration) configuration =
        postern_configuration_parse(text, strlen(text), "test", NULL);
    g_autoptr(PosternPolicy) strict = postern_policy_from_group(configuration, "strict", "mx.example.org");
    g_autoptr(PosternPolicy) users = postern_policy_from_group(configuration, "submission", NULL);

    g_assert_cmpstr(strict->name, ==, "strict");
    g_assert_cmpint(strict->spf_fail, ==, POSTERN_ACTION_REJECT);
    g_assert_cmpint(strict->dmarc_reject, ==, POSTERN_ACTION_REJECT);
    g_assert_cmpint(strict->dmarc_quarantine, ==, POSTERN_ACTION_QUARANTINE);
    g_assert_cmpint(strict->from_invalid, ==, POSTERN_ACTION_REJECT);
    g_assert_cmpint(strict->sign_error, ==, POSTERN_ACTION_MARK);
    g_assert_cmpstr(g_ptr_array_index(strict->trusted_sealers, 0), ==, "lists.example.org");
    g_assert_true(strict->received_spf);
    g_assert_true(strict->sign);
    g_assert_cmpuint(strict->checks, ==, POSTERN_CHECK_SPF | POSTERN_CHECK_SIGN);
    g_assert_cmpstr(strict->subject_tag, ==, "[S]");
    g_assert_cmpstr(users->name, ==, "submission");
    g_assert_cmpuint(users->checks, ==,
                     POSTERN_CHECK_VIRUS | POSTERN_CHECK_CONTENT | POSTERN_CHECK_RULES | POSTERN_CHECK_SIGN);
    g_assert_cmpint(users->spf_fail, ==, POSTERN_ACTION_ACCEPT);
    g_assert_false(users->authentication_results);
    g_assert_true(users->sign);
}

static void test_actions(void)
{
    g_autoptr(PosternPolicy) policy =
        policy_of("[proxy]\nmode = observe\n"
                  "[policy]\nvirus = tempfail\nunscannable = mark\nspf_fail = reject\n"
                  "spf_softfail = quarantine\nspf_error = tempfail\n"
                  "dkim_fail = accept\ndkim_error = mark\n"
                  "authentication_results = no\n");

    g_assert_cmpint(policy->virus, ==, POSTERN_ACTION_TEMPFAIL);
    g_assert_cmpint(policy->scan_error, ==, POSTERN_ACTION_MARK);
    g_assert_cmpint(policy->encrypted, ==, POSTERN_ACTION_MARK);
    g_assert_cmpint(policy->spf_fail, ==, POSTERN_ACTION_REJECT);
    g_assert_cmpint(policy->spf_softfail, ==, POSTERN_ACTION_QUARANTINE);
    g_assert_cmpint(policy->spf_error, ==, POSTERN_ACTION_TEMPFAIL);
    g_assert_cmpint(policy->dkim_fail, ==, POSTERN_ACTION_ACCEPT);
    g_assert_cmpint(policy->dkim_error, ==, POSTERN_ACTION_MARK);
    g_assert_false(policy->authentication_results);
    g_assert_true(policy->observe);
    g_assert_cmpstr(policy->authserv_id, ==, "mx.example.org");
}

/* unscannable stands for the kinds that say nothing themselves; what lasts is never put off for ever. */
static void test_kinds(void)
{
    static const struct {
        const char *text;
        PosternAction scan_error, ambiguous, encrypted;
    } cases[] = {
        {"unscannable=tempfail", POSTERN_ACTION_TEMPFAIL, POSTERN_ACTION_QUARANTINE, POSTERN_ACTION_MARK},
        {"unscannable=reject", POSTERN_ACTION_REJECT, POSTERN_ACTION_REJECT, POSTERN_ACTION_REJECT},
        {"unscannable=mark", POSTERN_ACTION_MARK, POSTERN_ACTION_MARK, POSTERN_ACTION_MARK},
        {"unscannable=reject\nencrypted=mark\nscan_error=quarantine", POSTERN_ACTION_QUARANTINE,
         POSTERN_ACTION_REJECT, POSTERN_ACTION_MARK},
        {"encrypted=reject", POSTERN_ACTION_TEMPFAIL, POSTERN_ACTION_QUARANTINE, POSTERN_ACTION_REJECT},
        {"encrypted=unscannable\nunscannable=quarantine", POSTERN_ACTION_QUARANTINE,
         POSTERN_ACTION_QUARANTINE, POSTERN_ACTION_QUARANTINE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strconcat("[policy]\n", cases[i].text, "\n", NULL);
        g_autoptr(PosternPolicy) policy = policy_of(text);

        g_assert_cmpint(policy->scan_error, ==, cases[i].scan_error);
        g_assert_cmpint(policy->ambiguous, ==, cases[i].ambiguous);
        g_assert_cmpint(policy->encrypted, ==, cases[i].encrypted);
    }
}

static void test_lists(void)
{
    static const struct {
        const char *text;
        guint bits;
    } networks[] = {{"192.0.2.0", 24}, {"198.51.100.7", 32}, {"2001:db8::", 32}, {"2001:db8::1", 128}};
    g_autoptr(PosternPolicy) policy =
        policy_of("[policy]\nallow_clients = 192.0.2.0/24; 198.51.100.7, 2001:db8::/32; 2001:db8::1\n"
                  "exempt_recipients = Postmaster; abuse\n");

    g_assert_cmpuint(policy->allowed_networks->len, ==, G_N_ELEMENTS(networks));
    for (guint i = 0; i < G_N_ELEMENTS(networks); i++) {
        const PosternNetwork *network = &g_array_index(policy->allowed_networks, PosternNetwork, i);
        g_autofree char *text = postern_address_to_string(&network->address);

        g_assert_cmpstr(text, ==, networks[i].text);
        g_assert_cmpuint(network->bits, ==, networks[i].bits);
    }
    g_assert_cmpuint(policy->exempt_recipients->len, ==, 2);
    g_assert_cmpstr(g_ptr_array_index(policy->exempt_recipients, 0), ==, "postmaster");
}

/* Items that the configuration's own check would have refused allow nobody. */
static void test_bad_networks(void)
{
    char *items[] = {g_strdup("192.0.2.0/33"),
                     g_strdup("192.0.2.0/"),
                     g_strdup("/24"),
                     g_strdup("192.0.2.0/-1"),
                     g_strdup("example.org"),
                     g_strdup(""),
                     g_strdup("2001:db8::/129"),
                     g_strdup("192.0.2.0/24x"),
                     g_strdup("::ffff:192.0.2.0/24"),
                     g_strdup("::ffff:192.0.2.0/120"),
                     NULL};
    g_autoptr(PosternConfiguration) configuration = postern_configuration_new();
    char **own = configuration->policy.allow_clients;

    configuration->policy.allow_clients = items;

    g_autoptr(PosternPolicy) policy = postern_policy_from_configuration(configuration, "mx.example.org");

    configuration->policy.allow_clients = own;
    g_assert_cmpuint(policy->allowed_networks->len, ==, 1);
    g_assert_cmpuint(g_array_index(policy->allowed_networks, PosternNetwork, 0).bits, ==, 24);
    g_assert_cmpint(g_array_index(policy->allowed_networks, PosternNetwork, 0).address.family, ==, AF_INET);
    for (char **item = items; *item; item++)
        g_free(*item);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/policy/action-names", test_action_names);
    g_test_add_func("/policy/defaults", test_defaults);
    g_test_add_func("/policy/checks", test_checks);
    g_test_add_func("/policy/groups", test_groups);
    g_test_add_func("/policy/actions", test_actions);
    g_test_add_func("/policy/kinds", test_kinds);
    g_test_add_func("/policy/lists", test_lists);
    g_test_add_func("/policy/bad-networks", test_bad_networks);
    return g_test_run();
}
