/*
 * One server of a group, as an administrator writes it in [proxy] backend or [servers] address: where it is,
 * and words that say how it is used.
 */
#pragma once

#include "base/address.h"

typedef struct {
    char *place;            /* "192.0.2.1:25", as it is written: its name in the log */
    PosternAddress address; /* of one that has a host AF_UNSPEC, with its port */
    char *host;             /* its name in the DNS, which has its addresses, or NULL */
    gboolean srv;    /* "srv:" before host, without a port: SRV records have what is missing (RFC 2782) */
    gboolean lmtp;   /* "lmtp:" before all that, or before "unix:/PATH": it speaks LMTP (RFC 2033) */
    guint weight;    /* weight=N: its part of the load beside the others, 1 to POSTERN_SERVER_WEIGHT_MAX */
    guint limit;     /* limit=N: connections at the same time; 0: that of its group */
    gboolean backup; /* it is used only if all that are none are down */
    gboolean drain;  /* it gets no new connections */
} PosternServerEntry;

/* NULL and error (POSTERN_ERROR_CONFIGURATION), which says how it is written. */
PosternServerEntry *postern_server_entry_parse(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* NULL is allowed. */
void postern_server_entry_free(PosternServerEntry *entry);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternServerEntry, postern_server_entry_free)
