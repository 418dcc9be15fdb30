#include "wire/proxy_header.h"

#include <arpa/inet.h>
#include <string.h>

#include "base/limits.h"

#define V1_MAX_OCTETS 107 /* with CRLF */
#define V1_MIN_OCTETS (sizeof "PROXY UNKNOWN\r\n" - 1)
#define V2_FIXED_OCTETS 16
#define V2_LENGTH_AT 14
#define TCP_OVER_IPV4 0x11
#define TCP_OVER_IPV6 0x21
#define COMMAND_LOCAL 0x20
#define COMMAND_PROXY 0x21

#define TYPE_AUTHORITY 0x02
#define TYPE_CRC32C 0x03
#define TYPE_UNIQUE_ID 0x05
#define TYPE_SSL 0x20
#define TYPE_SSL_VERSION 0x21
#define TYPE_SSL_CN 0x22
#define TYPE_SSL_CIPHER 0x23
#define SSL_FIXED_OCTETS 5 /* client, verify */
#define CLIENT_SSL 0x01
#define CLIENT_CERTIFICATE 0x02 /* shown on this connection */
#define CLIENT_CERTIFICATE_BEFORE 0x04
#define UNIQUE_ID_MAX_OCTETS 128
#define TEXT_MAX_OCTETS 255

static const guint8 signature[] = {'\r', '\n', '\r', '\n', 0, '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

void postern_proxy_header_clear(PosternProxyHeader *header)
{
    g_free(header->tls_version);
    g_free(header->tls_cipher);
    g_free(header->tls_name);
    g_free(header->authority);
    g_free(header->unique_id);
    *header = (PosternProxyHeader){.source.family = AF_UNSPEC, .destination.family = AF_UNSPEC};
}

/* ---- version 1 */

/* Octets that a line must still have, behind so many spaces and so many octets of the word after them. */
static gsize v1_rest(gboolean ipv6, guint spaces, gsize word)
{
    const gsize address = ipv6 ? sizeof "::" - 1 : sizeof "0.0.0.0" - 1;
    const gsize words[] = {address, address, 1, 1};
    gsize rest = sizeof "\r\n" - 1;
    if (spaces < 2 || spaces > 5)
        return 1;
    for (guint i = spaces - 2; i < G_N_ELEMENTS(words); i++)
        rest += words[i] + (i + 1 < G_N_ELEMENTS(words));
    return rest - MIN(word, words[spaces - 2]);
}

static gsize v1_missing(const char *text, gsize length)
{
    guint spaces = 0;
    gsize word = 0;
    if (length < V1_MIN_OCTETS)
        return V1_MIN_OCTETS - length;
    if (text[length - 1] == '\r')
        return 1;
    for (gsize i = 0; i < length; i++) {
        spaces += text[i] == ' ';
        word = text[i] == ' ' ? 0 : word + 1;
    }
    return strncmp(text, "PROXY UNKNOWN", strlen("PROXY UNKNOWN")) == 0
               ? 1
               : v1_rest(text[strlen("PROXY TCP")] == '6', spaces, word);
}

static gboolean v1_port(const char *text, guint16 *ret_port)
{
    guint64 number = 0;
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT16, &number, NULL) ||
        (text[0] == '0' && text[1] != '\0'))
        return FALSE;
    *ret_port = (guint16)number;
    return TRUE;
}

static gboolean v1_address(const char *text, const char *port, gboolean ipv6, PosternAddress *ret_address)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    guint16 number = 0;
    if (!v1_port(port, &number))
        return FALSE;
    if (ipv6 ? inet_pton(AF_INET6, text, &six.sin6_addr) != 1 : inet_pton(AF_INET, text, &four.sin_addr) != 1)
        return FALSE;
    *ret_address = postern_address_from_sockaddr(ipv6 ? (struct sockaddr *)&six : (struct sockaddr *)&four);
    ret_address->port = number;
    return TRUE;
}

/* Of a whole line, without its CRLF. */
static gboolean v1_take(const char *line, PosternProxyHeader *header)
{
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    const guint count = g_strv_length(words);
    if (count >= 2 && g_str_equal(words[1], "UNKNOWN"))
        return TRUE;
    const gboolean ipv6 = count >= 2 && g_str_equal(words[1], "TCP6");
    if (count != 6 || (!ipv6 && !g_str_equal(words[1], "TCP4")))
        return FALSE;
    header->proxied = v1_address(words[2], words[4], ipv6, &header->source) &&
                      v1_address(words[3], words[5], ipv6, &header->destination);
    return header->proxied;
}

