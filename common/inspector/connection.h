/*
 * The pool's end of a client's connection: packets in, packets out. Reads no content.
 */
#pragma once

#include <event2/event.h>
#include <glib.h>

#include "inspector_client/packet.h"

typedef struct PosternConnection PosternConnection;

typedef struct {
    /* A request came; the callee may take what goes with it. connection stays valid during the call. */
    void (*request)(PosternConnection *connection, PosternPacket *packet, gpointer user_data);
    /* The client is gone or broke the protocol; the callee frees connection. */
    void (*closed)(PosternConnection *connection, gpointer user_data);
} PosternConnectionCalls;

/* Takes socket (non-blocking). NULL if its peer cannot be told. calls must outlive it. */
PosternConnection *postern_connection_new(struct event_base *loop, int socket,
                                          const PosternConnectionCalls *calls, gpointer user_data);
void postern_connection_free(PosternConnection *connection);

/* The user whose program it is. */
guint postern_connection_user(const PosternConnection *connection);

/* Sends packet, and takes what goes with it if that must wait for a client that does not read: then it is not
 * read either, and after POSTERN_INSPECTOR_CLIENT_READS_SECONDS of that it is gone: closed is called. */
void postern_connection_send(PosternConnection *connection, PosternPacket *packet);

/* Requests are left unread from now on. */
void postern_connection_stop(PosternConnection *connection);
