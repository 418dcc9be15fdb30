#include "proxy/servers/names.h"

#include <string.h>

#include "base/configuration/listeners.h"
#include "base/limits.h"

#define SRV_WEIGHT 4096 /* of the heaviest target of a priority */
/* Two questions for each, and there is room for POSTERN_QUESTIONS_PER_MESSAGE_MAX. */
#define SRV_TARGETS_MAX 100

/* A target, of an SRV record or the name itself. */
typedef struct {
    char *host;
    guint16 priority, weight, port;
} Target;

typedef struct {
    const PosternServerSettings *named;
    PosternAnswers *answers;
    PosternNamedServers *found;
    gboolean waits; /* for answers */
} Search;

static void free_target(gpointer data)
{
    Target *target = data;
    g_free(target->host);
    g_free(target);
}

static void free_server(gpointer server)
{
    postern_server_settings_free(server);
}

static char *question_of(PosternDnsType type, const char *host)
{
    static const char *const types[] = {
        [POSTERN_DNS_A] = "A", [POSTERN_DNS_AAAA] = "AAAA", [POSTERN_DNS_SRV] = "SRV"};
    return g_strdup_printf("%s %s", types[type], host);
}

static void note_problem(Search *search, const char *host, PosternDnsType type, const char *what)
{
    char *question = question_of(type, host);
    if (search->found->problem == NULL)
        search->found->problem = g_strdup_printf("the DNS does not answer for %s (%s)", question, what);
    if (search->found->unanswered == NULL)
        search->found->unanswered = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_add(search->found->unanswered, question);
}

/* The records, or NULL: there are none, or none yet. */
static const GPtrArray *look_up(Search *search, const char *host, PosternDnsType type)
{
    const PosternAnswer *answer = postern_answers_look_up(search->answers, host, type);
    if (answer == NULL) {
        search->waits = TRUE;
        return NULL;
    }
    if (answer->status == POSTERN_ANSWER_SERVFAIL || answer->status == POSTERN_ANSWER_TIMEOUT)
        note_problem(search, host, type, postern_answer_status_name(answer->status));
    if (answer->status != POSTERN_ANSWER_RECORDS)
        return NULL;
    search->found->ttl = MIN(search->found->ttl, answer->ttl);
    return answer->records;
}

static guint16 number_at(const guint8 *octets, guint place)
{
    return (guint16)(octets[2 * place] << 8 | octets[2 * place + 1]);
}

static int compare_priorities(gconstpointer a, gconstpointer b)
{
    const Target *first = *(const Target *const *)a;
    const Target *second = *(const Target *const *)b;
    return (first->priority > second->priority) - (first->priority < second->priority);
}

/* The root as target says that there are none (RFC 2782); nor is there one at port 0. */
static void add_targets(Search *search, GPtrArray *targets)
{
    const GPtrArray *records = look_up(search, search->named->host, POSTERN_DNS_SRV);
    for (guint i = 0; records != NULL && i < records->len; i++) {
        gsize length;
        const guint8 *octets = g_bytes_get_data(records->pdata[i], &length);
        if (length <= 6 || number_at(octets, 2) == 0)
            continue;
        Target *target = g_new0(Target, 1);
        target->priority = number_at(octets, 0);
        target->weight = number_at(octets, 1);
        target->port = number_at(octets, 2);
        target->host = g_strndup((const char *)octets + 6, length - 6);
        g_ptr_array_add(targets, target);
    }
    if (targets->len > SRV_TARGETS_MAX) {
        g_ptr_array_sort(targets, compare_priorities);
        g_ptr_array_set_size(targets, SRV_TARGETS_MAX);
    }
}

static gboolean can_be_connected_to(const PosternAddress *address)
{
    return address->family == AF_INET
               ? address->ipv4.s_addr != htonl(INADDR_ANY) && !IN_MULTICAST(ntohl(address->ipv4.s_addr))
               : !IN6_IS_ADDR_UNSPECIFIED(&address->ipv6) && !IN6_IS_ADDR_MULTICAST(&address->ipv6) &&
                     !IN6_IS_ADDR_LINKLOCAL(&address->ipv6);
}

/* An IPv4-mapped address is an IPv4 address (base/address.h). */
static PosternAddress address_of(GBytes *record, PosternDnsType type, guint16 port)
{
    struct sockaddr_storage storage = {.ss_family = AF_UNSPEC};
    const void *octets = g_bytes_get_data(record, NULL);
    if (type == POSTERN_DNS_A) {
        struct sockaddr_in *address = (struct sockaddr_in *)&storage;
        *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(port)};
        memcpy(&address->sin_addr, octets, sizeof address->sin_addr);
    } else {
        struct sockaddr_in6 *address = (struct sockaddr_in6 *)&storage;
        *address = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(port)};
        memcpy(&address->sin6_addr, octets, sizeof address->sin6_addr);
    }
    return postern_address_from_sockaddr((const struct sockaddr *)&storage);
}

