#include "base/configuration.h"

#include <string.h>

#include "base/configuration/private.h"
#include "base/option.h"

#define RESTARTS                                                                                             \
    (POSTERN_RELOAD_RESTARTS_PROXY | POSTERN_RELOAD_RESTARTS_MILTER | POSTERN_RELOAD_RESTARTS_INSPECTOR)

static const char *const samples[] = {"yes",
                                      "no",
                                      "3",
                                      "json",
                                      "600ms",
                                      "2M",
                                      "600M",
                                      "0600",
                                      "inet:1@127.0.0.1",
                                      "192.0.2.7",
                                      "other.example",
                                      "joe@other.example",
                                      "/other/place",
                                      "127.0.0.1:7",
                                      "xforward",
                                      "before_queue_filter",
                                      "always",
                                      "observe",
                                      "repair",
                                      "other",
                                      "warning",
                                      "libspf2",
                                      "stop_first",
                                      "encrypt",
                                      "TLSv1.3",
                                      "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
                                      "all",
                                      "abuse",
                                      "spf",
                                      "accept",
                                      "tempfail",
                                      "reject",
                                      "nobody",
                                      "127.0.0.3",
                                      "2000",
                                      "23",
                                      "early_talker=3",
                                      "close",
                                      "end",
                                      "round_robin"};

/* Another value than the default, of those that the row takes. */
static void change(PosternConfiguration *configuration, const PosternOption *option)
{
    gpointer place = G_STRUCT_MEMBER_P(configuration, option->offset);
    g_autofree char *before = postern_configuration_value_text(place, option);
    for (gsize i = 0; i < G_N_ELEMENTS(samples); i++) {
        if (!postern_configuration_value_set(place, option, samples[i], NULL))
            continue;
        g_autofree char *after = postern_configuration_value_text(place, option);
        if (!g_str_equal(before, after))
            return;
    }
    g_error("no sample is a value of [%s] %s", option->group, option->key);
}

/* Every row: what it says is what happens, and it is named. */
static void test_every_row(void)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    for (gsize i = 0; i < length; i++) {
        const PosternOption *option = &options[i];
        g_autoptr(PosternConfiguration) running = postern_configuration_new();
        g_autoptr(PosternConfiguration) wanted = postern_configuration_new();
        change(wanted, option);
        for (guint program = POSTERN_RELOAD_RESTARTS_PROXY; program <= POSTERN_RELOAD_RESTARTS_INSPECTOR;
             program <<= 1) {
            g_autoptr(GError) error = NULL;
            gboolean can = postern_configuration_can_reload(running, wanted, program, &error);
            g_assert_cmpint(can, ==, (option->reload & program) == 0);
            if (!can) {
                g_autofree char *text =
                    g_strdup_printf("a new [%s] %s needs a restart", option->group, option->key);
                g_assert_cmpstr(error->message, ==, text);
            }
        }
        g_assert_cmpint(postern_configuration_differs(running, wanted, POSTERN_RELOAD_ENDS_SESSIONS), ==,
                        (option->reload & POSTERN_RELOAD_ENDS_SESSIONS) != 0);
    }
}

static void test_all_are_named(void)
{
    g_autoptr(PosternConfiguration) running = postern_configuration_new();
    g_autoptr(PosternConfiguration) wanted = postern_configuration_new();
    g_autoptr(GError) error = NULL;
    wanted->dns.timeout_ms++;
    wanted->proxy.threads++;
    wanted->inspector.scan_timeout_ms++;
    g_assert_false(postern_configuration_can_reload(running, wanted, RESTARTS, &error));
    g_assert_cmpstr(error->message, ==, "a new [proxy] threads, [dns] timeout need a restart");
}

static void test_same(void)
{
    g_autoptr(PosternConfiguration) running = postern_configuration_new();
    g_autoptr(PosternConfiguration) wanted = postern_configuration_new();
    g_assert_true(postern_configuration_can_reload(running, wanted, RESTARTS, NULL));
    g_assert_false(postern_configuration_differs(running, wanted, RESTARTS | POSTERN_RELOAD_ENDS_SESSIONS));
}

/* What a program reads at its start alone. */
static const struct {
    const char *group;
    const char *key;
    guint reload;
} rows[] = {
    {"dns", "cache", POSTERN_RELOAD_RESTARTS_PROXY | POSTERN_RELOAD_RESTARTS_MILTER},
    {"proxy", "listen", POSTERN_RELOAD_RESTARTS_PROXY},
    {"proxy", "backend_wait", 0},
    {"proxy", "routes", POSTERN_RELOAD_ENDS_SESSIONS},
    {"proxy", "backend_idle", 0},
    {"proxy", "client_address", POSTERN_RELOAD_ENDS_SESSIONS | POSTERN_RELOAD_TRIES_BACKEND},
    {"proxy", "trusted_clients", POSTERN_RELOAD_ENDS_SESSIONS | POSTERN_RELOAD_TRIES_BACKEND},
    {"proxy", "hostname", POSTERN_RELOAD_TRIES_BACKEND},
    {"milter", "timeout", POSTERN_RELOAD_RESTARTS_MILTER},
    {"inspector", "temporary_directory", POSTERN_RELOAD_RESTARTS_INSPECTOR},
    {"policy", "virus", 0},
};

static void test_rows(void)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    guint found = 0;
    for (gsize i = 0; i < length; i++)
        for (gsize j = 0; j < G_N_ELEMENTS(rows); j++)
            if (g_str_equal(options[i].group, rows[j].group) && g_str_equal(options[i].key, rows[j].key)) {
                g_assert_cmpuint(options[i].reload, ==, rows[j].reload);
                found++;
            }
    g_assert_cmpuint(found, ==, G_N_ELEMENTS(rows));
}

/* The manual and the example file say it of each row. */
static void test_it_is_documented(void)
{
    g_autoptr(PosternConfiguration) configuration = postern_configuration_new();
    g_autofree char *manual = postern_configuration_document();
    g_autofree char *dump = postern_configuration_dump(configuration);
    g_assert_nonnull(strstr(manual, "default: 32M; needs a restart.\n"));
    g_assert_nonnull(strstr(manual, "default: xclient; a reload takes it, and lets clients go.\n"));
    g_assert_nonnull(strstr(dump, "default: 32M; needs a restart)\n"));
    g_assert_nonnull(strstr(dump, "default: 5m; a reload takes it)\nbackend_timeout"));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/configuration-reload/every-row", test_every_row);
    g_test_add_func("/configuration-reload/all-are-named", test_all_are_named);
    g_test_add_func("/configuration-reload/same", test_same);
    g_test_add_func("/configuration-reload/rows", test_rows);
    g_test_add_func("/configuration-reload/documented", test_it_is_documented);
    return g_test_run();
}
