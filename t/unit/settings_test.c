#include "proxy/settings/settings.h"

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

static const PosternProxyGroup *group_of(const PosternProxySettings *settings)
{
    return g_ptr_array_index(settings->groups, 0);
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
        const PosternServerSettings *server = g_ptr_array_index(group_of(settings)->settings.servers, 0);
        g_autofree char *address = postern_address_to_string(&server->address);
        g_assert_cmpstr(address, ==, cases[i].address);
        g_assert_cmpuint(server->address.port, ==, cases[i].port);
    }
}

/* What the configuration itself might have let through. */
static void test_bad_backend(void)
{
    static const char *const texts[] = {
        "",        "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",   "127.0.0.1:65536", ":25",
        "[::1:25", "[]:25",     "[:25",       "mail..test:25", "127.0.0.1:25x",   "[::1]"};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        PosternConfiguration *configuration = postern_configuration_new();
        g_autoptr(GError) error = NULL;
        g_free(configuration->proxy.backend[0]);
        configuration->proxy.backend[0] = g_strdup(texts[i]);
        PosternProxySettings *settings = postern_proxy_settings_new(configuration, NULL, &error);
        g_assert_null(settings);
        g_assert_nonnull(error);
    }
}

static const PosternServerSettings *server_of(const PosternProxySettings *settings, guint group, guint server)
{
    const PosternProxyGroup *of = g_ptr_array_index(settings->groups, group);
    return g_ptr_array_index(of->settings.servers, server);
}

static void test_groups(void)
{
    g_autoptr(PosternProxySettings) settings = settings_from(
        "backend = 192.0.2.1:25 weight=3; 192.0.2.2:25 limit=7 backup; 192.0.2.3:25 drain\n"
        "backend_connections = 20\n"
        "[servers]\nbalance = client\n"
        "[servers one]\naddress = [2001:db8::1]:25\nlimit = 5\nclient_address = none\n"
        "[servers two]\naddress = 192.0.2.1:26\nbalance = round_robin\n[proxy]\nrecipient_domains = y.test");
    g_assert_cmpuint(settings->groups->len, ==, 3);
    static const struct {
        guint group, server;
        PosternServerSettings settings;
    } rows[] = {
        {0, 0, {.weight = 3, .limit = 20}},
        {0, 1, {.weight = 1, .limit = 7, .backup = TRUE}},
        {0, 2, {.weight = 1, .limit = 20, .drain = TRUE}},
        {1, 0, {.weight = 1, .limit = 5}},
        {2, 0, {.weight = 1, .limit = 20}},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const PosternServerSettings *server = server_of(settings, rows[i].group, rows[i].server);
        g_assert_cmpuint(server->weight, ==, rows[i].settings.weight);
        g_assert_cmpuint(server->limit, ==, rows[i].settings.limit);
        g_assert_cmpint(server->backup, ==, rows[i].settings.backup);
        g_assert_cmpint(server->drain, ==, rows[i].settings.drain);
    }
    const PosternProxyGroup *const *groups = (const PosternProxyGroup *const *)settings->groups->pdata;
    g_assert_cmpstr(groups[0]->name, ==, "default");
    g_assert_cmpint(groups[0]->settings.balance, ==, POSTERN_BALANCE_CLIENT);
    g_assert_cmpstr(groups[1]->name, ==, "one");
    g_assert_cmpint(groups[1]->client_address, ==, POSTERN_CLIENT_ADDRESS_NONE);
    g_assert_cmpint(groups[1]->settings.balance, ==, POSTERN_BALANCE_CLIENT);
    g_assert_cmpint(groups[2]->client_address, ==, POSTERN_CLIENT_ADDRESS_XCLIENT);
    g_assert_cmpint(groups[2]->settings.balance, ==, POSTERN_BALANCE_ROUND_ROBIN);
    g_assert_cmpuint(groups[1]->settings.number, !=, groups[2]->settings.number);
}

/* Other servers alone leave what was found out of those that stay; another way to tell of clients does not,
 * for that group. */
static void test_reload_of_groups(void)
{
    static const char before[] =
        "[servers one]\naddress = 192.0.2.1:25\n[servers two]\naddress = 192.0.2.2:25";
    static const char after[] =
        "[proxy]\nhostname = mx.test\n[servers one]\naddress = 192.0.2.1:25; "
        "192.0.2.9:25\n[servers two]\naddress = 192.0.2.2:25\nclient_address = proxy-v2\n"
        "[servers three]\naddress = 192.0.2.3:25\n";
    g_autoptr(GError) error = NULL;
    g_autoptr(PosternProxySettings) old = settings_from(before);
    g_autoptr(PosternProxySettings) fresh = postern_proxy_settings_new(
        postern_configuration_parse(after, strlen(after), "test", &error), old, &error);
    g_assert_no_error(error);
    const PosternProxyGroup *const *groups = (const PosternProxyGroup *const *)fresh->groups->pdata;
    const PosternProxyGroup *const *olds = (const PosternProxyGroup *const *)old->groups->pdata;
    g_assert_true(groups[0]->servers == olds[0]->servers);
    g_assert_true(groups[1]->servers == olds[1]->servers);
    g_assert_cmpuint(groups[1]->settings.generation, ==, 0);
    g_assert_cmpuint(groups[1]->settings.serial, ==, 1);
    g_assert_cmpstr(groups[3]->name, ==, "two");
    g_assert_true(groups[3]->servers == olds[2]->servers);
    g_assert_cmpuint(groups[3]->settings.generation, ==, 1);
    g_assert_cmpuint(groups[2]->settings.number, ==, 3);
    g_assert_false(postern_proxy_settings_same_relaying(old, fresh));
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
    g_assert_cmpuint(group_of(fresh)->settings.generation, ==, 1); /* another hostname */
    g_autoptr(PosternProxySettings) same =
        postern_proxy_settings_new(postern_configuration_new(), fresh, &error);
    g_assert_cmpuint(group_of(same)->settings.generation, ==, 1);
    g_assert_cmpuint(same->threads, ==, fresh->threads);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/settings/backend", test_backend);
    g_test_add_func("/settings/bad-backend", test_bad_backend);
    g_test_add_func("/settings/groups", test_groups);
    g_test_add_func("/settings/reload-of-groups", test_reload_of_groups);
    g_test_add_func("/settings/recipient-domains", test_recipient_domains);
    g_test_add_func("/settings/threads", test_threads);
    g_test_add_func("/settings/reload", test_reload);
    return g_test_run();
}
