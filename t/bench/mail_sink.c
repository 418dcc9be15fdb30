/*
 * An SMTP server that takes all mail for dest.example and example.org and keeps none: the back-end of the
 * benchmarks. It says its port on standard output and ends with its standard input; then it says
 * "connections=N most=N": how many it has had, and how many at once.
 *
 * --port=N       it listens there, not anywhere
 * --journal=FILE it takes mail of clients that it is told of by XCLIENT, and appends a line to FILE for each
 *                message, "SENDER SHA256 RECIPIENT…", before it answers
 * --delay=MS     after at most so long
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <fcntl.h>
#include <glib.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define END_OF_MESSAGE "\r\n.\r\n"

typedef struct {
    int port;
    int delay_ms;
    char *journal_path;
    int journal; /* -1: there is none */
    struct event_base *loop;
    guint connections, open, most;
} Sink;

typedef struct {
    Sink *sink;
    struct bufferevent *stream;
    struct event *answer; /* of a message that is journaled */
    gboolean has_quit;    /* and counts no more: its client may have another */
    gboolean in_message;
    char tail[sizeof END_OF_MESSAGE - 1]; /* the last octets of the message so far, the newest last */
    GString *line;                        /* of the journal: sender and recipients */
    GString *message;                     /* if it is journaled */
} Connection;

static const char greeting[] = "220 sink.example ESMTP\r\n";
static const char ehlo_reply[] =
    "250-sink.example\r\n250-PIPELINING\r\n250-SIZE 0\r\n"
    "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 XFORWARD NAME ADDR PORT PROTO "
    "HELO SOURCE\r\n";
static const char ehlo_reply_with_xclient[] =
    "250-sink.example\r\n250-PIPELINING\r\n250-SIZE 0\r\n"
    "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250 XCLIENT NAME ADDR PORT PROTO HELO\r\n";

static gboolean is_journaling(const Connection *connection)
{
    return connection->sink->journal >= 0;
}

static void say(Connection *connection, const char *reply)
{
    bufferevent_write(connection->stream, reply, strlen(reply));
}

static void connection_free(Connection *connection)
{
    connection->sink->open -= !connection->has_quit;
    bufferevent_free(connection->stream);
    event_free(connection->answer);
    g_string_free(connection->line, TRUE);
    g_string_free(connection->message, TRUE);
    g_free(connection);
}

/* What is between < and >. */
static void note_path(Connection *connection, const char *line)
{
    const char *begin = strchr(line, '<');
    const char *end = begin != NULL ? strchr(begin, '>') : NULL;
    if (end == NULL)
        return;
    g_string_append_c(connection->line, ' ');
    g_string_append_len(connection->line, begin + 1, end - begin - 1);
}

