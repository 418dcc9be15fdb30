#include "proxy/settings/groups.h"

#include "base/error.h"
#include "base/option.h"

static void free_server(gpointer server)
{
    postern_server_settings_free(server);
}

static void free_group(gpointer data)
{
    PosternProxyGroup *group = data;
    if (group == NULL)
        return;
    g_clear_pointer(&group->settings.servers, g_ptr_array_unref);
    g_free(group->name);
    postern_tls_context_unref(group->tls);
    postern_server_group_unref(group->servers);
    g_free(group);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternProxyGroup, free_group)

static const PosternProxyGroup *find(const GPtrArray *groups, const char *name)
{
    for (guint i = 0; i < groups->len; i++) {
        const PosternProxyGroup *group = g_ptr_array_index(groups, i);
        if (g_str_equal(group->name, name))
            return group;
    }
    return NULL;
}

static GPtrArray *parse_servers(char **texts, guint limit, GError **error)
{
    g_autoptr(GPtrArray) servers = g_ptr_array_new_with_free_func(free_server);
    for (char **text = texts; *text != NULL; text++) {
        PosternServerSettings *server = postern_server_settings_new(*text, limit, error);
        if (server == NULL)
            return NULL;
        g_ptr_array_add(servers, server);
    }
    return g_steal_pointer(&servers);
}

/* What was found out of its servers under before holds under group. */
static gboolean asks_the_same(const PosternProxySettings *settings, const PosternProxySettings *running,
                              const PosternProxyGroup *group, const PosternProxyGroup *before)
{
    return group->client_address == before->client_address && group->software == before->software &&
           postern_tls_servers_equal(&group->tls_servers, &before->tls_servers) &&
           g_str_equal(group->probe_recipient, before->probe_recipient) &&
           !postern_configuration_differs(settings->configuration, running->configuration,
                                          POSTERN_RELOAD_TRIES_BACKEND);
}

/* One that comes back has the connections that its clients kept: they count against its servers' limits. */
static void go_on_from(PosternProxySettings *settings, const PosternProxySettings *running,
                       PosternProxyGroup *group)
{
    const PosternProxyGroup *before = running != NULL ? find(running->groups, group->name) : NULL;
    const PosternProxyGroup *former = running != NULL ? find(running->former_groups, group->name) : NULL;
    gboolean is_back = before == NULL && former != NULL;
    if (is_back)
        before = former;
    group->settings.serial = settings->serial;
    if (before == NULL) {
        group->settings.number = settings->groups_made++;
        group->servers = postern_server_group_new(&group->settings);
        return;
    }
    group->settings.number = before->settings.number;
    group->settings.generation =
        before->settings.generation + (is_back || !asks_the_same(settings, running, group, before));
    group->servers = postern_server_group_ref(before->servers);
}

static gboolean check_dane(const PosternConfiguration *configuration, const PosternProxyGroup *group,
                           GError **error)
{
    const PosternTlsServers *servers = &group->tls_servers;
    if (servers->level < POSTERN_TLS_DANE)
        return TRUE;
    if (servers->name[0] == '\0')
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                    "for DANE towards the servers of the group %s %s is needed, the name that has the TLSA "
                    "records",
                    group->name,
                    g_str_equal(group->name, POSTERN_DEFAULT_GROUP) ? "[tls] server_name"
                                                                    : "its tls_name, or [tls] server_name");
    else if (configuration->dns.trust_anchor_file[0] == '\0')
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                    "for DANE towards the servers of the group %s [dns] trust_anchor_file is needed, for "
                    "answers count only if DNSSEC vouches for them",
                    group->name);
    else
        return TRUE;
    return FALSE;
}

/* Groups that are dealt with in the same way have one context. */
static gboolean add_tls(PosternProxyGroup *group, const GPtrArray *groups,
                        const PosternConfiguration *configuration, GError **error)
{
    if (group->tls_servers.level == POSTERN_TLS_OFF)
        return TRUE;
    if (!check_dane(configuration, group, error))
        return FALSE;
    for (guint i = 0; i < groups->len && group->tls == NULL; i++) {
        const PosternProxyGroup *other = g_ptr_array_index(groups, i);
        if (postern_tls_servers_equal(&group->tls_servers, &other->tls_servers))
            group->tls = postern_tls_context_ref(other->tls);
    }
    if (group->tls == NULL)
        group->tls = postern_tls_context_new_for_servers(configuration, &group->tls_servers, error);
    return group->tls != NULL;
}

