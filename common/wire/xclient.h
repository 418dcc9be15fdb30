/*
 * XCLIENT and XFORWARD (Postfix XCLIENT_README, XFORWARD_README): telling a back-end who the client is, and
 * being told by a server in front.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_CLIENT_NAME = 1 << 0,
    POSTERN_CLIENT_ADDR = 1 << 1,
    POSTERN_CLIENT_PORT = 1 << 2,
    POSTERN_CLIENT_PROTO = 1 << 3,
    POSTERN_CLIENT_HELO = 1 << 4,
    POSTERN_CLIENT_LOGIN = 1 << 5,
    POSTERN_CLIENT_IDENT = 1 << 6,
    POSTERN_CLIENT_SOURCE = 1 << 7,
    POSTERN_CLIENT_DESTADDR = 1 << 8,
    POSTERN_CLIENT_DESTPORT = 1 << 9,
    POSTERN_CLIENT_REVERSE_NAME = 1 << 10,
} PosternClientAttribute;

/* The mask of the attribute names in text, apart by spaces; unknown ones are passed over. */
guint postern_client_attributes_parse(const char *text);

/* The way back: the names of a mask, each behind a space ("" if there are none); a new string. */
char *postern_client_attributes_names(guint mask);

typedef struct {
    PosternClientAttribute attribute;
    const char *value; /* raw; NULL or "" becomes [UNAVAILABLE] */
} PosternClientAttributeValue;

/* An attribute as a server in front has given it. */
typedef struct {
    PosternClientAttribute attribute;
    char *value;        /* decoded; NULL: [UNAVAILABLE] or [TEMPUNAVAIL] */
    gboolean temporary; /* [TEMPUNAVAIL]; NAME and REVERSE_NAME alone */
} PosternClientAttributeGiven;

/*
 * What follows XCLIENT or XFORWARD: its attributes in their order, of PosternClientAttributeGiven *. NULL,
 * and *ret_problem, static text for a 501 reply: one of them is not in supported, is no NAME=value, or has a
 * value that is none: it has to be xtext (where an '=' may stand as it is, for Postfix sends it so) of UTF-8,
 * at most 255 octets of it, with no control octet; PORT and DESTPORT a number up to 65535; PROTO at most 64
 * octets; NAME, REVERSE_NAME and PROTO without white space; SOURCE LOCAL or REMOTE. Whether an ADDR is an
 * address is for mail/envelope.h to say.
 */
GPtrArray *postern_client_attributes_read(const char *text, guint supported, const char **ret_problem);

/* What stands in xtext (RFC 3461 4: every octet outside 0x21-0x7e, '+' and '=' as +HH), a new string; NULL if
 * text is none, or would hold a NUL. */
char *postern_xtext_decode(const char *text);

/*
 * Command lines, each ended by CRLF and at most 512 octets, that give those of values whose attribute is in
 * supported, in the order of values; verb is "XCLIENT" or "XFORWARD". Values are cut at 255 octets before
 * they are encoded, or sooner if the encoded one would not go into one line. ADDR goes out as it is given:
 * an IPv6 address needs its "IPV6:" in front. Of char *; empty if nothing is supported.
 */
GPtrArray *postern_client_attributes_format(const char *verb, guint supported,
                                            const PosternClientAttributeValue *values, gsize count);
