#include "proxy/connection/socket_transport.h"

#include <errno.h>
#include <event2/event_struct.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"

#define USUAL_RECEIVE_OCTETS (256 * 1024)
#define DROP_MAX_OCTETS (16 * POSTERN_PIPELINE_MAX_OCTETS)

typedef struct {
    PosternTransport transport;
    int socket;
    guint8 wanted;  /* mask of PosternTransportEvent */
    guint8 watched; /* readable is added, though READ may not be wanted */
    guint8 emptied; /* the last read took all, and nothing has come since that the loop knows of */
    guint8 lent;    /* readable is somebody else's memory, but for the loop that it is of */
    union {
        struct event readable;
        struct {
            guint8 octets[sizeof(struct event) - sizeof(struct event_base *)];
            struct event_base *loop;
        } loan;
    };
    struct event *writable; /* NULL until WRITE was wanted: seldom */
} SocketTransport;

static SocketTransport *of(PosternTransport *transport)
{
    return (SocketTransport *)transport;
}

static gssize read_socket(PosternTransport *transport, void *octets, gsize maximum)
{
    gssize length;
    do {
        length = recv(of(transport)->socket, octets, maximum, 0);
    } while (length < 0 && errno == EINTR);
    of(transport)->emptied = length < (gssize)maximum;
    return length;
}

static gssize write_socket(PosternTransport *transport, const struct iovec *pieces, int count, gboolean more)
{
    const struct msghdr message = {.msg_iov = (struct iovec *)(guintptr)pieces, .msg_iovlen = (gsize)count};
    const int flags = MSG_NOSIGNAL | (more ? MSG_MORE : 0);
    gssize length;
    do {
        length = count == 1 ? send(of(transport)->socket, pieces->iov_base, pieces->iov_len, flags)
                            : sendmsg(of(transport)->socket, &message, flags);
    } while (length < 0 && errno == EINTR);
    return length;
}

static void on_readable(evutil_socket_t descriptor, short what, void *data)
{
    SocketTransport *self = data;
    if ((self->wanted & POSTERN_TRANSPORT_READ) == 0) {
        event_del(&self->readable);
        self->watched = self->emptied = FALSE;
        return;
    }
    self->transport.ready(POSTERN_TRANSPORT_READ, self->transport.user_data);
}

static void on_writable(evutil_socket_t descriptor, short what, void *data)
{
    SocketTransport *self = data;
    self->transport.ready(POSTERN_TRANSPORT_WRITE, self->transport.user_data);
}

static void listen_for_octets(SocketTransport *self, struct event_base *loop)
{
    event_assign(&self->readable, loop, self->socket, EV_READ | EV_PERSIST, on_readable, self);
    self->lent = FALSE;
}

static gpointer lend_of_socket(PosternTransport *transport, gsize length)
{
    SocketTransport *self = of(transport);
    if (length > sizeof self->loan.octets || self->wanted != 0)
        return NULL;
    if (self->lent) /* nothing was wanted since it was before */
        return self->loan.octets;
    struct event_base *loop = event_get_base(&self->readable);
    event_del(&self->readable);
    self->loan.loop = loop;
    self->watched = self->emptied = FALSE;
    self->lent = TRUE;
    return self->loan.octets;
}

/* Most waits for input end before any comes that is not wanted: the system is told only if it does. */
static void want_of_socket(PosternTransport *transport, guint events)
{
    SocketTransport *self = of(transport);
    guint changed = self->wanted ^ events;
    self->wanted = (guint8)events;
    if (self->lent && events != 0)
        listen_for_octets(self, self->loan.loop);
    if (self->lent)
        return;
    if ((events & POSTERN_TRANSPORT_READ) != 0 && !self->watched) {
        event_add(&self->readable, NULL);
        self->watched = TRUE;
    }
    if ((changed & POSTERN_TRANSPORT_WRITE) == 0)
        return;
    if ((events & POSTERN_TRANSPORT_WRITE) == 0) {
        event_del(self->writable);
        return;
    }
    if (self->writable == NULL)
        self->writable = event_new(event_get_base(&self->readable), self->socket, EV_WRITE | EV_PERSIST,
                                   on_writable, self);
    event_add(self->writable, NULL);
}