/* name: NULL is the default group. */
static gboolean add(GPtrArray *groups, PosternProxySettings *settings, const PosternProxySettings *running,
                    const char *name, const PosternServersOptions *options, GError **error)
{
    const PosternConfiguration *configuration = settings->configuration;
    g_autoptr(PosternProxyGroup) group = g_new0(PosternProxyGroup, 1);
    char **texts = name != NULL ? options->address : configuration->proxy.backend;
    guint limit =
        name != NULL && options->limit > 0 ? options->limit : configuration->proxy.backend_connections;
    group->name = g_strdup(name != NULL ? name : POSTERN_DEFAULT_GROUP);
    group->client_address = configuration->proxy.client_address;
    if (name != NULL && options->client_address > 0)
        group->client_address = options->client_address - 1;
    group->probe_recipient =
        name != NULL ? options->probe_recipient : configuration->proxy.relay_probe_recipient;
    group->settings.wait_ms = configuration->proxy.backend_wait_ms;
    group->settings.idle_ms = configuration->proxy.backend_idle_ms;
    group->settings.balance = options->balance;
    group->settings.slow_start_ms = options->slow_start_ms;
    group->settings.check_ms = options->check_ms;
    group->settings.refusals = options->refusals;
    group->settings.refusals_ms = options->refusals_ms;
    group->settings.servers = parse_servers(texts, limit, error);
    if (group->settings.servers == NULL) {
        g_prefix_error(error, name != NULL ? "[servers %s] address: " : "[proxy] backend: ", name);
        return FALSE;
    }
    group->software = options->software;
    group->tls_servers = postern_tls_servers_of(configuration, name != NULL ? options : NULL);
    if (!add_tls(group, groups, configuration, error))
        return FALSE;
    go_on_from(settings, running, group);
    group->place = groups->len;
    g_ptr_array_add(groups, g_steal_pointer(&group));
    return TRUE;
}

static PosternProxyGroup *copy_former(const PosternProxyGroup *group)
{
    PosternProxyGroup *former = g_new0(PosternProxyGroup, 1);
    former->name = g_strdup(group->name);
    former->settings.number = group->settings.number;
    former->settings.generation = group->settings.generation;
    former->servers = postern_server_group_ref(group->servers);
    return former;
}

/* Those of running that are gone, and of before that still have connections. */
static void keep_former(PosternProxySettings *settings, const PosternProxySettings *running,
                        const GPtrArray *groups)
{
    for (guint i = 0; i < running->groups->len; i++) {
        const PosternProxyGroup *group = g_ptr_array_index(running->groups, i);
        if (find(groups, group->name) == NULL)
            g_ptr_array_add(settings->former_groups, copy_former(group));
    }
    for (guint i = 0; i < running->former_groups->len; i++) {
        const PosternProxyGroup *group = g_ptr_array_index(running->former_groups, i);
        if (find(groups, group->name) == NULL && postern_server_group_used(group->servers) > 0)
            g_ptr_array_add(settings->former_groups, copy_former(group));
    }
}

GPtrArray *postern_proxy_groups_new(PosternProxySettings *settings, const PosternProxySettings *running,
                                    GError **error)
{
    const PosternConfiguration *configuration = settings->configuration;
    g_autoptr(GPtrArray) groups = g_ptr_array_new_with_free_func(free_group);
    g_autoptr(GPtrArray) names = postern_configuration_names(configuration, "servers");
    settings->groups_made = running != NULL ? running->groups_made : 0;
    if (!add(groups, settings, running, NULL, &configuration->servers, error))
        return NULL;
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        if (!add(groups, settings, running, name, g_hash_table_lookup(configuration->groups, name), error))
            return NULL;
    }
    settings->former_groups = g_ptr_array_new_with_free_func(free_group);
    if (running != NULL)
        keep_former(settings, running, groups);
    return g_steal_pointer(&groups);
}