static void add_addresses(Search *search, const Target *target, PosternDnsType type)
{
    const GPtrArray *records = look_up(search, target->host, type);
    for (guint i = 0; records != NULL && i < records->len; i++) {
        PosternAddress address = address_of(records->pdata[i], type, target->port);
        if (!can_be_connected_to(&address) || search->found->servers->len >= POSTERN_SERVERS_MAX)
            continue;
        g_autofree char *text = postern_address_to_string(&address);
        PosternServerSettings *server = postern_server_settings_copy(search->named);
        g_clear_pointer(&server->host, g_free);
        server->target = g_strdup(target->host);
        g_free(server->name);
        server->name =
            g_strdup_printf("%s%s[%s]:%u", server->lmtp ? "lmtp:" : "", target->host, text, target->port);
        server->srv = FALSE;
        server->address = address;
        server->priority = target->priority;
        g_ptr_array_add(search->found->servers, server);
    }
}

static guint greatest_weight(const GPtrArray *targets, guint16 priority)
{
    guint greatest = 0;
    for (guint i = 0; i < targets->len; i++) {
        const Target *target = g_ptr_array_index(targets, i);
        if (target->priority == priority)
            greatest = MAX(greatest, target->weight);
    }
    return greatest;
}

/* Those of target are the last of the servers, from first on: together they have its part. One of 0 is hardly
 * ever chosen beside others. */
static void share_weight(const Search *search, const GPtrArray *targets, const Target *target, guint first)
{
    guint greatest = greatest_weight(targets, target->priority);
    guint weight = greatest > 0 ? (guint)target->weight * SRV_WEIGHT / greatest : SRV_WEIGHT;
    guint addresses = search->found->servers->len - first;
    for (guint i = first; i < search->found->servers->len; i++)
        ((PosternServerSettings *)g_ptr_array_index(search->found->servers, i))->weight =
            MAX(weight / addresses, 1);
}

gboolean postern_named_servers_find(const PosternServerSettings *named, PosternAnswers *answers,
                                    PosternNamedServers *ret_found)
{
    Search search = {.named = named, .answers = answers, .found = ret_found};
    g_autoptr(GPtrArray) targets = g_ptr_array_new_with_free_func(free_target);
    *ret_found = (PosternNamedServers){.ttl = G_MAXUINT};
    ret_found->servers = g_ptr_array_new_with_free_func(free_server);
    if (named->srv) {
        add_targets(&search, targets);
    } else {
        const Target self = {.host = named->host, .port = named->address.port};
        g_ptr_array_add(targets, g_memdup2(&self, sizeof self));
        ((Target *)targets->pdata[0])->host = g_strdup(named->host);
    }
    for (guint i = 0; i < targets->len; i++) {
        const Target *target = g_ptr_array_index(targets, i);
        guint first = ret_found->servers->len;
        add_addresses(&search, target, POSTERN_DNS_A);
        add_addresses(&search, target, POSTERN_DNS_AAAA);
        if (named->srv)
            share_weight(&search, targets, target, first);
    }
    if (ret_found->servers->len == 0 && ret_found->problem == NULL)
        ret_found->problem = g_strdup_printf("the DNS has no address for %s", named->host);
    if (search.waits)
        postern_named_servers_clear(ret_found);
    return !search.waits;
}

void postern_named_servers_leave_out_own(PosternNamedServers *found, const PosternServerSettings *named,
                                         const PosternConfiguration *configuration)
{
    for (guint i = found->servers->len; i > 0; i--) {
        const PosternServerSettings *server = g_ptr_array_index(found->servers, i - 1);
        const char *listener = postern_configuration_listener_at(configuration, &server->address);
        if (listener == NULL)
            continue;
        g_free(found->left_out);
        found->left_out = g_strdup_printf(
            "%s is where the proxy itself listens ('%s'): it is left out, mail would go round in a loop",
            server->name, listener);
        g_ptr_array_remove_index(found->servers, i - 1);
    }
    if (found->left_out != NULL && found->servers->len == 0 && found->problem == NULL)
        found->problem =
            g_strdup_printf("the DNS has no address for %s but where the proxy itself listens", named->host);
}

void postern_named_servers_clear(PosternNamedServers *found)
{
    g_clear_pointer(&found->left_out, g_free);
    g_clear_pointer(&found->servers, g_ptr_array_unref);
    g_clear_pointer(&found->unanswered, g_hash_table_unref);
    g_clear_pointer(&found->problem, g_free);
}

gboolean postern_named_servers_may_have(const PosternNamedServers *found, const PosternServerSettings *server)
{
    if (found->unanswered == NULL || server->target == NULL)
        return FALSE;
    g_autofree char *question =
        question_of(server->address.family == AF_INET ? POSTERN_DNS_A : POSTERN_DNS_AAAA, server->target);
    return g_hash_table_contains(found->unanswered, question);
}
