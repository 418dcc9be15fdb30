#include "proxy/settings.h"

#include <string.h>

#include "base/configuration.h"
#include "base/error.h"
#include "base/limits.h"

#define DEFAULT_SHARES 4 /* so many clients can take all memory for messages */

static void free_server(gpointer server)
{
    postern_server_settings_free(server);
}

static GPtrArray *parse_servers(const PosternConfiguration *configuration, GError **error)
{
    g_autoptr(GPtrArray) servers = g_ptr_array_new_with_free_func(free_server);
    PosternServerSettings *server = postern_server_settings_new(
        configuration->proxy.backend, 1, configuration->proxy.backend_connections, error);
    if (server == NULL) {
        g_prefix_error(error, "[proxy] backend: ");
        return NULL;
    }
    g_ptr_array_add(servers, server);
    return g_steal_pointer(&servers);
}

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
        g_set_error(
            error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
            "[policy%s%s] %s: 'discard' is for the milter alone; the proxy cannot discard what it has "
            "answered for: use reject, tempfail, quarantine, mark or accept",
            name != NULL ? " " : "", name != NULL ? name : "", option->key);
        return FALSE;
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
    g_autofree char *lower = g_ascii_strdown(domain, -1);
    gsize length = strlen(lower);
    if (length > 0 && lower[length - 1] == '.')
        lower[length - 1] = '\0';
    g_hash_table_add(domains, g_steal_pointer(&lower));
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

PosternProxySettings *postern_proxy_settings_new(PosternConfiguration *configuration,
                                                 const PosternProxySettings *running, GError **error)
{
    g_autoptr(PosternProxySettings) settings = g_new0(PosternProxySettings, 1);
    settings->references = 1;
    settings->configuration = configuration;
    settings->budget = running != NULL ? postern_budget_ref(running->budget)
                                       : postern_budget_new(configuration->proxy.message_memory);
    settings->recipient_domains = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    for (char **domain = configuration->proxy.recipient_domains; *domain != NULL; domain++)
        add_domain(settings->recipient_domains, *domain);
    settings->trusted_clients = g_array_new(FALSE, FALSE, sizeof(PosternNetwork));
    postern_networks_add(settings->trusted_clients, configuration->proxy.trusted_clients);
    settings->threads = running != NULL ? running->threads : thread_count(configuration);
    settings->generation =
        running != NULL ? running->generation + !postern_proxy_settings_same_backend(running, settings) : 0;
    if (!check_actions(configuration, error))
        return NULL;
    if (configuration->proxy.tls != POSTERN_TLS_OFF) {
        settings->tls = postern_tls_context_new(configuration, error);
        if (settings->tls == NULL)
            return NULL;
    }
    settings->servers = parse_servers(configuration, error);
    if (settings->servers == NULL)
        return NULL;
    settings->policies = postern_policies_new(configuration, configuration->proxy.hostname,
                                              configuration->proxy.mode == POSTERN_MODE_OBSERVE, error);
    if (settings->policies == NULL)
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

static gboolean is_same(const PosternProxySettings *a, const PosternProxySettings *b, guint reload)
{
    return a == b || !postern_configuration_differs(a->configuration, b->configuration, reload);
}

gboolean postern_proxy_settings_same_backend(const PosternProxySettings *a, const PosternProxySettings *b)
{
    return is_same(a, b, POSTERN_RELOAD_TRIES_BACKEND);
}

gboolean postern_proxy_settings_same_relaying(const PosternProxySettings *a, const PosternProxySettings *b)
{
    return is_same(a, b, POSTERN_RELOAD_ENDS_SESSIONS);
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
    g_clear_pointer(&settings->configuration, postern_configuration_free);
    g_clear_pointer(&settings->policies, postern_policies_unref);
    g_clear_pointer(&settings->trusted_clients, g_array_unref);
    g_clear_pointer(&settings->servers, g_ptr_array_unref);
    g_clear_pointer(&settings->budget, postern_budget_unref);
    g_clear_pointer(&settings->dump, g_free);
    g_clear_pointer(&settings->tls, postern_tls_context_unref);
    g_clear_pointer(&settings->counters, postern_counters_unref);
    g_clear_pointer(&settings->recipient_domains, g_hash_table_unref);
    g_free(settings);
}
