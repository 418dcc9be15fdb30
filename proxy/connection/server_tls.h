/*
 * What TLS is with a server on one connection: as the options of its group say, or as its TLSA records do
 * (DANE, RFC 7672), which are asked for before it is made.
 */
#pragma once

#include "dns/answers.h"
#include "proxy/connection/stream.h"
#include "proxy/servers/backend.h"
#include "proxy/servers/server.h"
#include "proxy/settings/settings.h"

typedef struct PosternServerTls PosternServerTls;

/* Group, server and world outlive it. It knows what to do at once if no records are asked for; else, done
 * is called once, from the loop. */
PosternServerTls *postern_server_tls_new(PosternWorld *world, const PosternProxyGroup *group,
                                         PosternServer *server, PosternWorldCallback done,
                                         gpointer user_data);
/* NULL is allowed; done is not called any more. */
void postern_server_tls_free(PosternServerTls *tls);

/* FALSE: records are asked for. */
gboolean postern_server_tls_is_known(const PosternServerTls *tls);
/* OFF, MAY, ENCRYPT or VERIFY. */
PosternTls postern_server_tls_level(const PosternServerTls *tls, gint64 now);
/* The connection, in the making. NULL and error: none may be made now, or no descriptor can be had. */
PosternTransport *postern_server_tls_make(const PosternServerTls *tls,
                                          GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* The server has agreed to STARTTLS: stream is protected from now on, and backend told of it. */
void postern_server_tls_begin(const PosternServerTls *tls, PosternStream *stream, PosternBackend *backend,
                              gint64 now);
/* After FAILED of stream. FALSE: it was not TLS; else backend is told, nothing more is said, and the end of
 * what is below it is awaited. */
gboolean postern_server_tls_has_failed(PosternStream *stream, PosternBackend *backend);
