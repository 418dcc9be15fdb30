/*
 * Sends mail to a port of this machine over some connections at once, and says how it went:
 *     mail_load PORT CONNECTIONS MESSAGES MESSAGES_A_CONNECTION OCTETS [FILE…]
 * prints "messages=N seconds=S failed=F p50_ms=T p99_ms=T session_p50_ms=T cpu=S": of messages from MAIL to
 * the last reply, of whole sessions from their connection to the reply to QUIT, and its own processor time.
 * Commands are not pipelined, as most senders do not. A FILE is a whole message, sent in its turn instead of
 * one of so many octets.
 * --addresses=N before them spreads the connections over so many addresses of the loopback.
 * --client=ADDRESS tells the server by XCLIENT whose mail it is; with --senders, behind that, the
 * sender of a FILE is its name without the ending, "a@sender.example.eml".
 */
#include <arpa/inet.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <glib.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SENDER "sender@origin.example"

typedef enum { GREETING, EHLO, XCLIENT, AGAIN, MAIL, RCPT, DATA, DOT, QUIT } Step;

typedef struct {
    struct event_base *loop;
    struct sockaddr_in server;
    GPtrArray *messages; /* of GBytes *, with the dot */
    GPtrArray *senders;  /* of char *, one a message */
    GArray *times;       /* of gint64: microseconds from MAIL to the last reply, of each that was accepted */
    GArray *sessions;    /* of gint64: microseconds of each that ended as it should */
    guint wanted, begun, failed, next;
    guint a_connection;
    char *client;  /* NULL: none is told */
    int addresses; /* 0: the usual one */
    guint open, connected;
} Load;

typedef struct {
    Load *load;
    struct bufferevent *stream;
    Step step;
    guint left;
    guint message; /* the one at hand */
    gint64 since;
    gint64 connected_at;
} Client;

static void client_begin(Load *load);

static void client_end(Client *client, gboolean failed)
{
    Load *load = client->load;
    gint64 time = g_get_monotonic_time() - client->connected_at;
    if (!failed)
        g_array_append_val(load->sessions, time);
    load->failed += failed;
    load->open--;
    bufferevent_free(client->stream);
    g_free(client);
    if (load->begun < load->wanted)
        client_begin(load);
    else if (load->open == 0)
        event_base_loopbreak(load->loop);
}

static void say(Client *client, Step step, const char *command)
{
    client->step = step;
    bufferevent_write(client->stream, command, strlen(command));
}

static void send_message(Client *client)
{
    Load *load = client->load;
    gsize length;
    const char *octets = g_bytes_get_data(g_ptr_array_index(load->messages, client->message), &length);
    client->step = DOT;
    evbuffer_add_reference(bufferevent_get_output(client->stream), octets, length, NULL, NULL);
}

static void next_message(Client *client)
{
    Load *load = client->load;
    if (client->left == 0 || load->begun == load->wanted) {
        say(client, QUIT, "QUIT\r\n");
        return;
    }
    client->left--;
    load->begun++;
    client->since = g_get_monotonic_time();
    client->message = load->next++ % load->messages->len;
    g_autofree char *command = g_strdup_printf(
        "MAIL FROM:<%s>\r\n", (const char *)g_ptr_array_index(load->senders, client->message));
    say(client, MAIL, command);
}

/* FALSE: the client is gone. */
static gboolean on_reply(Client *client, int code)
{
    static const int expected[] = {220, 250, 220, 250, 250, 250, 354, 250, 221};
    if (code != expected[client->step] || client->step == QUIT) {
        client_end(client, client->step != QUIT);
        return FALSE;
    }
    switch (client->step) {
    case GREETING:
        say(client, EHLO, "EHLO client.origin.example\r\n");
        break;
    case EHLO:
        if (client->load->client == NULL) {
            next_message(client);
        } else {
            g_autofree char *command = g_strdup_printf("XCLIENT ADDR=%s\r\n", client->load->client);
            say(client, XCLIENT, command);
        }
        break;
    case XCLIENT:
        say(client, AGAIN, "EHLO client.origin.example\r\n");
        break;
    case MAIL:
        say(client, RCPT, "RCPT TO:<user@dest.example>\r\n");
        break;
    case RCPT:
        say(client, DATA, "DATA\r\n");
        break;
    case DATA:
        send_message(client);
        break;
    case DOT: {
        gint64 time = g_get_monotonic_time() - client->since;
        g_array_append_val(client->load->times, time);
        next_message(client);
        break;
    }
    default:
        next_message(client);
    }
    return TRUE;
}

static void on_input(struct bufferevent *stream, void *data)
{
    Client *client = data;
    char *line;
    while ((line = evbuffer_readln(bufferevent_get_input(stream), NULL, EVBUFFER_EOL_CRLF)) != NULL) {
        gboolean last = strlen(line) >= 4 && line[3] == ' ';
        int code = (int)g_ascii_strtoull(line, NULL, 10);
        free(line);
        if (last && !on_reply(client, code))
            return;
    }
}

static void on_event(struct bufferevent *stream, short what, void *data)
{
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR | BEV_EVENT_TIMEOUT))
        client_end(data, TRUE);
}

/* A socket with the next of the addresses. */
static int make_socket(Load *load)
{
    guint number = load->connected++ % (guint)load->addresses;
    const struct sockaddr_in source = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f010001 + number)};
    int descriptor = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (descriptor < 0 || bind(descriptor, (const struct sockaddr *)&source, sizeof source) < 0)
        g_error("cannot have a socket: %s", g_strerror(errno));
    return descriptor;
}

