/*
 * The transport that is a plain socket on a libevent loop. All sockets are non-blocking and close-on-exec.
 */
#pragma once

#include <event2/event.h>

#include "mail/envelope.h"
#include "proxy/connection/transport.h"

/* Around a connected non-blocking socket, which is taken over. loop must outlive the transport. */
PosternTransport *postern_socket_transport_new(struct event_base *loop, int socket);

/* A connection to address and port, in the making. NULL and error if no socket can be had. */
PosternTransport *postern_socket_transport_connect(struct event_base *loop, const PosternAddress *address,
                                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
