/*
 * A DNS question: a name and a type (RFC 1035 4.1.2, class IN).
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_DNS_A = 1,
    POSTERN_DNS_CNAME = 5,
    POSTERN_DNS_PTR = 12,
    POSTERN_DNS_MX = 15,
    POSTERN_DNS_TXT = 16,
    POSTERN_DNS_AAAA = 28,
    /* Asked by the proxy alone, about its servers: without a name, in no file and no capsule. */
    POSTERN_DNS_SRV = 33,
    POSTERN_DNS_TLSA = 52,
} PosternDnsType;

typedef struct {
    char *name; /* normalised: lower case, no final dot, 1 to 253 octets */
    PosternDnsType type;
} PosternQuestion;

/*
 * A question for name, or NULL if name cannot be asked (RFC 1035 2.3.4): empty, an empty label, a label
 * over 63 octets, over 253 in all, or an octet of 0x00-0x1f or over 0x7e. A space passes: SPF macros make
 * names with it (RFC 7208 7.1). A final dot is taken off. There are no escapes: a backslash is an octet
 * like any other.
 */
PosternQuestion *postern_question_new(const char *name, PosternDnsType type);
PosternQuestion *postern_question_copy(const PosternQuestion *question);
void postern_question_free(PosternQuestion *question);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternQuestion, postern_question_free)

/* For hash tables. */
guint postern_question_hash(gconstpointer question);
gboolean postern_question_equal(gconstpointer a, gconstpointer b);

/* "A", "TXT" …, NULL for another number. */
const char *postern_dns_type_name(PosternDnsType type);
/* The way back, case ignored; FALSE: not a type that we know. */
gboolean postern_dns_type_parse(PosternDnsType *ret_type, const char *name);

/* The name of the reverse look-up, in-addr.arpa or ip6.arpa (RFC 1035 3.5, RFC 3596 2.5); a new string. */
struct in_addr;
struct in6_addr;
char *postern_dns_reverse_ipv4(const struct in_addr *address);
char *postern_dns_reverse_ipv6(const struct in6_addr *address);
