#include "dns/question.h"

#include <netinet/in.h>
#include <string.h>

#include "base/limits.h"

static const struct {
    PosternDnsType type;
    const char *name;
} types[] = {
    {POSTERN_DNS_A, "A"},   {POSTERN_DNS_CNAME, "CNAME"}, {POSTERN_DNS_PTR, "PTR"},
    {POSTERN_DNS_MX, "MX"}, {POSTERN_DNS_TXT, "TXT"},     {POSTERN_DNS_AAAA, "AAAA"},
};

/* Length of name without its final dot if it can be asked, else 0. */
static gsize askable_length(const char *name)
{
    gsize length = strnlen(name, POSTERN_DOMAIN_NAME_MAX_OCTETS + 2);
    if (length > 0 && name[length - 1] == '.')
        length--;
    if (length > POSTERN_DOMAIN_NAME_MAX_OCTETS)
        return 0;

    gsize label = 0;
    for (gsize i = 0; i < length; i++) {
        guchar octet = (guchar)name[i];
        if (octet < 0x20 || octet > 0x7e)
            return 0;
        if (octet != '.') {
            if (++label > POSTERN_DOMAIN_LABEL_MAX_OCTETS)
                return 0;
            continue;
        }
        if (label == 0)
            return 0;
        label = 0;
    }
    return label == 0 ? 0 : length;
}

PosternQuestion *postern_question_new(const char *name, PosternDnsType type)
{
    g_return_val_if_fail(name != NULL, NULL);

    gsize length = askable_length(name);
    if (length == 0)
        return NULL;

    PosternQuestion *question = g_new(PosternQuestion, 1);
    question->name = g_ascii_strdown(name, (gssize)length);
    question->type = type;
    return question;
}

PosternQuestion *postern_question_copy(const PosternQuestion *question)
{
    g_return_val_if_fail(question != NULL, NULL);

    PosternQuestion *copy = g_new(PosternQuestion, 1);
    copy->name = g_strdup(question->name);
    copy->type = question->type;
    return copy;
}

void postern_question_free(PosternQuestion *question)
{
    if (question == NULL)
        return;
    g_free(question->name);
    g_free(question);
}

guint postern_question_hash(gconstpointer question)
{
    const PosternQuestion *q = question;
    return g_str_hash(q->name) * 31 + (guint)q->type;
}

gboolean postern_question_equal(gconstpointer a, gconstpointer b)
{
    const PosternQuestion *first = a, *second = b;
    return first->type == second->type && strcmp(first->name, second->name) == 0;
}

const char *postern_dns_type_name(PosternDnsType type)
{
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++)
        if (types[i].type == type)
            return types[i].name;
    return NULL;
}

gboolean postern_dns_type_parse(PosternDnsType *ret_type, const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        if (g_ascii_strcasecmp(types[i].name, name) == 0) {
            *ret_type = types[i].type;
            return TRUE;
        }
    }
    return FALSE;
}

char *postern_dns_reverse_ipv4(const struct in_addr *address)
{
    guint32 host = ntohl(address->s_addr);
    return g_strdup_printf("%u.%u.%u.%u.in-addr.arpa", host & 0xff, host >> 8 & 0xff, host >> 16 & 0xff,
                           host >> 24);
}

char *postern_dns_reverse_ipv6(const struct in6_addr *address)
{
    static const char digits[] = "0123456789abcdef";
    GString *name = g_string_sized_new(4 * sizeof address->s6_addr + sizeof "ip6.arpa");
    for (gsize i = sizeof address->s6_addr; i-- > 0;) {
        guchar octet = address->s6_addr[i];
        const char nibbles[] = {digits[octet & 0xf], '.', digits[octet >> 4], '.'};
        g_string_append_len(name, nibbles, sizeof nibbles);
    }
    g_string_append(name, "ip6.arpa");
    return g_string_free(name, FALSE);
}
