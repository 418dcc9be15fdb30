#include "inspector/offline.h"

#include <stdio.h>

#include "base/error.h"
#include "base/privileges.h"
#include "checks/rules/engine.h"
#include "daemon/directory.h"

gboolean postern_offline_check_rules(const PosternConfiguration *configuration, GError **error)
{
    const PosternRulesOptions options = {.file = configuration->content.rules,
                                         .defaults = configuration->content.default_rules,
                                         .policies = configuration->policies};
    g_autoptr(PosternRulesEngine) engine = postern_rules_engine_new(&options, error);
    return engine != NULL;
}

PosternSignEngine *postern_offline_load_keys(const char *table, GError **error)
{
    g_autoptr(GPtrArray) warnings = g_ptr_array_new_with_free_func(g_free);
    PosternSignEngine *engine = postern_sign_engine_new(table, warnings, error);
    for (guint i = 0; i < warnings->len; i++)
        g_printerr("postern-inspector: %s\n", (const char *)g_ptr_array_index(warnings, i));
    return engine;
}

gboolean postern_offline_print_keys(const char *table, GError **error)
{
    if (table == NULL || table[0] == '\0')
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                 "[sign] table is empty: there are no keys");
    g_autoptr(PosternSignEngine) engine = postern_offline_load_keys(table, error);
    if (engine == NULL)
        return FALSE;
    g_autofree char *records = postern_sign_engine_records(engine);
    printf("%s", records);
    return TRUE;
}

gboolean postern_offline_check_signatures(const PosternConfiguration *configuration, GError **error)
{
    const PosternVirusOptions options = {.database = configuration->virus.database,
                                         .scan_octets = configuration->virus.scan_octets,
                                         .temporary_directory = postern_directory_temporary(configuration)};
    g_autofree char *warning = NULL;
    guint signatures = 0;
    const char *user = postern_privileges_user("inspector", configuration->inspector.user);
    if (!postern_privileges_drop(user, error))
        return FALSE;
    g_autoptr(PosternVirusEngine) engine = postern_virus_engine_new(&options, &signatures, &warning, error);
    if (warning != NULL)
        printf("%s\n", warning);
    return engine != NULL;
}