static int v1_read(const char *text, gsize length, gsize *ret_octets, PosternProxyHeader *header,
                   const char **ret_problem)
{
    static const char start[] = "PROXY ";
    const char *end = memchr(text, '\n', MIN(length, V1_MAX_OCTETS));
    *ret_problem = "not a PROXY header";
    if (memcmp(text, start, MIN(length, strlen(start))) != 0)
        return -1;
    if (end == NULL) {
        *ret_octets = v1_missing(text, length);
        return length < V1_MAX_OCTETS && memchr(text, '\0', length) == NULL ? 0 : -1;
    }
    if (end == text || end[-1] != '\r')
        return -1;
    g_autofree char *line = g_strndup(text, (gsize)(end - 1 - text));
    if (strlen(line) != (gsize)(end - 1 - text) || !v1_take(line, header))
        return -1;
    *ret_octets = (gsize)(end + 1 - text);
    return 1;
}

/* ---- version 2 */

typedef struct {
    guint8 type;
    const guint8 *value;
    gsize length;
} Item;

/* 1: *item, taken off the rest. 0: there is none. -1: it is cut. */
static int next_item(const guint8 **rest, gsize *length, Item *item)
{
    if (*length == 0)
        return 0;
    if (*length < 3)
        return -1;
    *item = (Item){(*rest)[0], *rest + 3, (gsize)(*rest)[1] << 8 | (*rest)[2]};
    if (item->length > *length - 3)
        return -1;
    *rest += 3 + item->length;
    *length -= 3 + item->length;
    return 1;
}

/* The first of its kind counts. */
static void take_text(char **text, const Item *item, gsize maximum)
{
    const char *value = (const char *)item->value;
    if (*text != NULL || item->length == 0 || item->length > maximum ||
        !g_utf8_validate(value, (gssize)item->length, NULL))
        return;
    for (gsize i = 0; i < item->length; i++)
        if (item->value[i] < 0x20 || item->value[i] == 0x7f)
            return;
    *text = g_strndup(value, item->length);
}

static gboolean take_ssl(PosternProxyHeader *header, const Item *ssl)
{
    static const guint8 verified[4];
    if (ssl->length < SSL_FIXED_OCTETS)
        return FALSE;
    const guint8 client = ssl->value[0];
    const guint8 *rest = ssl->value + SSL_FIXED_OCTETS;
    gsize length = ssl->length - SSL_FIXED_OCTETS;
    header->tls = header->tls || (client & CLIENT_SSL) != 0;
    header->verified = (client & (CLIENT_CERTIFICATE | CLIENT_CERTIFICATE_BEFORE)) != 0 &&
                       memcmp(ssl->value + 1, verified, sizeof verified) == 0;
    Item item;
    int result;
    while ((result = next_item(&rest, &length, &item)) > 0)
        if (item.type == TYPE_SSL_VERSION)
            take_text(&header->tls_version, &item, TEXT_MAX_OCTETS);
        else if (item.type == TYPE_SSL_CIPHER)
            take_text(&header->tls_cipher, &item, TEXT_MAX_OCTETS);
        else if (item.type == TYPE_SSL_CN)
            take_text(&header->tls_name, &item, TEXT_MAX_OCTETS);
    return result == 0;
}

