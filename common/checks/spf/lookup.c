#include "checks/spf/evaluate.h"

#include <string.h>

#include "base/limits.h"

PosternSpfLookup postern_spf_look_up(PosternSpfEvaluation *evaluation, const char *name, PosternDnsType type,
                                     const PosternAnswer **ret_answer)
{
    const PosternAnswer *answer;

    if (evaluation->missing >= POSTERN_SPF_PREFETCH_QUESTIONS_MAX)
        return POSTERN_SPF_MISSING;
    answer = postern_answers_look_up(evaluation->answers, name, type);
    if (answer == NULL) {
        evaluation->missing++;
        return POSTERN_SPF_MISSING;
    }
    *ret_answer = answer;
    switch (answer->status) {
    case POSTERN_ANSWER_RECORDS:
        return POSTERN_SPF_FOUND;
    case POSTERN_ANSWER_NXDOMAIN:
    case POSTERN_ANSWER_NODATA:
        return POSTERN_SPF_VOID;
    default:
        return POSTERN_SPF_FAILED;
    }
}

PosternSpfLookup postern_spf_look_up_addresses(PosternSpfEvaluation *evaluation, const char *name,
                                               const PosternAnswer **ret_answer)
{
    gboolean ipv4 = evaluation->values.client.family == AF_INET;

    return postern_spf_look_up(evaluation, name, ipv4 ? POSTERN_DNS_A : POSTERN_DNS_AAAA, ret_answer);
}

gboolean postern_spf_answer_has_client(const PosternSpfEvaluation *evaluation, const PosternAnswer *answer,
                                       guint ipv4_bits, guint ipv6_bits)
{
    const PosternAddress *client = &evaluation->values.client;
    gboolean ipv4 = client->family == AF_INET;
    gsize expected = ipv4 ? sizeof client->ipv4 : sizeof client->ipv6;

    for (guint i = 0; i < answer->records->len; i++) {
        PosternAddress address = {.family = client->family};
        gsize length;
        const void *octets = g_bytes_get_data(g_ptr_array_index(answer->records, i), &length);

        if (length != expected)
            continue;
        memcpy(ipv4 ? (void *)&address.ipv4 : (void *)&address.ipv6, octets, length);
        if (postern_address_in_network(client, &address, ipv4 ? ipv4_bits : ipv6_bits))
            return TRUE;
    }
    return FALSE;
}

char *postern_spf_record_name(GBytes *record, gsize skip)
{
    gsize length;
    const char *octets = g_bytes_get_data(record, &length);

    if (length <= skip || length - skip > POSTERN_DOMAIN_NAME_MAX_OCTETS)
        return NULL;
    for (gsize i = skip; i < length; i++)
        if (!g_ascii_isgraph(octets[i]))
            return NULL;
    return g_strndup(octets + skip, length - skip);
}

gboolean postern_spf_name_is_under(const char *name, const char *domain)
{
    gsize name_length = strlen(name);
    gsize domain_length = strlen(domain);

    if (name_length < domain_length || g_ascii_strcasecmp(name + name_length - domain_length, domain) != 0)
        return FALSE;
    return name_length == domain_length || name[name_length - domain_length - 1] == '.';
}

static PosternSpfLookup look_up_reverse(PosternSpfEvaluation *evaluation, const PosternAnswer **ret_answer)
{
    const PosternAddress *client = &evaluation->values.client;
    g_autofree char *name = client->family == AF_INET ? postern_dns_reverse_ipv4(&client->ipv4)
                                                      : postern_dns_reverse_ipv6(&client->ipv6);

    return postern_spf_look_up(evaluation, name, POSTERN_DNS_PTR, ret_answer);
}

PosternSpfLookup postern_spf_validate_client(PosternSpfEvaluation *evaluation, GPtrArray *names)
{
    const PosternAnswer *pointers = NULL;
    PosternSpfLookup found = look_up_reverse(evaluation, &pointers);

    if (found != POSTERN_SPF_FOUND)
        return found;
    for (guint i = 0; i < MIN(pointers->records->len, POSTERN_SPF_PTR_NAMES_MAX); i++) {
        g_autofree char *name = postern_spf_record_name(g_ptr_array_index(pointers->records, i), 0);
        const PosternAnswer *addresses = NULL;
        PosternSpfLookup status;

        if (name == NULL)
            continue;
        status = postern_spf_look_up_addresses(evaluation, name, &addresses);
        evaluation->uncertain = evaluation->uncertain || status == POSTERN_SPF_FAILED;
        if (status == POSTERN_SPF_MISSING)
            found = POSTERN_SPF_MISSING;
        else if (status == POSTERN_SPF_FOUND && postern_spf_answer_has_client(evaluation, addresses, 32, 128))
            g_ptr_array_add(names, g_steal_pointer(&name));
    }
    return found;
}
