#include "proxy/settings/settings.h"

#include <string.h>

#include "base/configuration.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/option.h"
#include "proxy/settings/groups.h"
#include "wire/ehlo.h"

#define DEFAULT_SHARES 4 /* so many clients can take all memory for messages */

/* A 250 for what no back-end took would be a lie: only a milter can discard. name: NULL for [policy] itself.
 */
static gboolean check_policy(const PosternPolicyOptions *policy, const char *name, GError **error)
{
    gsize length;
    const PosternOption *options = postern_configuration_options(&length);
    for (gsize i = 0; i < length; i++) {
        const PosternOption *option = &options[i];
        if (!g_str_equal(option->group, "policy") || option->type != POSTERN_OPTION_CHOICE)
            continue;
        const char *value =
            (const char *)policy + (option->offset - G_STRUCT_OFFSET(PosternConfiguration, policy));
        if (*(const guint *)(gconstpointer)value != POSTERN_ACTION_DISCARD)
            continue;
        return postern_error_set(
            error, POSTERN_ERROR_CONFIGURATION,
            "[policy%s%s] %s: 'discard' is for the milter alone; the proxy cannot discard what it has "
            "answered for: use reject, tempfail, quarantine, mark or accept",
            name != NULL ? " " : "", name != NULL ? name : "", option->key);
    }
    return TRUE;
}

static gboolean check_actions(const PosternConfiguration *configuration, GError **error)
{
    if (!check_policy(&configuration->policy, NULL, error))
        return FALSE;
    GHashTableIter iterator;
    gpointer name, policy;
    g_hash_table_iter_init(&iterator, configuration->policies);
    while (g_hash_table_iter_next(&iterator, &name, &policy))
        if (!check_policy(policy, name, error))
            return FALSE;
    return TRUE;
}

static void add_domain(GHashTable *domains, const char *domain)
{
    g_autofree char *path = g_strconcat("@", domain, NULL);
    g_autofree char *local_part = NULL;
    char *normal = NULL;
    postern_path_mailbox(path, &local_part, &normal);
    g_hash_table_add(domains, normal);
}

static guint thread_count(const PosternConfiguration *configuration)
{
    guint threads = configuration->proxy.threads;
    if (threads == 0)
        threads = g_get_num_processors();
    threads = MIN(threads, POSTERN_THREADS_MAX);
    /* A connection serves its own thread only: with fewer of them, they would move from thread to thread. */
    return MAX(1, MIN(threads, configuration->proxy.backend_connections));
}

static gboolean parse_keywords(PosternProxySettings *settings, GError **error)
{
    for (char **keyword = settings->configuration->proxy.discard_ehlo_keywords; *keyword != NULL; keyword++) {
        guint capability = postern_ehlo_capability(*keyword);
        if (capability == 0)
            return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                     "[proxy] discard_ehlo_keywords: '%s' is nothing that the proxy offers",
                                     *keyword);
        settings->discarded_capabilities |= capability;
    }
    return TRUE;
}

/* From any client. */
static gboolean takes_tls(const PosternConfiguration *configuration)
{
    return configuration->proxy.tls != POSTERN_TLS_OFF ||
           configuration->tls.submission > POSTERN_TLS_OFF + 1 ||
           configuration->tls.required_networks[0] != NULL || configuration->proxy.tls_listen[0] != NULL ||
           configuration->proxy.submission_tls_listen[0] != NULL;
}

PosternTls postern_proxy_settings_tls_level(const PosternProxySettings *settings,
                                            const PosternAddress *address, gboolean submission)
{
    const PosternConfiguration *configuration = settings->configuration;
    if (postern_networks_contain(settings->tls_required, address))
        return POSTERN_TLS_ENCRYPT;
    if (postern_networks_contain(settings->tls_excluded, address))
        return POSTERN_TLS_OFF;
    return submission && configuration->tls.submission > 0 ? configuration->tls.submission - 1
                                                           : configuration->proxy.tls;
}

PosternProxySettings *postern_proxy_settings_new(PosternConfiguration *configuration,
                                                 const PosternProxySettings *running, GError **error)
{
    g_autoptr(PosternProxySettings) settings = g_new0(PosternProxySettings, 1);
    settings->references = 1;
    settings->configuration = configuration;
    settings->budget = running != NULL ? postern_budget_ref(running->budget)
                                       : postern_budget_new(configuration->proxy.message_memory);
    settings->transfers =
        running != NULL ? postern_transfers_ref(running->transfers) : postern_transfers_new(settings->budget);
    settings->recipient_domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (char **domain = configuration->proxy.recipient_domains; *domain != NULL; domain++)
        add_domain(settings->recipient_domains, *domain);
    settings->trusted_clients = g_array_new(FALSE, FALSE, sizeof(PosternNetwork));
    postern_networks_add(settings->trusted_clients, configuration->proxy.trusted_clients);
    settings->screen = postern_screen_rules_new(configuration);
    settings->balancers = g_array_new(FALSE, FALSE, sizeof(PosternNetwork));
    postern_networks_add(settings->balancers, configuration->proxy.proxy_protocol);
    settings->late_balancers = g_array_new(FALSE, FALSE, sizeof(PosternNetwork));
    postern_networks_add(settings->late_balancers, configuration->proxy.proxy_protocol_late);
    settings->tls_required = g_array_new(FALSE, FALSE, sizeof(PosternNetwork));
    postern_networks_add(settings->tls_required, configuration->tls.required_networks);
    settings->tls_excluded = g_array_new(FALSE, FALSE, sizeof(PosternNetwork));
    postern_networks_add(settings->tls_excluded, configuration->tls.excluded_networks);
    settings->threads = running != NULL ? running->threads : thread_count(configuration);
    settings->serial = running != NULL ? running->serial + 1 : 0;
    if (!check_actions(configuration, error) || !parse_keywords(settings, error))
        return NULL;
    if (takes_tls(configuration)) {
        settings->tls = postern_tls_context_new(configuration, running != NULL ? running->tls : NULL, error);
        if (settings->tls == NULL)
            return NULL;
    }
    settings->groups = postern_proxy_groups_new(settings, running, error);
    if (settings->groups == NULL || !postern_proxy_groups_read_routes(settings, error))
        return NULL;
    settings->policies = postern_policies_new(configuration, configuration->proxy.hostname,
                                              configuration->proxy.mode == POSTERN_MODE_OBSERVE, error);
    if (settings->policies == NULL)
        return NULL;
    settings->client_rules = postern_client_rules_new(configuration, error);
    if (settings->client_rules == NULL)
        return NULL;
    return g_steal_pointer(&settings);
}

