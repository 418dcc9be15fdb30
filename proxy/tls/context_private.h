/*
 * The inside of a context, shared by context.c (both kinds, and for clients) and servers.c (for servers).
 */
#pragma once

#include <pthread.h>

#include "proxy/tls/context.h"
#include "proxy/tls/tickets.h"

struct PosternTlsContext {
    gint references;      /* atomic */
    pthread_mutex_t lock; /* for ends and sessions */
    GPtrArray *ends;      /* of SSL_CTX *: one for each set of names, of which clients that name none get the
                             first; for servers the only one. Never changed, but replaced. */
    gboolean of_servers;
    /* For clients. */
    PosternTlsTickets *tickets;
    /* For servers. */
    PosternTls level;
    char *name;                            /* that their certificate must have; "": their own */
    char *authorities, *certificate, *key; /* paths, or "" */
    char **pins;          /* SHA-256 of the keys that they may have, in lower case; none: authorities vouch */
    GHashTable *sessions; /* "NAME ADDRESS PORT" -> SSL_SESSION *: the last one */
};

/* One without ends yet: postern_tls_context_reload() makes them. */
PosternTlsContext *postern_tls_context_alloc(void);
/* The first of ends: free with SSL_free(). NULL: no memory. */
SSL *postern_tls_context_new_connection(PosternTlsContext *context);
/* servers.c: the only one of ends, by configuration. */
SSL_CTX *postern_tls_context_new_server_end(PosternTlsContext *context,
                                            const PosternConfiguration *configuration, GError **error);

/* end shows the certificate of path, with its chain, and has the private key of key. */
gboolean postern_tls_context_load(SSL_CTX *end, const char *path, const char *key, GError **error);
/* FALSE, with error, the problem of OpenSSL in it. */
gboolean postern_tls_context_fail(GError **error, const char *path, const char *what);
/* Versions, ciphers and what else both kinds have in common. NULL and error. */
SSL_CTX *postern_tls_context_new_end(const SSL_METHOD *method, const PosternConfiguration *configuration,
                                     GError **error);
