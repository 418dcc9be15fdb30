#include "proxy/settings/settings.h"

#include <string.h>

#include "base/error.h"

static PosternProxySettings *settings_of(const char *text, GError **error)
{
    g_autoptr(GError) reason = NULL;
    PosternConfiguration *configuration = postern_configuration_parse(text, strlen(text), "test", &reason);
    g_assert_no_error(reason);
    return postern_proxy_settings_new(configuration, NULL, error);
}

/* What a milter can do and the proxy cannot. */
static void test_discard(void)
{
    static const char *const keys[] = {"virus", "spf_fail", "spf_softfail", "dkim_fail"};
    for (gsize i = 0; i < G_N_ELEMENTS(keys); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strdup_printf("[policy]\n%s = discard\n", keys[i]);
        g_autofree char *start = g_strdup_printf("[policy] %s: 'discard' is for the milter alone", keys[i]);
        g_assert_null(settings_of(text, &error));
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
        g_assert_true(g_str_has_prefix(error->message, start));
    }
}

static void test_other_actions(void)
{
    static const char *const actions[] = {"accept", "mark", "quarantine", "tempfail", "reject"};
    for (gsize i = 0; i < G_N_ELEMENTS(actions); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text =
            g_strdup_printf("[policy]\nvirus = %s\nspf_fail = %s\n", actions[i], actions[i]);
        g_autoptr(PosternProxySettings) settings = settings_of(text, &error);
        g_assert_no_error(error);
        const PosternPolicy *policy = postern_policies_of(settings->policies, POSTERN_CLIENT_OTHER, NULL);
        g_assert_cmpstr(postern_action_name(policy->virus), ==, actions[i]);
    }
}

static void test_discard_in_named_policy(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(settings_of("[policy strict]\nspf_fail = discard\n", &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION);
    g_assert_true(
        g_str_has_prefix(error->message, "[policy strict] spf_fail: 'discard' is for the milter alone"));
}

static void test_trusted_clients(void)
{
    static const struct {
        const char *address;
        gboolean trusted;
    } rows[] = {{"127.0.0.1", TRUE},   {"127.1.2.3", FALSE},  {"192.0.2.31", TRUE},
                {"192.0.2.32", FALSE}, {"2001:db8::5", TRUE}, {"2001:db9::5", FALSE}};
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternProxySettings) settings =
        settings_of("[proxy]\ntrusted_clients = 127.0.0.1; 192.0.2.0/27; 2001:db8::/32\n", &error);
    g_assert_no_error(error);
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        PosternAddress address;
        g_assert_true(postern_address_parse(&address, rows[i].address));
        g_assert_cmpint(postern_proxy_settings_trusts(settings, &address), ==, rows[i].trusted);
    }
    const PosternAddress unknown = {.family = AF_UNSPEC};
    g_assert_false(postern_proxy_settings_trusts(settings, &unknown));
}

static void test_client_share(void)
{
    static const struct {
        const char *text;
        guint64 share;
    } rows[] = {
        {"message_memory = 400M\nmessage_size = 50M\n", 100 * 1024 * 1024},
        {"message_memory = 100M\nmessage_size = 50M\n", 50 * 1024 * 1024}, /* one message always goes */
        {"message_memory = 400M\nmessage_size = 5M\nmessage_memory_per_client = 10M\n", 10 * 1024 * 1024},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_autofree char *text = g_strconcat("[proxy]\n", rows[i].text, NULL);
        g_autoptr(PosternProxySettings) settings = settings_of(text, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(postern_proxy_settings_client_share(settings), ==, rows[i].share);
    }
}

/* Another role is another back-end: what was proved for one does not hold for the other. */
static void test_role(void)
{
    g_autoptr(PosternProxySettings) edge = settings_of("[proxy]\ntrusted_clients = 127.0.0.1\n", NULL);
    g_autoptr(PosternProxySettings) filter =
        settings_of("[proxy]\nrole = before_queue_filter\ntrusted_clients = 127.0.0.1\n", NULL);
    g_assert_false(postern_proxy_settings_is_filter(edge));
    g_assert_true(postern_proxy_settings_is_filter(filter));
    g_assert_true(postern_proxy_settings_same_relaying(edge, edge));
    g_assert_false(postern_proxy_settings_same_relaying(edge, filter));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/proxy-settings/discard", test_discard);
    g_test_add_func("/proxy-settings/other-actions", test_other_actions);
    g_test_add_func("/proxy-settings/discard-in-named-policy", test_discard_in_named_policy);
    g_test_add_func("/proxy-settings/trusted-clients", test_trusted_clients);
    g_test_add_func("/proxy-settings/role", test_role);
    g_test_add_func("/proxy-settings/client-share", test_client_share);
    return g_test_run();
}