static void client_begin(Load *load)
{
    const struct timeval patience = {.tv_sec = 60};
    const int on = 1;
    Client *client = g_new0(Client, 1);
    client->load = load;
    client->connected_at = g_get_monotonic_time();
    client->left = load->a_connection;
    client->stream = bufferevent_socket_new(load->loop, load->addresses > 0 ? make_socket(load) : -1,
                                            BEV_OPT_CLOSE_ON_FREE);
    load->open++;
    bufferevent_setcb(client->stream, on_input, NULL, on_event, client);
    bufferevent_set_timeouts(client->stream, &patience, &patience);
    bufferevent_enable(client->stream, EV_READ | EV_WRITE);
    if (bufferevent_socket_connect(client->stream, (struct sockaddr *)&load->server, sizeof load->server) < 0)
        g_error("cannot connect: %s", g_strerror(errno));
    setsockopt(bufferevent_getfd(client->stream), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* A message of about so many octets, with its dot. */
static GBytes *make_message(gsize octets)
{
    GString *message = g_string_new("From: Sender <" SENDER ">\r\nTo: <user@dest.example>\r\n"
                                    "Subject: A message of the benchmark\r\n"
                                    "Date: Mon, 02 Nov 2026 10:00:00 +0000\r\n"
                                    "Message-ID: <1@origin.example>\r\n\r\n");
    while (message->len < octets)
        g_string_append(message, "Octets that stand for the text of a letter, sixty-six of them.\r\n");
    g_string_append(message, ".\r\n");
    return g_string_free_to_bytes(message);
}

static GBytes *read_message(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, &error))
        g_error("%s", error->message);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    GString *message = g_string_new(NULL);
    for (char **line = lines; *line != NULL && (line[0][0] != '\0' || line[1] != NULL); line++)
        g_string_append_printf(message, "%s%s\r\n", **line == '.' ? "." : "", g_strchomp(*line));
    g_string_append(message, ".\r\n");
    return g_string_free_to_bytes(message);
}

static int compare(const void *one, const void *other)
{
    gint64 a = *(const gint64 *)one, b = *(const gint64 *)other;
    return (a > b) - (a < b);
}

static double quantile(GArray *times, double part)
{
    if (times->len == 0)
        return 0;
    return (double)g_array_index(times, gint64, (guint)(part * (times->len - 1))) / 1000;
}

static guint number(const char *text)
{
    return (guint)g_ascii_strtoull(text, NULL, 10);
}

static char *sender_of(const char *path)
{
    char *name = g_path_get_basename(path);
    char *ending = strrchr(name, '.');
    if (ending != NULL)
        *ending = '\0';
    return name;
}

static void add_message(Load *load, GBytes *message, char *sender)
{
    g_ptr_array_add(load->messages, message);
    g_ptr_array_add(load->senders, sender);
}

/* The arguments behind the options. */
static void read_arguments(Load *load, int argc, char **argv, gboolean senders)
{
    if (argc < 6)
        g_error("usage: mail_load [OPTION…] PORT CONNECTIONS MESSAGES MESSAGES_A_CONNECTION OCTETS [FILE…]");
    load->server = (struct sockaddr_in){.sin_family = AF_INET,
                                        .sin_port = htons((guint16)number(argv[1])),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    load->wanted = number(argv[3]);
    load->a_connection = number(argv[4]);
    for (int i = 6; i < argc; i++)
        add_message(load, read_message(argv[i]), senders ? sender_of(argv[i]) : g_strdup(SENDER));
    if (argc == 6)
        add_message(load, make_message(number(argv[5])), g_strdup(SENDER));
}

int main(int argc, char **argv)
{
    gboolean senders = FALSE;
    g_autoptr(GError) error = NULL;
    Load load = {.loop = event_base_new(),
                 .messages = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref),
                 .senders = g_ptr_array_new_with_free_func(g_free),
                 .times = g_array_new(FALSE, FALSE, sizeof(gint64)),
                 .sessions = g_array_new(FALSE, FALSE, sizeof(gint64))};
    const GOptionEntry options[] = {
        {.long_name = "addresses", .arg = G_OPTION_ARG_INT, .arg_data = &load.addresses},
        {.long_name = "client", .arg = G_OPTION_ARG_STRING, .arg_data = &load.client},
        {.long_name = "senders", .arg = G_OPTION_ARG_NONE, .arg_data = &senders},
        {0}};
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_add_main_entries(context, options, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        g_error("%s", error->message);
    read_arguments(&load, argc, argv, senders);
    gint64 since = g_get_monotonic_time();
    for (guint i = 0; i < number(argv[2]); i++)
        client_begin(&load);
    event_base_dispatch(load.loop);
    double seconds = (double)(g_get_monotonic_time() - since) / G_USEC_PER_SEC;
    g_array_sort(load.times, compare);
    g_array_sort(load.sessions, compare);
    g_print("messages=%u seconds=%.4f failed=%u p50_ms=%.2f p99_ms=%.2f session_p50_ms=%.3f cpu=%.3f\n",
            load.times->len, seconds, load.failed, quantile(load.times, 0.5), quantile(load.times, 0.99),
            quantile(load.sessions, 0.5), (double)clock() / CLOCKS_PER_SEC);
    g_array_unref(load.times);
    g_array_unref(load.sessions);
    g_ptr_array_unref(load.messages);
    g_ptr_array_unref(load.senders);
    g_free(load.client);
    event_base_free(load.loop);
    return 0;
}
