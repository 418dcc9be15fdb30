#include "checks/client/client.h"

#include <string.h>

#include "base/limits.h"
#include "checks/client/lists.h"
#include "checks/client/networks.h"
#include "dns/client_name.h"
#include "verdict/check.h"

struct PosternClientRules {
    const PosternConfiguration *configuration;
    PosternLists *lists;
    PosternNetworkTable *networks;
};

PosternClientRules *postern_client_rules_new(const PosternConfiguration *configuration, GError **error)
{
    PosternNetworkTable *networks = postern_network_table_new(configuration->clients.networks, error);
    if (networks == NULL)
        return NULL;
    PosternClientRules *rules = g_new0(PosternClientRules, 1);
    rules->configuration = configuration;
    rules->lists = postern_lists_new(configuration);
    rules->networks = networks;
    return rules;
}

void postern_client_rules_free(PosternClientRules *rules)
{
    if (rules == NULL)
        return;
    postern_lists_free(rules->lists);
    postern_network_table_free(rules->networks);
    g_free(rules);
}

gboolean postern_client_rules_look_up(const PosternClientRules *rules)
{
    return postern_lists_count(rules->lists) > 0 || rules->configuration->clients.networks[0] != '\0';
}

static gboolean check_name(const PosternAddress *client, PosternAnswers *answers,
                           PosternClientFinding *finding)
{
    g_autofree char *name = NULL;
    gboolean temporary = FALSE;
    g_clear_pointer(&finding->reverse_name, g_free);
    if (postern_dns_client_name(client->family, &client->ipv4, answers, &name, &finding->reverse_name,
                                &temporary) == 0)
        return FALSE;
    finding->name = name != NULL                    ? POSTERN_CLIENT_NAME_CONFIRMED
                    : temporary                     ? POSTERN_CLIENT_NAME_TEMPERROR
                    : finding->reverse_name != NULL ? POSTERN_CLIENT_NAME_UNCONFIRMED
                                                    : POSTERN_CLIENT_NAME_NONE;
    return TRUE;
}

static gboolean are_known_and_same(const PosternAddress *a, const PosternAddress *b)
{
    return a->family != AF_UNSPEC && postern_address_is_same_host(a, b);
}

/* A domain of several labels, the last of which is no number (RFC 1123 2.1). */
static gboolean is_domain(const char *text)
{
    const char *dot = NULL;
    for (const char *octet = text; *octet != '\0'; octet++) {
        if (!g_ascii_isalnum(*octet) && strchr("-_.", *octet) == NULL)
            return FALSE;
        if (*octet == '.' && octet[1] != '\0')
            dot = octet;
    }
    return dot != NULL && dot != text && !g_ascii_isdigit(dot[1]);
}

PosternClientHelo postern_client_check_helo(const char *helo, const PosternAddress *client,
                                            const PosternAddress *server, const char *hostname)
{
    gsize length = strlen(helo);
    PosternAddress literal = {.family = AF_UNSPEC};
    gboolean bracketed = length > 2 && helo[0] == '[' && helo[length - 1] == ']';
    g_autofree char *inside = g_strndup(helo + bracketed, length - 2 * (gsize)bracketed);
    (void)postern_address_parse(&literal, inside);
    if (are_known_and_same(&literal, server) || g_ascii_strcasecmp(helo, hostname) == 0)
        return POSTERN_CLIENT_HELO_OURS;
    if (literal.family == client->family && literal.family != AF_UNSPEC &&
        !are_known_and_same(&literal, client))
        return POSTERN_CLIENT_HELO_LITERAL;
    gboolean formed = bracketed ? literal.family != AF_UNSPEC : is_domain(helo);
    return formed ? POSTERN_CLIENT_HELO_SOUND : POSTERN_CLIENT_HELO_MALFORMED;
}

gboolean postern_client_check_lists(PosternClientRules *rules, const PosternAddress *client, gint64 now,
                                    PosternAnswers *answers, PosternClientFinding *finding)
{
    const PosternNetworkEntry *entry = postern_network_table_find(rules->networks, client);
    if (!postern_lists_check(rules->lists, client, now, answers, finding))
        return FALSE;
    if (entry == NULL || finding == NULL)
        return TRUE;
    finding->network = g_strdup(entry->network);
    finding->network_text = g_strdup(entry->text);
    finding->network_action = entry->action;
    finding->vouched |= entry->action == POSTERN_ACTION_ACCEPT;
    return TRUE;
}

static void tell(const PosternClientFinding *finding, const PosternEnvelope *envelope,
                 PosternFindings *findings)
{
    g_autofree char *address = postern_address_to_string(&envelope->client);
    postern_findings_step(findings, POSTERN_CHECK_CLIENT, "%s is called %s: %s", address,
                          finding->reverse_name != NULL ? finding->reverse_name : "nothing",
                          postern_client_name_result(finding->name));
    for (guint i = 0; i < finding->lists->len; i++) {
        const PosternClientListing *listing = g_ptr_array_index(finding->lists, i);
        postern_findings_step(findings, POSTERN_CHECK_CLIENT, "[list %s] %s%s%s, weight %u%s", listing->name,
                              listing->zone != NULL ? listing->zone : "", listing->zone != NULL ? ": " : "",
                              listing->result == POSTERN_LISTED_YES ? "it is on it" : "gave no answer",
                              listing->weight, listing->allow ? ", allows" : "");
    }
    if (finding->network != NULL)
        postern_findings_step(findings, POSTERN_CHECK_CLIENT, "[clients] networks has %s: %s",
                              finding->network, postern_actions[finding->network_action]);
}

int postern_client_check(PosternClientRules *rules, const PosternEnvelope *envelope, const char *receiver,
                         PosternClientHistory history, gint64 now, PosternAnswers *answers,
                         PosternFindings *findings)
{
    static const PosternAddress nowhere = {.family = AF_UNSPEC};
    PosternClientFinding *finding = &findings->client;
    if (envelope->client.family == AF_UNSPEC)
        return 1;
    gboolean named = check_name(&envelope->client, answers, finding);
    if (!postern_client_check_lists(rules, &envelope->client, now, answers, named ? finding : NULL) ||
        !named) {
        postern_structure_reset(&postern_description_client.finding, finding);
        return 0;
    }
    if (envelope->helo != NULL)
        finding->helo = postern_client_check_helo(envelope->helo, &envelope->client, &nowhere,
                                                  receiver != NULL ? receiver : "");
    finding->good = history.good;
    finding->points = history.points;
    tell(finding, envelope, findings);
    return 1;
}

PosternClientFinding *postern_client_finding_new(void)
{
    return postern_structure_new(&postern_description_client.finding);
}

void postern_client_finding_free(PosternClientFinding *finding)
{
    postern_structure_free(&postern_description_client.finding, finding);
}
