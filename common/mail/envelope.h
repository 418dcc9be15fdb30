/*
 * The envelope of one message (RFC 5321 2.3.1) and what is known of the client that sends it (RFC 5598).
 */
#pragma once

#include <glib.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "base/octets.h"

/* An IPv4 or IPv6 address and a port. IPv4-mapped IPv6 addresses (::ffff:a.b.c.d) are kept as IPv4. */
typedef struct {
    sa_family_t family; /* AF_INET, AF_INET6, or AF_UNSPEC: not known */
    guint16 port;       /* host order; 0: not known */
    union {
        struct in_addr ipv4;
        struct in6_addr ipv6;
    };
} PosternAddress;

/* From a sockaddr of AF_INET or AF_INET6; any other family gives AF_UNSPEC. */
PosternAddress postern_address_from_sockaddr(const struct sockaddr *address);

/* From text: "192.0.2.1", "2001:db8::1", "IPv6:2001:db8::1"; no port, no brackets. FALSE: none of these. */
gboolean postern_address_parse(PosternAddress *ret_address, const char *text);

/* The address as text without the port, "unknown" for AF_UNSPEC; a new string. */
char *postern_address_to_string(const PosternAddress *address);

/* TRUE if the first bits bits of both addresses are the same; FALSE for different families. */
gboolean postern_address_in_network(const PosternAddress *address, const PosternAddress *network, guint bits);

/* 127.0.0.0/8 and ::1. */
gboolean postern_address_is_loopback(const PosternAddress *address);

/* A number that names the client for limits and shares: one address, of IPv6 one /64. 0 for AF_UNSPEC. */
guint64 postern_address_client_number(const PosternAddress *address);
/* Back to text: "192.0.2.1", "2001:db8::/64", "unknown" for 0; a new string. */
char *postern_client_number_to_string(guint64 number);

typedef struct {
    PosternAddress client;   /* who speaks to us, or of whom a trusted relay tells us */
    char *client_name;       /* verified reverse name, or NULL: not known */
    char *helo;              /* argument of EHLO or HELO as given, or NULL */
    gboolean esmtp;          /* EHLO was used */
    char *login;             /* authenticated user name, or NULL */
    char *sender;            /* reverse path without brackets; "" is the null sender; NULL: no MAIL yet */
    char *sender_parameters; /* ESMTP parameters of MAIL as given, or NULL */
    GPtrArray *recipients;   /* of char *: forward paths without brackets, in order; never NULL */
    char *session;           /* id of the session, of the message from MAIL on; or NULL */
} PosternEnvelope;

PosternEnvelope *postern_envelope_new(void);
PosternEnvelope *postern_envelope_copy(const PosternEnvelope *envelope);
void postern_envelope_free(PosternEnvelope *envelope);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternEnvelope, postern_envelope_free)

/* Forgets sender, parameters and recipients: RSET, or the end of a message (RFC 5321 4.1.1.5). */
void postern_envelope_reset(PosternEnvelope *envelope);

/*
 * The domain of a path: what follows the last '@', in a new lower-case string without a final dot, or NULL
 * if there is none. An address literal is returned as it stands, with its brackets.
 */
char *postern_path_domain(const char *path);

/* The envelope as octets, and back, from a stranger: what has not the form or is over a limit is an error. */
void postern_envelope_encode(const PosternEnvelope *envelope, GByteArray *out);
PosternEnvelope *postern_envelope_decode(PosternOctets *in, GError **error) G_GNUC_WARN_UNUSED_RESULT;