static int finish_connect_of_socket(PosternTransport *transport)
{
    int error = 0;
    socklen_t length = sizeof error;
    if (getsockopt(of(transport)->socket, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
        return errno;
    return error;
}

static void shutdown_socket(PosternTransport *transport)
{
    (void)shutdown(of(transport)->socket, SHUT_WR);
}

static gboolean socket_has_input(PosternTransport *transport)
{
    int waiting = 0;
    return !of(transport)->emptied && ioctl(of(transport)->socket, FIONREAD, &waiting) == 0 && waiting > 0;
}

static gboolean socket_is_stuck(PosternTransport *transport, gint64 milliseconds)
{
    struct tcp_info info = {0};
    socklen_t length = sizeof info;
    int unsent = 0;
    if (ioctl(of(transport)->socket, SIOCOUTQ, &unsent) < 0 ||
        getsockopt(of(transport)->socket, IPPROTO_TCP, TCP_INFO, &info, &length) < 0)
        return FALSE;
    return unsent > 0 && info.tcpi_last_ack_recv < milliseconds;
}

/* What the peer was told before stays; tcp(7). */
static void narrow_socket(PosternTransport *transport, guint octets)
{
    const int size = octets > 0 ? (int)MIN(octets, (guint)USUAL_RECEIVE_OCTETS) : USUAL_RECEIVE_OCTETS;
    const int clamp = octets > 0 ? size : G_MAXINT / 2;
    (void)setsockopt(of(transport)->socket, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    (void)setsockopt(of(transport)->socket, IPPROTO_TCP, TCP_WINDOW_CLAMP, &clamp, sizeof clamp);
}

static void close_socket(PosternTransport *transport, gboolean reset)
{
    SocketTransport *self = of(transport);
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    if (!self->lent)
        event_del(&self->readable);
    g_clear_pointer(&self->writable, event_free);
    if (reset)
        (void)setsockopt(self->socket, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    else
        /* To close with octets unread would be a reset, which may overtake what was sent. tcp(7): MSG_TRUNC
         * drops octets instead of copying them; a peer that floods gets its reset. */
        (void)recv(self->socket, NULL, DROP_MAX_OCTETS, MSG_TRUNC | MSG_DONTWAIT);
    close(self->socket);
    g_free(self);
}

static const PosternTransportFunctions functions = {
    .read = read_socket,
    .write = write_socket,
    .want = want_of_socket,
    .finish_connect = finish_connect_of_socket,
    .shutdown = shutdown_socket,
    .has_input = socket_has_input,
    .is_stuck = socket_is_stuck,
    .narrow = narrow_socket,
    .lend = lend_of_socket,
    .close = close_socket,
};

PosternTransport *postern_socket_transport_new(struct event_base *loop, int socket)
{
    SocketTransport *self = g_new0(SocketTransport, 1);
    self->transport.functions = &functions;
    self->socket = socket;
    listen_for_octets(self, loop);
    return &self->transport;
}

static socklen_t to_sockaddr(const PosternAddress *address, struct sockaddr_storage *storage)
{
    memset(storage, 0, sizeof *storage);
    if (address->family == AF_UNIX) {
        struct sockaddr_un *path = (struct sockaddr_un *)storage;
        path->sun_family = AF_UNIX;
        g_strlcpy(path->sun_path, address->path, sizeof path->sun_path);
        return sizeof *path;
    }
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

PosternTransport *postern_socket_transport_connect(struct event_base *loop, const PosternAddress *address,
                                                   GError **error)
{
    struct sockaddr_storage storage;
    socklen_t length = to_sockaddr(address, &storage);
    const int on = 1;
    int descriptor = socket(storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (descriptor < 0) {
        postern_error_set_system(error, errno, "cannot make a socket");
        return NULL;
    }
    (void)setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (connect(descriptor, (struct sockaddr *)&storage, length) < 0 && errno != EINPROGRESS) {
        postern_error_set_system(error, errno, "cannot connect");
        close(descriptor);
        return NULL;
    }
    return postern_socket_transport_new(loop, descriptor);
}
