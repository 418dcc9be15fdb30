/*
 * Addresses of clients and servers.
 */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>

/* An IPv4 or IPv6 address and a port, or a Unix socket of a server. IPv4-mapped IPv6 addresses
 * (::ffff:a.b.c.d) are kept as IPv4. */
typedef struct {
    sa_family_t family; /* AF_INET, AF_INET6, AF_UNIX, or AF_UNSPEC: not known */
    guint16 port;       /* host order; 0: not known */
    union {
        struct in_addr ipv4;
        struct in6_addr ipv6;
        const char *path; /* static: g_intern_string() */
    };
} PosternAddress;

/* From a sockaddr of AF_INET or AF_INET6; any other family gives AF_UNSPEC. */
PosternAddress postern_address_from_sockaddr(const struct sockaddr *address);

/* From text: "192.0.2.1", "2001:db8::1", "IPv6:2001:db8::1"; no port, no brackets. FALSE: none of these. */
gboolean postern_address_parse(PosternAddress *ret_address, const char *text);

/* From an absolute path; FALSE: it is none, or too long for a socket. */
gboolean postern_address_from_path(PosternAddress *ret_address, const char *path);

/* The address without the port, "unknown" if it is of another family, into text of INET6_ADDRSTRLEN octets.
 */
void postern_address_write(const PosternAddress *address, char *text);
/* Likewise, but a Unix socket by its path; a new string. */
char *postern_address_to_string(const PosternAddress *address);

/* TRUE if both are of the same host, or the same path, whatever their ports; two of AF_UNSPEC are. */
gboolean postern_address_is_same_host(const PosternAddress *a, const PosternAddress *b);
/* The same, and their ports are the same. */
gboolean postern_address_is_same(const PosternAddress *a, const PosternAddress *b);
/* TRUE if the first bits bits of both addresses are the same; FALSE for different families. */
gboolean postern_address_in_network(const PosternAddress *address, const PosternAddress *network, guint bits);

/* 127.0.0.0/8 and ::1. */
gboolean postern_address_is_loopback(const PosternAddress *address);

/* Of a network of somebody's own, or of a link (RFC 1918, 3927, 6598, 4193, 4291 2.5.6). */
gboolean postern_address_is_private(const PosternAddress *address);

/* A number that names the client for limits and shares: one address, of IPv6 one /64. 0 for AF_UNSPEC. */
guint64 postern_address_client_number(const PosternAddress *address);
/* Back to text: "192.0.2.1", "2001:db8::/64", "unknown" for 0; a new string. */
char *postern_client_number_to_string(guint64 number);
