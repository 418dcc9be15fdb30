/*
 * The least that holding clients costs: accepts all, greets them, and sends each one octet in its turn. For
 * comparison in suspects_bench.py and price_bench.py.
 *
 *     bare_holder PORT INTERVAL_MS
 */
#include <arpa/inet.h>
#include <glib.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICK_MS 10

static int listen_on(guint16 port)
{
    const int on = 1;
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    g_assert_cmpint(bind(listener, (struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(listener, SOMAXCONN), ==, 0);
    return listener;
}

static void accept_all(int listener, GArray *clients)
{
    int client;
    while ((client = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        (void)send(client, "220 bare\r\n", 10, MSG_NOSIGNAL);
        g_array_append_val(clients, client);
    }
}

int main(int argc, char **argv)
{
    g_assert_cmpint(argc, ==, 3);
    guint64 interval_ms = g_ascii_strtoull(argv[2], NULL, 10);
    g_autoptr(GArray) clients = g_array_new(FALSE, FALSE, sizeof(int));
    struct rlimit limit;
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
    int listener = listen_on((guint16)g_ascii_strtoull(argv[1], NULL, 10));
    int loop = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN};
    (void)epoll_ctl(loop, EPOLL_CTL_ADD, listener, &event);
    gint64 began = g_get_monotonic_time() / 1000;
    guint64 sent = 0;
    for (;;) {
        if (epoll_wait(loop, &event, 1, TICK_MS) > 0)
            accept_all(listener, clients);
        guint64 due = (guint64)(g_get_monotonic_time() / 1000 - began) * clients->len / interval_ms;
        if (sent + clients->len < due) /* they came just now */
            sent = due;
        for (; sent < due; sent++)
            (void)send(g_array_index(clients, int, sent % clients->len), "x", 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
}
