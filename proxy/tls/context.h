/*
 * What TLS with clients goes by (RFC 3207, RFC 8446; the choices are those of RFC 9325): certificates with
 * their private keys, versions, ciphers. Immutable, shared by all threads and sessions.
 */
#pragma once

#include <openssl/ssl.h>

#include "base/configuration.h"

typedef struct PosternTlsContext PosternTlsContext;

/*
 * From [tls]: each of certificates is read with its chain, and its private key from the file of the same
 * place in keys, or from the same file. A client that names a server (SNI, RFC 6066 3) gets the first
 * certificate that is valid for the name, else the first of all; of one name there may be one for each kind
 * of key. NULL and error name the file and what to do.
 */
PosternTlsContext *postern_tls_context_new(const PosternConfiguration *configuration,
                                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
PosternTlsContext *postern_tls_context_ref(PosternTlsContext *context);
/* NULL is allowed. */
void postern_tls_context_unref(PosternTlsContext *context);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternTlsContext, postern_tls_context_unref)

/* The server's side of one connection, the caller's; it keeps what it needs of context. NULL: no memory. */
SSL *postern_tls_context_accept(PosternTlsContext *context);

/* What OpenSSL says went wrong first in this thread, in words for the log, and forgets it; a new string. */
char *postern_tls_problem(void);
