/*
 * Client facts: what the DNS, the administrator's table of networks and HELO say of a client.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_CLIENT_NAME_NOT_CHECKED,
    POSTERN_CLIENT_NAME_CONFIRMED,   /* its name has its address in turn (RFC 8601 2.7.3) */
    POSTERN_CLIENT_NAME_UNCONFIRMED, /* it has a name, and that has not its address */
    POSTERN_CLIENT_NAME_NONE,
    POSTERN_CLIENT_NAME_TEMPERROR,
} PosternClientNameResult;

typedef enum {
    POSTERN_CLIENT_HELO_NOT_CHECKED,
    POSTERN_CLIENT_HELO_SOUND,
    POSTERN_CLIENT_HELO_OURS,      /* our name, or our address */
    POSTERN_CLIENT_HELO_LITERAL,   /* an address that is not the client's */
    POSTERN_CLIENT_HELO_MALFORMED, /* neither a domain of several labels nor an address literal */
} PosternClientHelo;

typedef enum {
    POSTERN_LISTED_WAITING, /* answers lack something; ask, and look again */
    POSTERN_LISTED_NO,
    POSTERN_LISTED_YES,
    POSTERN_LISTED_FAILED, /* no answer, an error code (127.255.255.x), or an address outside 127.0.0.0/8 */
} PosternListed;

typedef struct {
    char *name;   /* NAME of [list NAME] */
    char *zone;   /* its domain; NULL: it is not to be told */
    guint result; /* PosternListed */
    guint weight;
    gboolean allow;
} PosternClientListing;

typedef struct {
    guint name; /* PosternClientNameResult */
    char *reverse_name;
    GPtrArray *lists; /* of PosternClientListing *: that it is on, or that gave no answer; never NULL */
    guint weight;     /* of those that it is on together */
    gboolean vouched; /* by a list that allows, or by the table of networks */
    guint helo;       /* PosternClientHelo */
    char *network;    /* of the table, or NULL: it is in none */
    guint network_action;
    char *network_text; /* for the client, or NULL */
    gboolean good;      /* the proxy remembers mail of it that was accepted */
    guint points;       /* of suspicion, that the proxy remembers */
} PosternClientFinding;
