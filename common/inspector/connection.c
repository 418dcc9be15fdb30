#include "inspector/connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"

struct PosternConnection {
    int socket;
    guint user;
    gboolean stopped;
    struct event *readable;
    struct event *writable;
    GQueue outgoing; /* of PosternPacket * */
    const PosternConnectionCalls *calls;
    gpointer user_data;
};

static void outgoing_free(gpointer data)
{
    postern_packet_clear(data);
    g_free(data);
}

/* One packet a call: the loop comes back if there is another, and most often there is none. */
static void on_readable(evutil_socket_t descriptor, short what, void *data)
{
    (void)what;
    PosternConnection *connection = data;
    g_auto(PosternPacket) packet = {0};
    int received = postern_packet_receive(descriptor, &packet, NULL);
    /* Who asks does not say who scans. */
    if (received > 0 && packet.kind == POSTERN_PACKET_REQUEST && packet.scanner == POSTERN_SCANNER_NONE)
        connection->calls->request(connection, &packet, connection->user_data);
    else if (received != 0)
        connection->calls->closed(connection, connection->user_data);
}

/* 1: nothing is left to be sent; 0: something is; -1: the client is gone. */
static int flush(PosternConnection *connection)
{
    while (!g_queue_is_empty(&connection->outgoing)) {
        int sent = postern_packet_send(connection->socket, g_queue_peek_head(&connection->outgoing), NULL);
        if (sent <= 0)
            return sent;
        outgoing_free(g_queue_pop_head(&connection->outgoing));
    }
    return 1;
}

/* A client that reads nothing for a while is gone: what waits for it keeps memory and descriptors. */
static void on_writable(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor;
    PosternConnection *connection = data;
    int state = (what & EV_TIMEOUT) != 0 ? -1 : flush(connection);
    if (state == 0)
        return;
    event_del(connection->writable);
    if (state < 0)
        connection->calls->closed(connection, connection->user_data);
    else if (!connection->stopped)
        event_add(connection->readable, NULL);
}

PosternConnection *postern_connection_new(struct event_base *loop, int socket,
                                          const PosternConnectionCalls *calls, gpointer user_data)
{
    struct ucred peer;
    socklen_t length = sizeof peer;
    if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &length) != 0) {
        close(socket);
        return NULL;
    }
    PosternConnection *connection = g_new0(PosternConnection, 1);
    connection->socket = socket;
    connection->user = peer.uid;
    connection->calls = calls;
    connection->user_data = user_data;
    g_queue_init(&connection->outgoing);
    connection->readable = event_new(loop, socket, EV_READ | EV_PERSIST, on_readable, connection);
    connection->writable = event_new(loop, socket, EV_WRITE | EV_PERSIST, on_writable, connection);
    event_add(connection->readable, NULL);
    return connection;
}

void postern_connection_free(PosternConnection *connection)
{
    if (connection == NULL)
        return;
    event_free(connection->readable);
    event_free(connection->writable);
    g_queue_clear_full(&connection->outgoing, outgoing_free);
    close(connection->socket);
    g_free(connection);
}

guint postern_connection_user(const PosternConnection *connection)
{
    return connection->user;
}

void postern_connection_send(PosternConnection *connection, PosternPacket *packet)
{
    if (g_queue_is_empty(&connection->outgoing)) {
        if (postern_packet_send(connection->socket, packet, NULL) == 1)
            return;
        static const struct timeval patience = {.tv_sec = POSTERN_INSPECTOR_CLIENT_READS_SECONDS};
        event_del(connection->readable);
        event_add(connection->writable, &patience);
    }
    PosternPacket *outgoing = g_new(PosternPacket, 1);
    *outgoing = postern_packet_steal(packet);
    g_queue_push_tail(&connection->outgoing, outgoing);
}

void postern_connection_stop(PosternConnection *connection)
{
    connection->stopped = TRUE;
    event_del(connection->readable);
}