/* RFC 3720 B.4 (CRC32C), as if the octets from hole on were four zeros. */
static guint32 checksum(const guint8 *octets, gsize length, gsize hole)
{
    guint32 sum = G_MAXUINT32;
    for (gsize i = 0; i < length; i++) {
        sum ^= i >= hole && i < hole + 4 ? 0 : octets[i];
        for (guint bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ (0x82f63b78U & -(sum & 1));
    }
    return ~sum;
}

static gboolean is_intact(const guint8 *octets, gsize length, const Item *item)
{
    guint32 told;
    if (item->length != sizeof told)
        return FALSE;
    memcpy(&told, item->value, sizeof told);
    return checksum(octets, length, (gsize)(item->value - octets)) == ntohl(told);
}

/* octets: the whole header; at: where its items begin. */
static gboolean take_items(PosternProxyHeader *header, const guint8 *octets, gsize total, gsize at)
{
    const guint8 *rest = octets + at;
    gsize length = total - at;
    Item item;
    int result;
    while ((result = next_item(&rest, &length, &item)) > 0)
        if (item.type == TYPE_AUTHORITY)
            take_text(&header->authority, &item, TEXT_MAX_OCTETS);
        else if (item.type == TYPE_UNIQUE_ID)
            take_text(&header->unique_id, &item, UNIQUE_ID_MAX_OCTETS);
        else if ((item.type == TYPE_SSL && !take_ssl(header, &item)) ||
                 (item.type == TYPE_CRC32C && !is_intact(octets, total, &item)))
            return FALSE;
    return result == 0;
}

static PosternAddress v2_address(const guint8 *address, const guint8 *port, gboolean ipv6)
{
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    struct sockaddr_in four = {.sin_family = AF_INET};
    memcpy(ipv6 ? (void *)&six.sin6_addr : (void *)&four.sin_addr, address,
           ipv6 ? sizeof six.sin6_addr : sizeof four.sin_addr);
    PosternAddress result =
        postern_address_from_sockaddr(ipv6 ? (struct sockaddr *)&six : (struct sockaddr *)&four);
    result.port = (guint16)(port[0] << 8 | port[1]);
    return result;
}

static gboolean v2_take(const guint8 *octets, gsize total, PosternProxyHeader *header)
{
    const guint8 command = octets[sizeof signature], family = octets[sizeof signature + 1];
    const guint8 *at = octets + V2_FIXED_OCTETS;
    const gboolean ipv6 = family == TCP_OVER_IPV6;
    const gsize size = ipv6 ? 16 : 4;
    if (command != COMMAND_LOCAL && command != COMMAND_PROXY)
        return FALSE;
    if (command == COMMAND_LOCAL || (!ipv6 && family != TCP_OVER_IPV4))
        return TRUE;
    if (total < V2_FIXED_OCTETS + 2 * size + 4)
        return FALSE;
    header->proxied = TRUE;
    header->source = v2_address(at, at + 2 * size, ipv6);
    header->destination = v2_address(at + size, at + 2 * size + 2, ipv6);
    return take_items(header, octets, total, V2_FIXED_OCTETS + 2 * size + 4);
}

static int v2_read(const guint8 *octets, gsize length, gsize *ret_octets, PosternProxyHeader *header,
                   const char **ret_problem)
{
    *ret_problem = "not a PROXY header";
    if (memcmp(octets, signature, MIN(length, sizeof signature)) != 0)
        return -1;
    if (length < V2_FIXED_OCTETS) {
        *ret_octets = V2_FIXED_OCTETS - length;
        return 0;
    }
    const gsize total = V2_FIXED_OCTETS + ((gsize)octets[V2_LENGTH_AT] << 8 | octets[V2_LENGTH_AT + 1]);
    if (total > POSTERN_PROXY_HEADER_MAX_OCTETS) {
        *ret_problem = "a PROXY header too long";
        return -1;
    }
    *ret_octets = length < total ? total - length : total;
    if (length < total)
        return 0;
    *ret_problem = "a PROXY header that is damaged";
    return v2_take(octets, total, header) ? 1 : -1;
}

int postern_proxy_header_read(const guint8 *octets, gsize length, gsize *ret_octets,
                              PosternProxyHeader *ret_header, const char **ret_problem)
{
    PosternProxyHeader header = {.source.family = AF_UNSPEC, .destination.family = AF_UNSPEC};
    if (length == 0) {
        *ret_octets = 1; /* which of the two it is */
        return 0;
    }
    int result = octets[0] == signature[0]
                     ? v2_read(octets, length, ret_octets, &header, ret_problem)
                     : v1_read((const char *)octets, length, ret_octets, &header, ret_problem);
    if (result > 0)
        *ret_header = header;
    else
        postern_proxy_header_clear(&header);
    return result;
}

/* ---- writing */

static struct in6_addr mapped(const PosternAddress *address)
{
    struct in6_addr six = IN6ADDR_ANY_INIT;
    if (address->family == AF_INET6)
        return address->ipv6;
    if (address->family == AF_INET) {
        six.s6_addr[10] = six.s6_addr[11] = 0xff;
        memcpy(&six.s6_addr[12], &address->ipv4, sizeof address->ipv4);
    }
    return six;
}

/* A header has addresses of one family; one that is not known is any. */
static gboolean is_ipv6(const PosternProxyHeader *header)
{
    return header->source.family == AF_INET6 || header->destination.family == AF_INET6;
}

static void v1_write(GString *out, const PosternProxyHeader *header)
{
    const gboolean ipv6 = is_ipv6(header);
    const PosternAddress *const addresses[] = {&header->source, &header->destination};
    g_string_append(out, ipv6 ? "PROXY TCP6" : "PROXY TCP4");
    for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++) {
        const struct in6_addr six = mapped(addresses[i]);
        char text[INET6_ADDRSTRLEN];
        const void *address = ipv6 ? (const void *)&six : (const void *)&six.s6_addr[12];
        g_string_append_printf(out, " %s", inet_ntop(ipv6 ? AF_INET6 : AF_INET, address, text, sizeof text));
    }
    g_string_append_printf(out, " %u %u\r\n", header->source.port, header->destination.port);
}

