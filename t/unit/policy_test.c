#include "judge/policy.h"

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
    g_assert_cmpint(policy->unscannable, ==, POSTERN_ACTION_TEMPFAIL);
    g_assert_cmpint(policy->spf_fail, ==, POSTERN_ACTION_MARK);
    g_assert_true(policy->authentication_results);
    g_assert_false(policy->observe);
    g_assert_cmpstr(policy->authserv_id, !=, "");
    g_assert_nonnull(policy->authserv_id);
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
    g_assert_cmpint(policy->unscannable, ==, POSTERN_ACTION_MARK);
    g_assert_cmpint(policy->spf_fail, ==, POSTERN_ACTION_REJECT);
    g_assert_cmpint(policy->spf_softfail, ==, POSTERN_ACTION_QUARANTINE);
    g_assert_cmpint(policy->spf_error, ==, POSTERN_ACTION_TEMPFAIL);
    g_assert_cmpint(policy->dkim_fail, ==, POSTERN_ACTION_ACCEPT);
    g_assert_cmpint(policy->dkim_error, ==, POSTERN_ACTION_MARK);
    g_assert_false(policy->authentication_results);
    g_assert_true(policy->observe);
    g_assert_cmpstr(policy->authserv_id, ==, "mx.example.org");
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
    g_test_add_func("/policy/actions", test_actions);
    g_test_add_func("/policy/lists", test_lists);
    g_test_add_func("/policy/bad-networks", test_bad_networks);
    return g_test_run();
}
