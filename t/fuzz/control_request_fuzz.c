#include "proxy/screen/report.h"

#include "split.h"

#include <string.h>

#define NOW 1000000

/* Requests, one a line, to one table. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char text[] = "[screen]\nmax_clients = 1000\n";
    g_autofree char *requests = g_strndup((const char *)data, size);
    g_auto(GStrv) lines = g_strsplit(requests, "\n", 100);
    PosternConfiguration *configuration = postern_configuration_parse(text, strlen(text), "fuzz", NULL);
    g_autoptr(PosternClientTable) table = postern_client_table_new(configuration);
    PosternScreenRules *rules = postern_screen_rules_new(configuration);
    postern_screen_rules_set_table(rules, table);
    for (char **line = lines; *line != NULL; line++) {
        g_autoptr(GString) out = g_string_new(NULL);
        (void)postern_report(table, rules, *line, NOW, out);
        g_assert_true(g_str_has_suffix(out->str, "\n"));
    }
    postern_screen_rules_free(rules);
    postern_configuration_free(configuration);
    return 0;
}
