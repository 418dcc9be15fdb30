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

/*
 * The client's side, toward the server at address: the handshake begins with the first octets that are
 * written. They leave once it is done, and the server is who it must be; else likewise. name and records: as
 * postern_tls_context_connect() has them.
 */
PosternTransport *postern_tls_transport_connect(PosternTlsContext *context, const PosternAddress *address,
                                                const char *name, const GPtrArray *records,
                                                PosternTransport *inner);
/* Frees transport, of which nothing is to be said any more, but not what is below it, which is returned: the
 * caller's. It is none of these: transport itself. */
PosternTransport *postern_tls_transport_unwrap(PosternTransport *transport);

/* TRUE: nothing that was written has left, or can, before the peer has done its part. */
gboolean postern_tls_transport_shakes_hands(PosternTransport *transport);
/* FALSE: transport is none of these, or its handshake is not done. */
gboolean postern_tls_transport_facts(PosternTransport *transport, PosternTlsFacts *ret_facts);
/* Why it failed, in words for the log, owned by transport; NULL: it is none of these, or has not failed. */
const char *postern_tls_transport_problem(PosternTransport *transport);
