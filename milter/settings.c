#include "milter/settings.h"

#include "base/configuration/check.h"

PosternMilterSettings *postern_milter_settings_new(PosternConfiguration *configuration, PosternBudget *budget,
                                                   GError **error)
{
    const char *hostname = configuration->milter.hostname;
    g_autoptr(PosternMilterSettings) settings = g_new0(PosternMilterSettings, 1);
    settings->references = 1;
    settings->configuration = configuration;
    settings->observe = configuration->milter.mode == POSTERN_MODE_OBSERVE;
    settings->by_recipient = configuration->clients.recipients[0] != '\0';
    settings->policies =
        postern_policies_new(configuration, hostname[0] != '\0' ? hostname : NULL, settings->observe, error);
    if (settings->policies == NULL)
        return NULL;
    settings->client_rules = postern_client_rules_new(configuration, error);
    if (settings->client_rules == NULL)
        return NULL;
    settings->receiver = postern_policies_of(settings->policies, POSTERN_CLIENT_OTHER, NULL)->authserv_id;
    settings->receiver_is_server = hostname[0] == '\0' && configuration->proxy.hostname_of_machine;
    settings->budget = budget != NULL ? postern_budget_ref(budget)
                                      : postern_budget_new(configuration->milter.message_memory);
    return g_steal_pointer(&settings);
}

const char *postern_milter_settings_receiver(const PosternMilterSettings *settings, const char *server)
{
    gboolean by_server =
        settings->receiver_is_server && server != NULL && postern_configuration_check_domain(server, NULL);
    return by_server ? server : settings->receiver;
}

void postern_milter_settings_keep(PosternMilterSettings *settings, PosternCapsuleStore *capsules,
                                  PosternCounters *counters)
{
    settings->counters = postern_counters_ref(counters);
    settings->capsules = capsules;
    if (capsules != NULL && settings->dump == NULL)
        settings->dump = postern_configuration_dump(settings->configuration);
}

PosternMilterSettings *postern_milter_settings_ref(PosternMilterSettings *settings)
{
    g_atomic_int_inc(&settings->references);
    return settings;
}

void postern_milter_settings_unref(PosternMilterSettings *settings)
{
    if (settings == NULL || !g_atomic_int_dec_and_test(&settings->references))
        return;
    g_clear_pointer(&settings->client_rules, postern_client_rules_free);
    g_clear_pointer(&settings->configuration, postern_configuration_free);
    g_clear_pointer(&settings->policies, postern_policies_unref);
    g_clear_pointer(&settings->budget, postern_budget_unref);
    g_clear_pointer(&settings->dump, g_free);
    g_clear_pointer(&settings->counters, postern_counters_unref);
    g_free(settings);
}
