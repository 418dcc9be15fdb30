#include "proxy/connection/stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"

#define DROP_MAX_OCTETS (16 * POSTERN_PIPELINE_MAX_OCTETS)

struct PosternStream {
    struct event_base *loop;
    struct event *readable;
    struct event *writable;
    struct event *timer;
    PosternStreamCallback callback;
    gpointer user_data;
    GByteArray *input;  /* NULL while there is none */
    GByteArray *output; /* likewise */
    gsize sent;         /* octets of output that are gone */
    gint64 deadline;
    int socket;
    int error;
    gboolean connecting;
    gboolean reading;
    gboolean ended; /* the peer's end was seen */
    gboolean shutdown_wanted;
};

gint64 postern_stream_now(void)
{
    return g_get_monotonic_time() / 1000;
}

static void fail(PosternStream *stream, int error)
{
    stream->error = error;
    event_del(stream->readable);
    event_del(stream->writable);
    stream->callback(stream, POSTERN_STREAM_FAILED, stream->user_data);
}

static void on_readable(evutil_socket_t socket, short what, void *data)
{
    PosternStream *stream = data;
    guint8 octets[POSTERN_MESSAGE_CHUNK_OCTETS];
    ssize_t length = recv(stream->socket, octets, sizeof octets, 0);
    if (length < 0) {
        if (errno != EAGAIN && errno != EINTR)
            fail(stream, errno);
        return;
    }
    if (length == 0) {
        stream->ended = TRUE;
        event_del(stream->readable);
        stream->callback(stream, POSTERN_STREAM_CLOSED, stream->user_data);
        return;
    }
    if (stream->input == NULL)
        stream->input = g_byte_array_new();
    g_byte_array_append(stream->input, octets, (guint)length);
    stream->callback(stream, POSTERN_STREAM_INPUT, stream->user_data);
}

static int connection_error(int socket)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return errno;
    return error;
}

static void apply_shutdown(PosternStream *stream)
{
    if (stream->shutdown_wanted && stream->output == NULL)
        (void)shutdown(stream->socket, SHUT_WR);
}

/* Sends what the socket takes. 0, or an errno. */
static int flush(PosternStream *stream)
{
    while (stream->output != NULL) {
        ssize_t sent = send(stream->socket, stream->output->data + stream->sent,
                            stream->output->len - stream->sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0)
            return errno == EAGAIN ? 0 : errno;
        stream->sent += (gsize)sent;
        if (stream->sent == stream->output->len) {
            g_clear_pointer(&stream->output, g_byte_array_unref);
            stream->sent = 0;
        }
    }
    return 0;
}

static void on_writable(evutil_socket_t socket, short what, void *data)
{
    PosternStream *stream = data;
    int error;
    if (stream->connecting) {
        error = connection_error(stream->socket);
        if (error == 0) {
            stream->connecting = FALSE;
            if (stream->output == NULL)
                event_del(stream->writable);
            stream->callback(stream, POSTERN_STREAM_CONNECTED, stream->user_data);
            return;
        }
    } else {
        error = flush(stream);
    }
    if (error != 0) {
        fail(stream, error);
        return;
    }
    if (stream->output == NULL) {
        event_del(stream->writable);
        apply_shutdown(stream);
        stream->callback(stream, POSTERN_STREAM_DRAINED, stream->user_data);
    }
}

static void on_timer(evutil_socket_t socket, short what, void *data)
{
    PosternStream *stream = data;
    if (postern_stream_now() < stream->deadline) {
        gint64 deadline = stream->deadline;
        stream->deadline = G_MAXINT64;
        postern_stream_set_deadline(stream, deadline);
        return;
    }
    stream->deadline = G_MAXINT64;
    stream->callback(stream, POSTERN_STREAM_DEADLINE, stream->user_data);
}

PosternStream *postern_stream_new(struct event_base *loop, int socket, PosternStreamCallback callback,
                                  gpointer user_data)
{
    PosternStream *stream = g_new0(PosternStream, 1);
    int on = 1;
    stream->loop = loop;
    stream->socket = socket;
    stream->callback = callback;
    stream->user_data = user_data;
    stream->deadline = G_MAXINT64;
    stream->readable = event_new(loop, socket, EV_READ | EV_PERSIST, on_readable, stream);
    stream->writable = event_new(loop, socket, EV_WRITE | EV_PERSIST, on_writable, stream);
    stream->timer = evtimer_new(loop, on_timer, stream);
    (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return stream;
}

static socklen_t to_sockaddr(const PosternAddress *address, struct sockaddr_storage *storage)
{
    memset(storage, 0, sizeof *storage);
    if (address->family == AF_INET6) {
        struct sockaddr_in6 *ipv6 = (struct sockaddr_in6 *)storage;
        ipv6->sin6_family = AF_INET6;
        ipv6->sin6_addr = address->ipv6;
        ipv6->sin6_port = htons(address->port);
        return sizeof *ipv6;
    }
    struct sockaddr_in *ipv4 = (struct sockaddr_in *)storage;
    ipv4->sin_family = AF_INET;
    ipv4->sin_addr = address->ipv4;
    ipv4->sin_port = htons(address->port);
    return sizeof *ipv4;
}

PosternStream *postern_stream_connect(struct event_base *loop, const PosternAddress *address,
                                      PosternStreamCallback callback, gpointer user_data, GError **error)
{
    struct sockaddr_storage storage;
    socklen_t length = to_sockaddr(address, &storage);
    int descriptor = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        postern_error_set_system(error, errno, "cannot make a socket");
        return NULL;
    }
    if (connect(descriptor, (struct sockaddr *)&storage, length) < 0 && errno != EINPROGRESS) {
        postern_error_set_system(error, errno, "cannot connect");
        close(descriptor);
        return NULL;
    }
    PosternStream *stream = postern_stream_new(loop, descriptor, callback, user_data);
    stream->connecting = TRUE;
    event_add(stream->writable, NULL);
    return stream;
}

