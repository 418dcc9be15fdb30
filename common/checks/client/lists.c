#include "checks/client/lists.h"

#include <arpa/inet.h>
#include <string.h>

#define LOOPBACK 0x7f000000U
#define ERROR_CODES 0x7fffff00U /* 127.255.255.0/24: what many lists say instead of an answer */

static guint32 mask_of(guint bits)
{
    return bits == 0 ? 0 : ~0U << (32 - bits);
}

static gboolean is_in(guint32 address, const char *network)
{
    const char *slash = strchr(network, '/');
    guint64 bits = 32;
    struct in_addr parsed;
    g_autofree char *text = slash != NULL ? g_strndup(network, (gsize)(slash - network)) : g_strdup(network);
    if (slash != NULL && !g_ascii_string_to_unsigned(slash + 1, 10, 0, 32, &bits, NULL))
        return FALSE;
    return inet_pton(AF_INET, text, &parsed) == 1 &&
           ((ntohl(parsed.s_addr) ^ address) & mask_of((guint)bits)) == 0;
}

static gboolean is_code(const PosternListOptions *list, guint32 address)
{
    for (char **code = list->codes; *code != NULL; code++)
        if (is_in(address, *code))
            return TRUE;
    return FALSE;
}

/* What the list says of the name; *ret_code: whether one of the answers is a code of it. */
static PosternListed ask(const PosternListOptions *list, const char *name, PosternAnswers *answers,
                         gboolean *ret_code)
{
    const PosternAnswer *answer = postern_answers_look_up(answers, name, POSTERN_DNS_A);
    *ret_code = FALSE;
    if (answer == NULL)
        return POSTERN_LISTED_WAITING;
    if (answer->status == POSTERN_ANSWER_NXDOMAIN || answer->status == POSTERN_ANSWER_NODATA)
        return POSTERN_LISTED_NO;
    if (answer->status != POSTERN_ANSWER_RECORDS)
        return POSTERN_LISTED_FAILED;
    for (guint i = 0; i < answer->records->len; i++) {
        guint32 address;
        gsize size = 0;
        gconstpointer octets = g_bytes_get_data(g_ptr_array_index(answer->records, i), &size);
        if (size != sizeof address)
            return POSTERN_LISTED_FAILED;
        memcpy(&address, octets, size);
        address = ntohl(address);
        if ((address & mask_of(8)) != LOOPBACK || (address & mask_of(24)) == ERROR_CODES)
            return POSTERN_LISTED_FAILED;
        *ret_code |= is_code(list, address);
    }
    return POSTERN_LISTED_YES;
}

/* 192.0.2.99 at zone: 99.2.0.192.zone (RFC 5782 2.1, 2.4); a new string. */
static char *name_of(const PosternListOptions *list, const PosternAddress *client)
{
    gboolean ipv4 = client->family == AF_INET;
    g_autofree char *reverse =
        ipv4 ? postern_dns_reverse_ipv4(&client->ipv4) : postern_dns_reverse_ipv6(&client->ipv6);
    const char *tree = g_strrstr(reverse, ipv4 ? "in-addr.arpa" : "ip6.arpa");
    *((char *)(guintptr)tree) = '\0';
    return g_strconcat(reverse, list->zone, NULL);
}

PosternListed postern_list_look_up(const PosternListOptions *list, const PosternAddress *client,
                                   PosternAnswers *answers)
{
    gboolean code;
    if (client->family == AF_UNSPEC || postern_address_is_private(client))
        return POSTERN_LISTED_NO;
    g_autofree char *name = name_of(list, client);
    PosternListed listed = ask(list, name, answers, &code);
    return listed == POSTERN_LISTED_YES && !code ? POSTERN_LISTED_NO : listed;
}

PosternListed postern_list_test(const PosternListOptions *list, PosternAnswers *answers)
{
    g_autofree char *always = g_strconcat("2.0.0.127.", list->zone, NULL);
    g_autofree char *never = g_strconcat("1.0.0.127.", list->zone, NULL);
    gboolean code;
    PosternListed has = ask(list, always, answers, &code);
    PosternListed has_not = ask(list, never, answers, &code);
    if (has == POSTERN_LISTED_WAITING || has_not == POSTERN_LISTED_WAITING)
        return POSTERN_LISTED_WAITING;
    if (has == POSTERN_LISTED_FAILED || has_not == POSTERN_LISTED_FAILED)
        return POSTERN_LISTED_FAILED;
    return has == POSTERN_LISTED_YES && has_not == POSTERN_LISTED_NO ? POSTERN_LISTED_YES : POSTERN_LISTED_NO;
}