gboolean postern_proxy_settings_trusts(const PosternProxySettings *settings, const PosternAddress *address)
{
    return postern_networks_contain(settings->trusted_clients, address);
}

/* What a message may hold: of one that can only be streamed, two bursts at least. */
static guint64 held_octets(const PosternConfiguration *configuration)
{
    guint64 memory = configuration->proxy.message_memory;
    if (configuration->proxy.message_size <= memory)
        return configuration->proxy.message_size;
    return MAX(memory / DEFAULT_SHARES, 2 * configuration->proxy.burst_size);
}

guint64 postern_proxy_settings_client_share(const PosternProxySettings *settings)
{
    const PosternConfiguration *configuration = settings->configuration;
    guint64 share = configuration->proxy.message_memory_per_client;
    if (share == 0)
        share = configuration->proxy.message_memory / DEFAULT_SHARES;
    return MAX(share, held_octets(configuration));
}

guint64 postern_proxy_settings_client_assured(const PosternProxySettings *settings)
{
    const PosternConfiguration *configuration = settings->configuration;
    guint64 message = held_octets(configuration);
    if (configuration->proxy.message_memory_per_client > 0)
        return postern_proxy_settings_client_share(settings);
    return message > configuration->proxy.message_memory / 2 ? message : POSTERN_BUDGET_ASSURED_OCTETS;
}

gboolean postern_proxy_settings_is_filter(const PosternProxySettings *settings)
{
    return settings->configuration->proxy.role == POSTERN_ROLE_BEFORE_QUEUE_FILTER;
}

void postern_proxy_settings_keep(PosternProxySettings *settings, PosternCapsuleStore *capsules,
                                 PosternCounters *counters)
{
    settings->counters = postern_counters_ref(counters);
    settings->capsules = capsules;
    if (capsules != NULL && settings->dump == NULL)
        settings->dump = postern_configuration_dump(settings->configuration);
}

void postern_proxy_settings_count_in(PosternProxySettings *settings, PosternClientTable *clients)
{
    postern_screen_rules_set_table(settings->screen, clients);
}

gboolean postern_proxy_settings_same_relaying(const PosternProxySettings *a, const PosternProxySettings *b)
{
    return a == b || (!postern_configuration_differs(a->configuration, b->configuration,
                                                     POSTERN_RELOAD_ENDS_SESSIONS) &&
                      postern_proxy_groups_tell_the_same(a->groups, b->groups));
}

PosternProxySettings *postern_proxy_settings_ref(PosternProxySettings *settings)
{
    g_atomic_int_inc(&settings->references);
    return settings;
}

void postern_proxy_settings_unref(PosternProxySettings *settings)
{
    if (settings == NULL || !g_atomic_int_dec_and_test(&settings->references))
        return;
    g_clear_pointer(&settings->screen, postern_screen_rules_free);
    g_clear_pointer(&settings->client_rules, postern_client_rules_free);
    g_clear_pointer(&settings->configuration, postern_configuration_free);
    g_clear_pointer(&settings->policies, postern_policies_unref);
    g_clear_pointer(&settings->trusted_clients, g_array_unref);
    g_clear_pointer(&settings->balancers, g_array_unref);
    g_clear_pointer(&settings->late_balancers, g_array_unref);
    g_clear_pointer(&settings->groups, g_ptr_array_unref);
    g_clear_pointer(&settings->former_groups, g_ptr_array_unref);
    g_clear_pointer(&settings->routes, postern_routes_free);
    g_clear_pointer(&settings->transfers, postern_transfers_unref);
    g_clear_pointer(&settings->budget, postern_budget_unref);
    g_clear_pointer(&settings->dump, g_free);
    g_clear_pointer(&settings->tls_required, g_array_unref);
    g_clear_pointer(&settings->tls_excluded, g_array_unref);
    g_clear_pointer(&settings->tls, postern_tls_context_unref);
    g_clear_pointer(&settings->counters, postern_counters_unref);
    g_clear_pointer(&settings->recipient_domains, g_hash_table_unref);
    g_free(settings);
}
