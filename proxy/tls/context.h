/*
 * What TLS goes by (RFC 3207, RFC 8446; the choices are those of RFC 9325): with clients certificates with
 * their private keys, with servers how they are verified; versions, ciphers. Shared by all threads and
 * sessions.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/configuration.h"
#include "mail/envelope.h"

typedef struct PosternTlsContext PosternTlsContext;

#define POSTERN_TLS_NAME_MAX_OCTETS 255

/* What was agreed upon, for the log. */
typedef struct {
    const char *version;     /* "TLSv1.3"; these two words of OpenSSL, static */
    const char *cipher;      /* "TLS_AES_256_GCM_SHA384" */
    const char *server_name; /* that a client has asked for, or NULL; as long as the connection */
    gboolean resumed;
    gboolean verified;                          /* the peer has a certificate, and it was */
    char peer[POSTERN_TLS_NAME_MAX_OCTETS + 1]; /* the common name of the peer's certificate if it was
                                                   verified, UTF-8; else "" */
} PosternTlsFacts;

/*
 * For clients, from [tls]: each of certificates is read with its chain, and its private key from the file of
 * the same place in keys, or from the same file. A client that names a server (SNI, RFC 6066 3) gets the
 * first certificate that is valid for the name, else the first of all; of one name there may be one for each
 * kind of key. Tickets of before, the context that this one follows or NULL, are taken on. NULL and error
 * name the file and what to do.
 */
PosternTlsContext *postern_tls_context_new(const PosternConfiguration *configuration,
                                           const PosternTlsContext *before,
                                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* How a group of servers is dealt with: [tls] server_name and those that follow it, or the group's own. */
typedef struct {
    PosternTls level;
    const char *name, *authorities, *certificate, *key;
    char **pins;
} PosternTlsServers;
/* Those of a group (NULL: the default group); what is in it is configuration's. */
PosternTlsServers postern_tls_servers_of(const PosternConfiguration *configuration,
                                         const PosternServersOptions *group);
gboolean postern_tls_servers_equal(const PosternTlsServers *a, const PosternTlsServers *b);
/* For servers, what they are is copied; versions and ciphers from [tls]. NULL and error name the file. */
PosternTlsContext *postern_tls_context_new_for_servers(const PosternConfiguration *configuration,
                                                       const PosternTlsServers *servers,
                                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Reads its files again, as configuration names them, for connections that begin from now on; any thread may
 * be using it. FALSE and error: it is as before. */
gboolean postern_tls_context_reload(PosternTlsContext *context, const PosternConfiguration *configuration,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
PosternTlsContext *postern_tls_context_ref(PosternTlsContext *context);
/* NULL is allowed. */
void postern_tls_context_unref(PosternTlsContext *context);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternTlsContext, postern_tls_context_unref)

/* The server's side of one connection, the caller's, who keeps context as long. NULL: no memory. */
SSL *postern_tls_context_accept(PosternTlsContext *context);
/* Likewise the client's side of a connection to the server at address, which the administrator calls name
 * (NULL: by its address). The last session with it is resumed, if it agrees (RFC 8446 2.2). records, of
 * GBytes *, or NULL: of TLSA, of which one that can be used is there: they alone say who it is (RFC 7672 3).
 */
SSL *postern_tls_context_connect(PosternTlsContext *context, const PosternAddress *address, const char *name,
                                 const GPtrArray *records);
/* Servers with whom a session is kept, at most POSTERN_TLS_SESSIONS_MAX. */
guint postern_tls_context_sessions(PosternTlsContext *context);
/* TRUE if one of records, of GBytes *, of TLSA, can be used (RFC 7672 3.1: not those of usage 0 and 1). */
gboolean postern_tls_context_takes_dane(PosternTlsContext *context, const GPtrArray *records);

/* What OpenSSL says went wrong first in this thread, in words for the log, and forgets it; a new string. */
char *postern_tls_problem(void);
