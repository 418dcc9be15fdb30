#include "milter/settings.h"

PosternMilterSettings *postern_milter_settings_new(PosternConfiguration *configuration, PosternBudget *budget)
{
    const char *hostname = configuration->milter.hostname;
    PosternMilterSettings *settings = g_atomic_rc_box_new0(PosternMilterSettings);
    settings->configuration = configuration;
    settings->policy =
        postern_policy_from_configuration(configuration, hostname[0] != '\0' ? hostname : NULL);
    settings->policy->observe = configuration->milter.mode == POSTERN_MODE_OBSERVE;
    settings->budget = budget != NULL ? postern_budget_ref(budget)
                                      : postern_budget_new(configuration->milter.message_memory);
    return settings;
}

PosternMilterSettings *postern_milter_settings_ref(PosternMilterSettings *settings)
{
    return g_atomic_rc_box_acquire(settings);
}

static void clear(gpointer data)
{
    PosternMilterSettings *settings = data;
    g_clear_pointer(&settings->configuration, postern_configuration_free);
    g_clear_pointer(&settings->policy, postern_policy_free);
    g_clear_pointer(&settings->budget, postern_budget_unref);
}

void postern_milter_settings_unref(PosternMilterSettings *settings)
{
    if (settings != NULL)
        g_atomic_rc_box_release_full(settings, clear);
}
