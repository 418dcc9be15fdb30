/*
 * An SMTP server that takes all mail for dest.example and keeps none: the back-end of the benchmarks. It says
 * its port on standard output and ends with its standard input.
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <glib.h>
#include <netinet/tcp.h>
#include <string.h>

#define RECIPIENT_DOMAIN "@dest.example"
#define END_OF_MESSAGE "\r\n.\r\n"

typedef struct {
    struct bufferevent *stream;
    gboolean in_message;
    char tail[sizeof END_OF_MESSAGE - 1]; /* the last octets of the message so far, the newest last */
} Connection;

static const char ehlo_reply[] =
    "250-sink.example\r\n250-PIPELINING\r\n250-SIZE 0\r\n"
    "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 XFORWARD NAME ADDR PORT PROTO "
    "HELO SOURCE\r\n";

static void say(Connection *connection, const char *reply)
{
    bufferevent_write(connection->stream, reply, strlen(reply));
}

static void connection_free(Connection *connection)
{
    bufferevent_free(connection->stream);
    g_free(connection);
}

static void answer(Connection *connection, const char *line)
{
    if (g_ascii_strncasecmp(line, "EHLO", 4) == 0) {
        say(connection, ehlo_reply);
    } else if (g_ascii_strncasecmp(line, "RCPT", 4) == 0) {
        gboolean ours = strstr(line, RECIPIENT_DOMAIN ">") != NULL;
        say(connection, ours ? "250 2.1.5 Ok\r\n" : "554 5.7.1 Relay access denied\r\n");
    } else if (g_ascii_strncasecmp(line, "DATA", 4) == 0) {
        connection->in_message = TRUE;
        memcpy(connection->tail, "   \r\n", sizeof connection->tail);
        say(connection, "354 End data with <CR><LF>.<CR><LF>\r\n");
    } else if (g_ascii_strncasecmp(line, "QUIT", 4) == 0) {
        say(connection, "221 2.0.0 Bye\r\n");
    } else {
        say(connection, "250 2.0.0 Ok\r\n");
    }
}

/* Takes octets of a message away; TRUE once it has ended. */
static gboolean swallow(Connection *connection, struct evbuffer *input)
{
    const gsize kept = sizeof connection->tail;
    evbuffer_prepend(input, connection->tail, kept);
    struct evbuffer_ptr end = evbuffer_search(input, END_OF_MESSAGE, kept, NULL);
    gsize length = evbuffer_get_length(input);
    if (end.pos >= 0) {
        evbuffer_drain(input, (gsize)end.pos + kept);
        connection->in_message = FALSE;
        return TRUE;
    }
    evbuffer_drain(input, length - kept);
    evbuffer_remove(input, connection->tail, kept);
    return FALSE;
}

static void on_input(struct bufferevent *stream, void *data)
{
    Connection *connection = data;
    struct evbuffer *input = bufferevent_get_input(stream);
    while (evbuffer_get_length(input) > 0) {
        if (connection->in_message) {
            if (!swallow(connection, input))
                return;
            say(connection, "250 2.0.0 Ok: taken\r\n");
            continue;
        }
        char *line = evbuffer_readln(input, NULL, EVBUFFER_EOL_CRLF);
        if (line == NULL)
            return;
        answer(connection, line);
        free(line);
    }
}

static void on_end(struct bufferevent *stream, short what, void *data)
{
    connection_free(data);
}

static void on_connection(struct evconnlistener *listener, evutil_socket_t socket, struct sockaddr *address,
                          int length, void *data)
{
    const int on = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection *connection = g_new0(Connection, 1);
    connection->stream = bufferevent_socket_new(data, socket, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_set_max_single_read(connection->stream, 256 * 1024);
    bufferevent_setcb(connection->stream, on_input, NULL, on_end, connection);
    bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
    say(connection, "220 sink.example ESMTP\r\n");
}

static void on_standard_input(evutil_socket_t descriptor, short what, void *data)
{
    char octets[64];
    if (read(descriptor, octets, sizeof octets) <= 0)
        event_base_loopbreak(data);
}

int main(void)
{
    struct event_base *loop = event_base_new();
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct evconnlistener *listener =
        evconnlistener_new_bind(loop, on_connection, loop, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE, 4096,
                                (struct sockaddr *)&address, sizeof address);
    if (listener == NULL ||
        getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length) < 0)
        g_error("cannot listen: %s", g_strerror(errno));
    struct event *input = event_new(loop, STDIN_FILENO, EV_READ | EV_PERSIST, on_standard_input, loop);
    event_add(input, NULL);
    g_print("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    event_base_dispatch(loop);
    event_free(input);
    evconnlistener_free(listener);
    event_base_free(loop);
    return 0;
}