/* Who is not told of the client takes all for us, and would relay whatever comes. */
static gboolean is_bounded(const PosternProxySettings *settings, const PosternProxyGroup *group,
                           GError **error)
{
    if (postern_client_address_is_judged(group->client_address) ||
        settings->configuration->proxy.role != POSTERN_ROLE_EDGE ||
        g_hash_table_size(settings->recipient_domains) > 0 ||
        !postern_routes_lead_all_to(settings->routes, group->place))
        return TRUE;
    return postern_error_set(
        error, POSTERN_ERROR_CONFIGURATION,
        "%s: '* %s' sends all mail to servers that are not told who the client is, and would be an "
        "open relay: "
        "name the domains, or set [proxy] recipient_domains or another client_address",
        settings->configuration->proxy.routes, group->name);
}

gboolean postern_proxy_groups_read_routes(PosternProxySettings *settings, GError **error)
{
    const char *path = settings->configuration->proxy.routes;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i < settings->groups->len; i++) {
        PosternProxyGroup *group = g_ptr_array_index(settings->groups, i);
        group->is_reached = path[0] == '\0' && i == 0;
        g_ptr_array_add(names, (gpointer)(guintptr)group->name);
    }
    g_ptr_array_add(names, NULL);
    if (path[0] == '\0')
        return TRUE;
    g_autoptr(GPtrArray) classes = postern_configuration_names(settings->configuration, "class");
    g_ptr_array_add(classes, NULL);
    settings->routes = postern_routes_load(path, (const char *const *)names->pdata,
                                           (const char *const *)classes->pdata, error);
    for (guint i = 0; i < settings->groups->len && settings->routes != NULL; i++) {
        PosternProxyGroup *group = g_ptr_array_index(settings->groups, i);
        group->is_reached = postern_routes_lead_to(settings->routes, i);
        if (!is_bounded(settings, group, error))
            return FALSE;
    }
    return settings->routes != NULL;
}

static guint64 limit_of(const PosternProxyGroup *group)
{
    guint64 limit = 0;
    for (guint i = 0; i < group->settings.servers->len; i++)
        limit += ((const PosternServerSettings *)g_ptr_array_index(group->settings.servers, i))->limit;
    return limit;
}

guint64 postern_proxy_groups_limit(const PosternProxySettings *settings)
{
    guint64 limit = 0;
    for (guint i = 0; i < settings->groups->len; i++)
        limit += limit_of(g_ptr_array_index(settings->groups, i));
    return limit;
}

/* What a connection to one promises a session holds for the other. */
static gboolean promises_the_same(const PosternProxyGroup *group, const PosternProxyGroup *other)
{
    return group->client_address == other->client_address &&
           postern_tls_servers_equal(&group->tls_servers, &other->tls_servers);
}

gboolean postern_proxy_groups_tell_the_same(const GPtrArray *groups, const GPtrArray *others)
{
    for (guint i = 0; i < groups->len; i++) {
        const PosternProxyGroup *group = g_ptr_array_index(groups, i);
        const PosternProxyGroup *other = find(others, group->name);
        if (other != NULL && !promises_the_same(group, other))
            return FALSE;
    }
    return TRUE;
}

gboolean postern_proxy_settings_suit(const PosternProxySettings *settings, const PosternProxySettings *other,
                                     const PosternProxyGroup *group)
{
    const PosternProxyGroup *own = find(settings->groups, group->name);
    return settings == other || (own != NULL && promises_the_same(own, group) &&
                                 !postern_configuration_differs(settings->configuration, other->configuration,
                                                                POSTERN_RELOAD_ENDS_SESSIONS));
}

const PosternProxyGroup *postern_proxy_settings_group(const PosternProxySettings *settings,
                                                      const PosternServerGroup *servers)
{
    for (guint i = 0; i < settings->groups->len; i++) {
        const PosternProxyGroup *group = g_ptr_array_index(settings->groups, i);
        if (group->servers == servers)
            return group;
    }
    return NULL;
}