static void append_number(GString *out, guint16 number)
{
    g_string_append_c(out, (char)(number >> 8));
    g_string_append_c(out, (char)(number & 0xff));
}

static void append_item(GString *out, guint8 type, const char *text, gsize maximum)
{
    if (text == NULL)
        return;
    const gsize length = MIN(strlen(text), maximum);
    g_string_append_c(out, (char)type);
    append_number(out, (guint16)length);
    g_string_append_len(out, text, (gssize)length);
}

static void append_ssl(GString *out, const PosternProxyHeader *header)
{
    const char fixed[SSL_FIXED_OCTETS] = {
        (char)(CLIENT_SSL | (header->verified ? CLIENT_CERTIFICATE | CLIENT_CERTIFICATE_BEFORE : 0)), 0, 0, 0,
        (char)!header->verified};
    const gsize start = out->len;
    g_string_append_c(out, TYPE_SSL);
    append_number(out, 0);
    g_string_append_len(out, fixed, sizeof fixed);
    append_item(out, TYPE_SSL_VERSION, header->tls_version, TEXT_MAX_OCTETS);
    append_item(out, TYPE_SSL_CIPHER, header->tls_cipher, TEXT_MAX_OCTETS);
    append_item(out, TYPE_SSL_CN, header->tls_name, TEXT_MAX_OCTETS);
    const gsize length = out->len - start - 3;
    out->str[start + 1] = (char)(length >> 8);
    out->str[start + 2] = (char)(length & 0xff);
}

static void v2_write(GString *out, const PosternProxyHeader *header)
{
    const gboolean ipv6 = is_ipv6(header);
    const struct in6_addr addresses[] = {mapped(&header->source), mapped(&header->destination)};
    const gsize start = out->len;
    g_string_append_len(out, (const char *)signature, sizeof signature);
    g_string_append_c(out, header->proxied ? COMMAND_PROXY : COMMAND_LOCAL);
    g_string_append_c(out, !header->proxied ? 0 : ipv6 ? TCP_OVER_IPV6 : TCP_OVER_IPV4);
    append_number(out, 0);
    if (!header->proxied)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(addresses); i++)
        g_string_append_len(out, (const char *)&addresses[i].s6_addr[ipv6 ? 0 : 12], ipv6 ? 16 : 4);
    append_number(out, header->source.port);
    append_number(out, header->destination.port);
    append_item(out, TYPE_AUTHORITY, header->authority, TEXT_MAX_OCTETS);
    append_item(out, TYPE_UNIQUE_ID, header->unique_id, UNIQUE_ID_MAX_OCTETS);
    if (header->tls)
        append_ssl(out, header);
    const gsize length = out->len - start - V2_FIXED_OCTETS;
    out->str[start + V2_LENGTH_AT] = (char)(length >> 8);
    out->str[start + V2_LENGTH_AT + 1] = (char)(length & 0xff);
}

void postern_proxy_header_write(GString *out, guint version, const PosternProxyHeader *header)
{
    if (version == 2)
        v2_write(out, header);
    else if (header->proxied)
        v1_write(out, header);
    else
        g_string_append(out, "PROXY UNKNOWN\r\n");
}
