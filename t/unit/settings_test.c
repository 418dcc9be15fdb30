#include "proxy/settings.h"

#include <string.h>

#include "base/limits.h"

static PosternProxySettings *settings_from(const char *text)
{
    g_autofree char *file = g_strdup_printf("[proxy]\nhostname = mx.test\n%s\n", text);
    g_autoptr(GError) error = NULL;
    PosternConfiguration *configuration = postern_configuration_parse(file, strlen(file), "test", &error);
    g_assert_no_error(error);
    PosternProxySettings *settings = postern_proxy_settings_new(configuration, NULL, &error);
    g_assert_no_error(error);
    return settings;
}

static void test_backend(void)
{
    static const struct {
        const char *line;
        const char *address;
        guint port;
    } cases[] = {
        {"backend = 127.0.0.1:10025", "127.0.0.1", 10025},
        {"backend = [::1]:25", "::1", 25},
        {"backend = [::ffff:127.0.0.1]:65535", "127.0.0.1", 65535},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(PosternProxySettings) settings = settings_from(cases[i].line);
        const PosternServerSettings *server = g_ptr_array_index(settings->servers, 0);
        g_autofree char *address = postern_address_to_string(&server->address);
        g_assert_cmpstr(address, ==, cases[i].address);
        g_assert_cmpuint(server->address.port, ==, cases[i].port);
    }
}

/* What the configuration itself might have let through. */
static void test_bad_backend(void)
{
    static const char *const texts[] = {
        "",        "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",  "127.0.0.1:65536", ":25",
        "[::1:25", "[]:25",     "[:25",       "mail.test:25", "127.0.0.1:25x",   "[::1]"};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        PosternConfiguration *configuration = postern_configuration_new();
        g_autoptr(GError) error = NULL;
        g_free(configuration->proxy.backend);
        configuration->proxy.backend = g_strdup(texts[i]);
        PosternProxySettings *settings = postern_proxy_settings_new(configuration, NULL, &error);
        g_assert_null(settings);
        g_assert_nonnull(error);
    }
}

static void test_recipient_domains(void)
{
    g_autoptr(PosternProxySettings) settings = settings_from("recipient_domains = Example.ORG; y.test");
    g_assert_cmpuint(g_hash_table_size(settings->recipient_domains), ==, 2);
    g_assert_true(g_hash_table_contains(settings->recipient_domains, "example.org"));
    g_assert_true(g_hash_table_contains(settings->recipient_domains, "y.test"));
    g_autoptr(PosternProxySettings) none = settings_from("");
    g_assert_cmpuint(g_hash_table_size(none->recipient_domains), ==, 0);
}

/* A connection serves one thread: never more threads than there are connections. */
static void test_threads(void)
{
    g_autoptr(PosternProxySettings) few = settings_from("threads = 8\nbackend_connections = 3");
    g_assert_cmpuint(few->threads, ==, 3);
    g_autoptr(PosternProxySettings) given = settings_from("threads = 2");
    g_assert_cmpuint(given->threads, ==, 2);
    g_autoptr(PosternProxySettings) initial = settings_from("threads = 0");
    g_assert_true(initial->threads >= 1 && initial->threads <= POSTERN_THREADS_MAX);
}

/* A reload keeps the budget that messages under way are charged to; old settings live as long as they are
 * used. What was found out of the servers is forgotten only if something that it hangs on is new. */
static void test_reload(void)
{
    g_autoptr(PosternProxySettings) old = settings_from("");
    g_autoptr(GError) error = NULL;
    g_assert_true(postern_budget_reserve(old->budget, 1000));
    g_autoptr(PosternProxySettings) fresh =
        postern_proxy_settings_new(postern_configuration_new(), old, &error);
    g_assert_no_error(error);
    g_assert_true(fresh->budget == old->budget);
    g_clear_pointer(&old, postern_proxy_settings_unref);
    g_assert_cmpuint(postern_budget_used(fresh->budget), ==, 1000);
    postern_budget_release(fresh->budget, 1000);
    g_autoptr(PosternProxySettings) again = postern_proxy_settings_ref(fresh);
    g_assert_true(again == fresh);
    g_assert_cmpuint(fresh->generation, ==, 1); /* another hostname */
    g_autoptr(PosternProxySettings) same =
        postern_proxy_settings_new(postern_configuration_new(), fresh, &error);
    g_assert_cmpuint(same->generation, ==, 1);
    g_assert_cmpuint(same->threads, ==, fresh->threads);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settings/backend", test_backend);
    g_test_add_func("/settings/bad-backend", test_bad_backend);
    g_test_add_func("/settings/recipient-domains", test_recipient_domains);
    g_test_add_func("/settings/threads", test_threads);
    g_test_add_func("/settings/reload", test_reload);
    return g_test_run();
}
