#include "base/configuration_cross_checks.h"

#include "base/configuration_trust.h"
#include "base/endpoint.h"
#include "base/suggestion.h"

static gboolean is_same_address(GInetAddress *listener, GInetAddress *backend)
{
    if (g_inet_address_equal(listener, backend))
        return TRUE;
    return g_inet_address_get_is_any(listener) && g_inet_address_get_is_loopback(backend) &&
           g_inet_address_get_family(listener) == g_inet_address_get_family(backend);
}

static gboolean is_same_endpoint(GInetSocketAddress *listener, GInetSocketAddress *backend)
{
    return g_inet_socket_address_get_port(listener) == g_inet_socket_address_get_port(backend) &&
           is_same_address(g_inet_socket_address_get_address(listener),
                           g_inet_socket_address_get_address(backend));
}

static gboolean is_loopback(GInetSocketAddress *endpoint)
{
    return g_inet_address_get_is_loopback(g_inet_socket_address_get_address(endpoint));
}

typedef struct {
    const PosternConfiguration *configuration;
    PosternDiagnostics *diagnostics;
    GInetSocketAddress *backend;
    GPtrArray *listeners; /* so far */
    gboolean all_loopback;
} Listening;

static void check_listener(Listening *listening, const char *key, const char *text)
{
    GInetSocketAddress *listener = postern_endpoint_parse(text, NULL);
    g_return_if_fail(listener != NULL);

    for (guint i = 0; i < listening->listeners->len; i++) {
        GInetSocketAddress *other = listening->listeners->pdata[i];
        if (g_inet_socket_address_get_port(other) == g_inet_socket_address_get_port(listener) &&
            g_inet_address_equal(g_inet_socket_address_get_address(other),
                                 g_inet_socket_address_get_address(listener)))
            postern_diagnostics_add(listening->diagnostics, "proxy", key, "'%s' stands there twice", text);
    }
    g_ptr_array_add(listening->listeners, listener);
    listening->all_loopback = listening->all_loopback && is_loopback(listener);
    if (is_same_endpoint(listener, listening->backend))
        postern_diagnostics_add(
            listening->diagnostics, "proxy", "backend",
            "'%s' is where the proxy itself listens ('%s'): mail would go round in a loop",
            listening->configuration->proxy.backend, text);
}

static void check_role(const PosternConfiguration *configuration, PosternDiagnostics *diagnostics)
{
    if (configuration->proxy.role == POSTERN_ROLE_BEFORE_QUEUE_FILTER) {
        if (configuration->proxy.trusted_clients[0] == NULL)
            postern_diagnostics_add(diagnostics, "proxy", "trusted_clients",
                                    "must name the mail servers that may connect: with role = "
                                    "before_queue_filter nobody else is let in");
    } else if (configuration->proxy.submission_listen[0] != NULL) {
        postern_diagnostics_add(
            diagnostics, "proxy", "submission_listen",
            "is for role = before_queue_filter alone: in front of the mail server, who has "
            "logged in is not known");
    }
}

static void check_listeners(const PosternConfiguration *configuration, PosternDiagnostics *diagnostics)
{
    g_autoptr(GInetSocketAddress) backend = postern_endpoint_parse(configuration->proxy.backend, NULL);
    g_autoptr(GPtrArray) listeners = g_ptr_array_new_with_free_func(g_object_unref);
    Listening listening = {configuration, diagnostics, backend, listeners, TRUE};

    g_return_if_fail(backend != NULL);
    for (char **listen = configuration->proxy.listen; *listen != NULL; listen++)
        check_listener(&listening, "listen", *listen);
    for (char **listen = configuration->proxy.submission_listen; *listen != NULL; listen++)
        check_listener(&listening, "submission_listen", *listen);
    postern_configuration_check_trust(configuration, listening.all_loopback, diagnostics);
    if (configuration->proxy.role == POSTERN_ROLE_BORDER &&
        configuration->proxy.client_address != POSTERN_CLIENT_ADDRESS_XCLIENT && !listening.all_loopback &&
        configuration->proxy.recipient_domains[0] == NULL)
        postern_diagnostics_add(
            diagnostics, "proxy", "recipient_domains",
            "must name your domains: with client_address = %s the back-end takes every client for "
            "the proxy, and would relay for strangers (or listen on loopback addresses alone)",
            configuration->proxy.client_address == POSTERN_CLIENT_ADDRESS_NONE ? "none" : "xforward");
}

