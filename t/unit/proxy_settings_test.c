#include "proxy/settings.h"

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
        g_assert_cmpstr(postern_action_name(settings->policy->virus), ==, actions[i]);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/proxy-settings/discard", test_discard);
    g_test_add_func("/proxy-settings/other-actions", test_other_actions);
    return g_test_run();
}
