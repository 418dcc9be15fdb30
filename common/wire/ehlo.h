/*
 * EHLO capabilities (RFC 5321 4.1.1.1): what a back-end announces, what we announce.
 */
#pragma once

#include <glib.h>

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
} PosternCapability;

typedef struct {
    guint capabilities;       /* mask of PosternCapability */
    guint64 size;             /* SIZE's number; 0: none or no fixed limit */
    guint xclient_attributes; /* mask of PosternClientAttribute (wire/xclient.h) */
    guint xforward_attributes;
} PosternEhlo;

/* From a 250 reply to EHLO; unknown keywords are passed over. */
PosternEhlo postern_ehlo_parse(const PosternReply *reply);

/* Our reply to EHLO: hostname, then the capabilities of announced; a new string for the wire. */
char *postern_ehlo_format(const char *hostname, const PosternEhlo *announced);
