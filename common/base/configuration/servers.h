/*
 * Groups of servers that take the proxy's mail: [servers] is what all of them begin with, [servers NAME] is
 * one of them; the default group has its servers, limit and client_address in [proxy].
 */
#pragma once

#include <glib.h>

typedef struct {
    char **address;       /* base/server_entry.h; the default group has its own in [proxy] */
    guint client_address; /* 0: as [proxy] has it, else 1 + PosternClientAddress */
    guint limit;          /* connections to each server; 0: [proxy] backend_connections */
    guint balance;        /* PosternBalance */
    guint slow_start_ms;
    guint check_ms;
    guint refusals; /* of recipients that are kept; 0: none */
    guint refusals_ms;
    char *probe_recipient; /* a mailbox of these servers, or "" */
    guint software;        /* 0: as they greet, else 1 + PosternMailServer (wire/manners.h) */
    /* TLS with those of a named group. */
    guint tls; /* 0: as [tls] has it, else 1 + PosternTls */
    char *tls_name, *tls_authorities, *tls_certificate, *tls_key;
    char **tls_pins;
} PosternServersOptions;

/* Which server of a group a client is served by. */
typedef enum {
    POSTERN_BALANCE_LEAST_LOADED,
    POSTERN_BALANCE_ROUND_ROBIN,
    POSTERN_BALANCE_CLIENT, /* always the same for an address */
    POSTERN_BALANCE_RECIPIENT_DOMAIN,
} PosternBalance;

/* The name of the default group, which no [servers NAME] may have. */
#define POSTERN_DEFAULT_GROUP "default"

typedef enum {
    POSTERN_CLIENT_ADDRESS_XCLIENT,
    POSTERN_CLIENT_ADDRESS_XFORWARD,
    POSTERN_CLIENT_ADDRESS_NONE,
    POSTERN_CLIENT_ADDRESS_PROXY_V1, /* a PROXY header; these two come last */
    POSTERN_CLIENT_ADDRESS_PROXY_V2,
} PosternClientAddress;

/* TRUE if the back-end judges the client by its own address; else it takes each client for us. */
static inline gboolean postern_client_address_is_judged(PosternClientAddress way)
{
    return way == POSTERN_CLIENT_ADDRESS_XCLIENT || way >= POSTERN_CLIENT_ADDRESS_PROXY_V1;
}
