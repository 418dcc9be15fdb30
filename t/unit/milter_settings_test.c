#include "milter/settings.h"

#include <string.h>

static void test_receiver(void)
{
    static const struct {
        const char *configuration;
        const char *server;
        const char *receiver; /* NULL: that of the machine, or what stands for it */
    } rows[] = {
        {"", "mx.example.org", "mx.example.org"},
        {"", "MX", "MX"},
        {"", NULL, NULL},
        {"", "", NULL},
        {"", "mx.example.org; dkim=pass", NULL},
        {"", "mx example.org", NULL},
        {"", "\xff", NULL},
        {"[milter]\nhostname = filter.example\n", "mx.example.org", "filter.example"},
        {"[proxy]\nhostname = proxy.example\n", "mx.example.org", "proxy.example"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        PosternConfiguration *configuration =
            postern_configuration_parse(rows[i].configuration, strlen(rows[i].configuration), "test", &error);
        g_assert_no_error(error);
        g_autoptr(PosternMilterSettings) settings = postern_milter_settings_new(configuration, NULL, &error);
        g_assert_no_error(error);
        const char *expected = rows[i].receiver != NULL ? rows[i].receiver : settings->receiver;
        g_test_message("case %" G_GSIZE_FORMAT, i);
        g_assert_cmpstr(postern_milter_settings_receiver(settings, rows[i].server), ==, expected);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/milter-settings/receiver", test_receiver);
    return g_test_run();
}
