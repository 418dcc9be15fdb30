/*
 * EHLO capabilities (RFC 5321 4.1.1.1): what a back-end announces, what we announce.
 */
#pragma once

#include <glib.h>

#include "wire/manners.h"
#include "wire/reply.h"

typedef enum {
    POSTERN_CAPABILITY_PIPELINING = 1 << 0,          /* RFC 2920 */
    POSTERN_CAPABILITY_8BITMIME = 1 << 1,            /* RFC 6152 */
    POSTERN_CAPABILITY_SIZE = 1 << 2,                /* RFC 1870 */
    POSTERN_CAPABILITY_ENHANCEDSTATUSCODES = 1 << 3, /* RFC 2034 */
    POSTERN_CAPABILITY_SMTPUTF8 = 1 << 4,            /* RFC 6531 */
    POSTERN_CAPABILITY_DSN = 1 << 5,                 /* RFC 3461 */
    POSTERN_CAPABILITY_XCLIENT = 1 << 6,             /* Postfix XCLIENT_README */
    POSTERN_CAPABILITY_XFORWARD = 1 << 7,            /* Postfix XFORWARD_README */
    POSTERN_CAPABILITY_STARTTLS = 1 << 8,            /* RFC 3207 */
    POSTERN_CAPABILITY_AUTH = 1 << 9,                /* RFC 4954 */
    POSTERN_CAPABILITY_CHUNKING = 1 << 10,           /* RFC 3030 */
    POSTERN_CAPABILITY_LIMITS = 1 << 11,             /* RFC 9422 */
    POSTERN_CAPABILITY_REQUIRETLS = 1 << 12,         /* RFC 8689 */
    POSTERN_CAPABILITY_VRFY = 1 << 13,               /* RFC 5321 4.1.1.6 to 4.1.1.8 */
    POSTERN_CAPABILITY_EXPN = 1 << 14,
    POSTERN_CAPABILITY_HELP = 1 << 15,
    POSTERN_CAPABILITY_ETRN = 1 << 16, /* RFC 1985 */
} PosternCapability;

typedef struct {
    guint capabilities;       /* mask of PosternCapability */
    guint64 size;             /* SIZE's number; 0: none or no fixed limit */
    guint mail_max;           /* of LIMITS, each 0: not said: messages of one session, */
    guint rcpt_max;           /* recipients of one message, */
    guint rcpt_domain_max;    /* and domains of these */
    guint xclient_attributes; /* mask of PosternClientAttribute (wire/xclient.h) */
    guint xforward_attributes;
    guint auth_mechanisms;    /* AUTH's, as wire/sasl.h has them */
    PosternMailServer server; /* which one it is; its greeting says that: the caller's to set */
} PosternEhlo;

/* The capability of that keyword (case ignored), or 0: none. */
guint postern_ehlo_capability(const char *keyword);
/* The keywords of a mask of them, "8BITMIME, DSN"; a new string, or NULL: the mask is empty. */
char *postern_ehlo_keywords(guint capabilities);
/* From a 250 reply to EHLO; unknown keywords are passed over. */
PosternEhlo postern_ehlo_parse(const PosternReply *reply);
gboolean postern_ehlo_is_same(const PosternEhlo *left, const PosternEhlo *right);
/* Leaves of ehlo what other has too, with the smaller numbers. */
void postern_ehlo_narrow(PosternEhlo *ehlo, const PosternEhlo *other);

/* Our reply to EHLO: hostname, then the capabilities of announced; a new string for the wire. */
char *postern_ehlo_format(const char *hostname, const PosternEhlo *announced);
