/*
 * TLS as a transport, over another one (RFC 8446, RFC 5246).
 */
#pragma once

#include "proxy/connection/transport.h"
#include "proxy/tls/context.h"

/*
 * The server's side: the handshake begins with the first octets that the client sends. inner is taken over;
 * it must be at rest. Whoever uses the result sees octets only once the handshake is done; a failed one is an
 * error of read or write, EPROTO. A TLS connection whose end was not announced by the peer ends like any
 * other. NULL: no memory, and inner is the caller's still.
 */
PosternTransport *postern_tls_transport_accept(PosternTlsContext *context, PosternTransport *inner);

/* What was agreed upon; words of OpenSSL, static. */
typedef struct {
    const char *version; /* "TLSv1.3" */
    const char *cipher;  /* "TLS_AES_256_GCM_SHA384" */
} PosternTlsFacts;

/* FALSE: transport is none of these, or its handshake is not done. */
gboolean postern_tls_transport_facts(PosternTransport *transport, PosternTlsFacts *ret_facts);
/* Why it failed, in words for the log, owned by transport; NULL: it is none of these, or has not failed. */
const char *postern_tls_transport_problem(PosternTransport *transport);