static void answer(Connection *connection, const char *line)
{
    if (g_ascii_strncasecmp(line, "EHLO", 4) == 0) {
        say(connection, is_journaling(connection) ? ehlo_reply_with_xclient : ehlo_reply);
    } else if (g_ascii_strncasecmp(line, "XCLIENT", 7) == 0) {
        say(connection, greeting);
    } else if (g_ascii_strncasecmp(line, "MAIL", 4) == 0) {
        g_string_truncate(connection->line, 0);
        note_path(connection, line);
        say(connection, "250 2.1.0 Ok\r\n");
    } else if (g_ascii_strncasecmp(line, "RCPT", 4) == 0) {
        gboolean ours = strstr(line, "@dest.example>") != NULL || strstr(line, "@example.org>") != NULL ||
                        strstr(line, "<postmaster>") != NULL;
        if (ours)
            note_path(connection, line);
        say(connection, ours ? "250 2.1.5 Ok\r\n" : "554 5.7.1 Relay access denied\r\n");
    } else if (g_ascii_strncasecmp(line, "DATA", 4) == 0) {
        connection->in_message = TRUE;
        memcpy(connection->tail, "   \r\n", sizeof connection->tail);
        say(connection, "354 End data with <CR><LF>.<CR><LF>\r\n");
    } else if (g_ascii_strncasecmp(line, "QUIT", 4) == 0) {
        connection->sink->open -= !connection->has_quit;
        connection->has_quit = TRUE;
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

/* Keeps the lines of a message, without what doubles their dots; TRUE once it has ended. */
static gboolean keep(Connection *connection, struct evbuffer *input)
{
    char *line;
    gsize length;
    while ((line = evbuffer_readln(input, &length, EVBUFFER_EOL_CRLF_STRICT)) != NULL) {
        gboolean dot = line[0] == '.';
        connection->in_message = !dot || length > 1;
        if (connection->in_message) {
            g_string_append_len(connection->message, line + dot, (gssize)(length - dot));
            g_string_append(connection->message, "\r\n");
        }
        free(line);
        if (!connection->in_message)
            return TRUE;
    }
    return FALSE;
}

/* In one write: it is in the file, whenever we are killed. */
static void write_journal(Connection *connection)
{
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, connection->message->str,
                                                            (gssize)connection->message->len);
    g_auto(GStrv) paths = g_strsplit(connection->line->str + 1, " ", 2);
    g_autofree char *line = g_strdup_printf("%s %s %s\n", paths[0], digest, paths[1] != NULL ? paths[1] : "");
    if (write(connection->sink->journal, line, strlen(line)) != (gssize)strlen(line))
        g_error("cannot write the journal: %s", g_strerror(errno));
    g_string_truncate(connection->message, 0);
}

static void end_message(Connection *connection)
{
    if (!is_journaling(connection)) {
        say(connection, "250 2.0.0 Ok: taken\r\n");
        return;
    }
    const struct timeval delay = {.tv_usec = 1000 * g_random_int_range(0, connection->sink->delay_ms + 1)};
    write_journal(connection);
    evtimer_add(connection->answer, &delay);
}

static void on_answer(evutil_socket_t descriptor, short what, void *data)
{
    say(data, "250 2.0.0 Ok: taken\r\n");
}

static void on_input(struct bufferevent *stream, void *data)
{
    Connection *connection = data;
    struct evbuffer *input = bufferevent_get_input(stream);
    while (evbuffer_get_length(input) > 0) {
        if (connection->in_message) {
            if (is_journaling(connection) ? !keep(connection, input) : !swallow(connection, input))
                return;
            end_message(connection);
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
    Sink *sink = data;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    Connection *connection = g_new0(Connection, 1);
    connection->sink = sink;
    sink->connections++;
    sink->open++;
    sink->most = MAX(sink->most, sink->open);
    connection->line = g_string_new(NULL);
    connection->message = g_string_new(NULL);
    connection->answer = evtimer_new(sink->loop, on_answer, connection);
    connection->stream = bufferevent_socket_new(sink->loop, socket, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_set_max_single_read(connection->stream, 256 * 1024);
    bufferevent_setcb(connection->stream, on_input, NULL, on_end, connection);
    bufferevent_enable(connection->stream, EV_READ | EV_WRITE);
    say(connection, greeting);
}

static void on_standard_input(evutil_socket_t descriptor, short what, void *data)
{
    char octets[64];
    if (read(descriptor, octets, sizeof octets) <= 0)
        event_base_loopbreak(data);
}

static void read_options(Sink *sink, int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    const GOptionEntry options[] = {
        {.long_name = "port", .arg = G_OPTION_ARG_INT, .arg_data = &sink->port},
        {.long_name = "journal", .arg = G_OPTION_ARG_FILENAME, .arg_data = &sink->journal_path},
        {.long_name = "delay", .arg = G_OPTION_ARG_INT, .arg_data = &sink->delay_ms},
        {0}};
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        g_error("%s", error->message);
    sink->journal = sink->journal_path != NULL
                        ? open(sink->journal_path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600)
                        : -1;
}

int main(int argc, char **argv)
{
    Sink sink = {.loop = event_base_new()};
    (void)signal(SIGPIPE, SIG_IGN);
    read_options(&sink, argc, argv);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((guint16)sink.port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct evconnlistener *listener =
        evconnlistener_new_bind(sink.loop, on_connection, &sink, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
                                4096, (struct sockaddr *)&address, sizeof address);
    if (listener == NULL ||
        getsockname(evconnlistener_get_fd(listener), (struct sockaddr *)&address, &length) < 0)
        g_error("cannot listen: %s", g_strerror(errno));
    struct event *input =
        event_new(sink.loop, STDIN_FILENO, EV_READ | EV_PERSIST, on_standard_input, sink.loop);
    event_add(input, NULL);
    g_print("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    event_base_dispatch(sink.loop);
    g_print("connections=%u most=%u\n", sink.connections, sink.most);
    event_free(input);
    evconnlistener_free(listener);
    event_base_free(sink.loop);
    g_free(sink.journal_path);
    return 0;
}