void postern_stream_free(PosternStream *stream)
{
    if (stream == NULL)
        return;
    event_free(stream->readable);
    event_free(stream->writable);
    event_free(stream->timer);
    g_clear_pointer(&stream->input, g_byte_array_unref);
    g_clear_pointer(&stream->output, g_byte_array_unref);
    close(stream->socket);
    g_free(stream);
}

void postern_stream_set_reading(PosternStream *stream, gboolean reading)
{
    if (stream->reading == reading || stream->ended || stream->error != 0)
        return;
    stream->reading = reading;
    if (reading)
        event_add(stream->readable, NULL);
    else
        event_del(stream->readable);
}

const char *postern_stream_input(PosternStream *stream, gsize *ret_length)
{
    *ret_length = stream->input != NULL ? stream->input->len : 0;
    return stream->input != NULL ? (const char *)stream->input->data : "";
}

void postern_stream_consume(PosternStream *stream, gsize length)
{
    if (stream->input == NULL)
        return;
    if (length >= stream->input->len)
        g_clear_pointer(&stream->input, g_byte_array_unref);
    else if (length > 0)
        g_byte_array_remove_range(stream->input, 0, (guint)length);
}

gboolean postern_stream_has_more(const PosternStream *stream)
{
    int waiting = 0;
    if (stream->input != NULL)
        return TRUE;
    return ioctl(stream->socket, FIONREAD, &waiting) == 0 && waiting > 0;
}

void postern_stream_send(PosternStream *stream, const void *octets, gsize length)
{
    if (length == 0 || stream->error != 0)
        return;
    if (stream->output == NULL)
        stream->output = g_byte_array_new();
    g_byte_array_append(stream->output, octets, (guint)length);
    /* What the socket takes at once needs no wake-up; an error is told by the loop. */
    if (!stream->connecting)
        (void)flush(stream);
    if (stream->output != NULL)
        event_add(stream->writable, NULL);
}

gsize postern_stream_unsent(const PosternStream *stream)
{
    return stream->output != NULL ? stream->output->len - stream->sent : 0;
}

void postern_stream_drop_input(PosternStream *stream)
{
    /* tcp(7): MSG_TRUNC drops octets instead of copying them; a peer that floods gets its reset. */
    (void)recv(stream->socket, NULL, DROP_MAX_OCTETS, MSG_TRUNC | MSG_DONTWAIT);
}

gboolean postern_stream_is_connecting(const PosternStream *stream)
{
    return stream->connecting;
}

void postern_stream_shutdown(PosternStream *stream)
{
    stream->shutdown_wanted = TRUE;
    apply_shutdown(stream);
}

gboolean postern_stream_is_stuck(const PosternStream *stream, gint64 milliseconds)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    int unsent = 0;
    if (stream->error != 0 || ioctl(stream->socket, SIOCOUTQ, &unsent) < 0 ||
        getsockopt(stream->socket, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return FALSE;
    return (unsent > 0 || stream->output != NULL) && info.tcpi_last_ack_recv < milliseconds;
}

void postern_stream_abort(PosternStream *stream)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(stream->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void postern_stream_set_deadline(PosternStream *stream, gint64 deadline)
{
    /* A deadline that moves away needs no new timer: the old one looks again when it fires. */
    gboolean covered = stream->deadline != G_MAXINT64 && deadline >= stream->deadline;
    if (deadline == stream->deadline)
        return;
    if (deadline == G_MAXINT64) {
        event_del(stream->timer);
    } else if (!covered || !evtimer_pending(stream->timer, NULL)) {
        gint64 wait = MAX(0, deadline - postern_stream_now());
        struct timeval time = {.tv_sec = wait / 1000, .tv_usec = (wait % 1000) * 1000};
        evtimer_add(stream->timer, &time);
    }
    stream->deadline = deadline;
}

gboolean postern_stream_peer_is_gone(const PosternStream *stream)
{
    return stream->connecting || stream->error == ECONNRESET || stream->error == EPIPE;
}

const char *postern_stream_error(const PosternStream *stream)
{
    return g_strerror(stream->error);
}
