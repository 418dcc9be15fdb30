/*
 * The least that a relay of octets costs: what comes from a client goes to the server, and back, in one
 * thread with edge-triggered epoll. For comparison in proxy_bench.py.
 *
 *     bare_relay PORT SERVER_PORT
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_MAX 64

typedef struct Side Side;
struct Side {
    Side *other;
    int socket;
    gboolean ended;   /* nothing more comes from it */
    GByteArray *kept; /* of the other side, what it does not take now; or NULL */
};

static struct sockaddr_in loopback(const char *port)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((guint16)g_ascii_strtoull(port, NULL, 10)),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static Side *side_new(int loop, int socket)
{
    const int on = 1;
    Side *side = g_new0(Side, 1);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = side};
    side->socket = socket;
    (void)setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    g_assert_cmpint(epoll_ctl(loop, EPOLL_CTL_ADD, socket, &event), ==, 0);
    return side;
}

static void side_free(gpointer data)
{
    Side *side = data;
    close(side->socket);
    if (side->kept != NULL)
        g_byte_array_unref(side->kept);
    g_free(side);
}

/* FALSE: side is gone. */
static gboolean write_to(Side *side, const guint8 *octets, gsize length)
{
    gssize written = send(side->socket, octets, length, MSG_NOSIGNAL);
    if (written < 0 && errno != EAGAIN)
        return FALSE;
    gsize taken = (gsize)MAX(written, 0);
    if (taken == length)
        return TRUE;
    side->kept = g_byte_array_new();
    g_byte_array_append(side->kept, octets + taken, (guint)(length - taken));
    return TRUE;
}

static gboolean write_kept(Side *side)
{
    g_autoptr(GByteArray) kept = g_steal_pointer(&side->kept);
    return kept == NULL || write_to(side, kept->data, kept->len);
}

/* Passes on what has come from side; FALSE: the connection is over. */
static gboolean pump(Side *side)
{
    static guint8 octets[128 * 1024];
    if (!write_kept(side->other))
        return FALSE;
    while (side->other->kept == NULL && !side->ended) {
        gssize length = recv(side->socket, octets, sizeof octets, 0);
        if (length < 0)
            return errno == EAGAIN;
        side->ended = length == 0;
        if (side->ended)
            (void)shutdown(side->other->socket, SHUT_WR);
        else if (!write_to(side->other, octets, (gsize)length))
            return FALSE;
        if (length < (gssize)sizeof octets && !side->ended)
            return TRUE;
    }
    return !side->ended || !side->other->ended;
}

static void accept_all(int loop, int listener, const struct sockaddr_in *server)
{
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        int behind = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        g_assert_true(connect(behind, (const struct sockaddr *)server, sizeof *server) == 0 ||
                      errno == EINPROGRESS);
        Side *one = side_new(loop, client);
        Side *other = side_new(loop, behind);
        one->other = other;
        other->other = one;
    }
}

int main(int argc, char **argv)
{
    const int on = 1;
    g_assert_cmpint(argc, ==, 3);
    struct sockaddr_in address = loopback(argv[1]);
    struct sockaddr_in server = loopback(argv[2]);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    g_assert_cmpint(bind(listener, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(listener, 4096), ==, 0);
    int loop = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    (void)epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
    g_autoptr(GPtrArray) gone = g_ptr_array_new_with_free_func(side_free);
    for (;;) {
        struct epoll_event events[EVENTS_MAX];
        int count = epoll_wait(loop, events, EVENTS_MAX, -1);
        for (int i = 0; i < count; i++) {
            Side *side = events[i].data.ptr;
            if (side == NULL)
                accept_all(loop, listener, &server);
            else if (!g_ptr_array_find(gone, side, NULL) &&
                     (!pump(side) || !pump(side->other) || (events[i].events & EPOLLERR) != 0)) {
                g_ptr_array_add(gone, side);
                g_ptr_array_add(gone, side->other);
            }
        }
        g_ptr_array_set_size(gone, 0); /* no event of this turn is theirs any more */
    }
}
