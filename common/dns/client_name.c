#include "dns/client_name.h"

#include <netinet/in.h>
#include <string.h>

#define NAMES_MAX 5

static gboolean has_address(const PosternAnswer *answer, gconstpointer address, gsize length)
{
    for (guint i = 0; i < answer->records->len; i++) {
        gsize size = 0;
        gconstpointer record = g_bytes_get_data(g_ptr_array_index(answer->records, i), &size);
        if (size == length && memcmp(record, address, length) == 0)
            return TRUE;
    }
    return FALSE;
}

static gboolean is_temporary(const PosternAnswer *answer)
{
    return answer->status == POSTERN_ANSWER_SERVFAIL || answer->status == POSTERN_ANSWER_TIMEOUT;
}

int postern_dns_client_name(int family, gconstpointer address, PosternAnswers *answers, char **ret_name,
                            char **ret_reverse, gboolean *ret_temporary)
{
    *ret_name = *ret_reverse = NULL;
    *ret_temporary = FALSE;
    if (family != AF_INET && family != AF_INET6)
        return 1;
    PosternDnsType type = family == AF_INET ? POSTERN_DNS_A : POSTERN_DNS_AAAA;
    gsize length = family == AF_INET ? sizeof(struct in_addr) : sizeof(struct in6_addr);
    g_autofree char *reverse =
        family == AF_INET ? postern_dns_reverse_ipv4(address) : postern_dns_reverse_ipv6(address);
    const PosternAnswer *names = postern_answers_look_up(answers, reverse, POSTERN_DNS_PTR);
    if (names == NULL)
        return 0;
    *ret_temporary = is_temporary(names);
    gboolean missing = FALSE;
    g_autofree char *first = NULL;
    for (guint i = 0; i < MIN(names->records->len, NAMES_MAX); i++) {
        gsize size = 0;
        const char *octets = g_bytes_get_data(g_ptr_array_index(names->records, i), &size);
        g_autofree char *name = g_strndup(octets, size);
        const PosternAnswer *forward = postern_answers_look_up(answers, name, type);
        if (forward == NULL) {
            missing = TRUE;
        } else if (has_address(forward, address, length)) {
            *ret_reverse = g_strdup(name);
            *ret_name = g_steal_pointer(&name);
            *ret_temporary = FALSE;
            return 1;
        } else if (is_temporary(forward)) {
            *ret_temporary = TRUE;
        }
        if (first == NULL)
            first = g_steal_pointer(&name);
    }
    if (missing)
        return 0;
    *ret_reverse = g_steal_pointer(&first);
    return 1;
}