static void check_policy_exists(const PosternConfiguration *configuration, const char *key, const char *name,
                                PosternDiagnostics *diagnostics)
{
    g_autoptr(GPtrArray) names = postern_configuration_policy_names(configuration);

    if (postern_configuration_policy(configuration, name) != NULL)
        return;
    g_ptr_array_add(names, NULL);
    const char *nearest = postern_suggestion_for_name(name, (const char *const *)names->pdata);
    if (nearest != NULL)
        postern_diagnostics_add(diagnostics, "clients", key,
                                "there is no group [policy %s] (did you mean '%s'?)", name, nearest);
    else
        postern_diagnostics_add(diagnostics, "clients", key, "there is no group [policy %s]", name);
}

/* name: NULL is [policy] itself. */
static void check_policy(const PosternConfiguration *configuration, const char *name,
                         PosternDiagnostics *diagnostics)
{
    const PosternPolicyOptions *policy = postern_configuration_policy(configuration, name);
    const char *const *checks = (const char *const *)policy->checks;
    g_autofree char *group = name != NULL ? g_strdup_printf("policy %s", name) : g_strdup("policy");

    if (g_strv_contains(checks, "dmarc") &&
        !(g_strv_contains(checks, "spf") && g_strv_contains(checks, "dkim")))
        postern_diagnostics_add(diagnostics, group, "checks",
                                "has dmarc, which is made of what spf and dkim find: name these too");
    /* What a policy only has from [policy] does no harm where it is of no use. */
    if (name == NULL && policy->trusted_sealers[0] != NULL &&
        !(g_strv_contains(checks, "arc") && g_strv_contains(checks, "dmarc")))
        postern_diagnostics_add(diagnostics, group, "trusted_sealers",
                                "override what dmarc finds by what arc finds: name both in checks");
    if (name == NULL && policy->sign && configuration->sign.table[0] == '\0')
        postern_diagnostics_add(diagnostics, group, "sign", "needs keys: [sign] table names none");
}

static void check_policies(const PosternConfiguration *configuration, PosternDiagnostics *diagnostics)
{
    g_autoptr(GPtrArray) names = postern_configuration_policy_names(configuration);

    check_policy(configuration, NULL, diagnostics);
    for (guint i = 0; i < names->len; i++)
        check_policy(configuration, names->pdata[i], diagnostics);
    check_policy_exists(configuration, "authenticated_policy", configuration->clients.authenticated_policy,
                        diagnostics);
    check_policy_exists(configuration, "own_networks_policy", configuration->clients.own_networks_policy,
                        diagnostics);
}

void postern_configuration_agree(const PosternConfiguration *configuration, PosternDiagnostics *diagnostics)
{
    check_listeners(configuration, diagnostics);
    check_role(configuration, diagnostics);
    check_policies(configuration, diagnostics);
    if (configuration->proxy.message_memory < configuration->proxy.message_size)
        postern_diagnostics_add(diagnostics, "proxy", "message_memory",
                                "is less than message_size: a message of that size could never be taken");
    if (configuration->milter.message_memory < configuration->milter.message_size)
        postern_diagnostics_add(diagnostics, "milter", "message_memory",
                                "is less than message_size: a message of that size could never be looked at");
    if (configuration->dns.answers[0] != '\0' && configuration->dns.servers[0] != NULL)
        postern_diagnostics_add(
            diagnostics, "dns", "answers",
            "takes the place of the network, so that servers are never asked: keep one of both");
}
