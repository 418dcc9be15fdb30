/*
 * A mail server's side of the milter protocol, at speed: transactions over one connection or many at once, of
 * ten eight that are aborted at different steps, one that must be accepted and one that must be refused.
 * milter_load PORT CONNECTIONS TRANSACTIONS prints `accepted N refused N aborted N put_off N`, and fails
 * where a milter says anything else. The milter is on 127.0.0.1.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define KINDS 10
#define KIND_ACCEPTED 8
#define KIND_REFUSED 9
#define EVENTS 64
#define PACKET_MAX 65536
#define WAIT_MS 60000
#define VERSION 6
#define STEPS 0x1fffffU
#define CONNECT_PAYLOAD                                                                                      \
    "client.example\0004\x10\xe1"                                                                            \
    "198.51.100.7"

typedef enum {
    WAITS_FOR_OFFER,
    WAITS_FOR_GREETING, /* the replies to CONNECT and HELO, where there are any */
    WAITS_FOR_MAIL,
    WAITS_FOR_REST,
    IDLE,
} State;

typedef struct {
    int descriptor;
    State state;
    guint32 steps;
    guint kind;
    guint replies; /* that are still to come before the outcome */
    GByteArray *in;
} Connection;

typedef struct {
    guint64 begun;
    guint64 wanted;
    guint64 done;
    guint64 accepted;
    guint64 refused;
    guint64 aborted;
    guint64 put_off;
} Load;

static void fail(const char *what, char letter)
{
    fprintf(stderr, "milter_load: %s (%c): %s\n", what, letter != '\0' ? letter : '-', strerror(errno));
    exit(1);
}

static void add(GByteArray *out, char command, const void *payload, gsize length)
{
    guint32 size = GUINT32_TO_BE((guint32)length + 1);
    g_byte_array_append(out, (const guint8 *)&size, sizeof size);
    g_byte_array_append(out, (const guint8 *)&command, 1);
    g_byte_array_append(out, payload, (guint)length);
}

/* What is sent is small, and the milter reads: the socket always has room. */
static void send_all(const Connection *connection, GByteArray *out)
{
    gsize sent = 0;
    while (sent < out->len) {
        gssize length = send(connection->descriptor, out->data + sent, out->len - sent, MSG_NOSIGNAL);
        if (length < 0)
            fail("cannot send", '\0');
        sent += (gsize)length;
    }
    g_byte_array_unref(out);
}

static guint replies_of(const Connection *connection, guint32 silent)
{
    return (connection->steps & silent) != 0 ? 0 : 1;
}

static void send_mail(Connection *connection, Load *load)
{
    static const char accepted[] = "<a@pass.example>";
    static const char refused[] = "<a@fail.example>";
    static const char macros[] = "Mi\0LOAD";
    if (load->begun == load->wanted) {
        connection->state = IDLE;
        return;
    }
    connection->kind = (guint)(load->begun++ % KINDS);
    connection->state = WAITS_FOR_MAIL;
    GByteArray *out = g_byte_array_new();
    add(out, SMFIC_MACRO, macros, sizeof macros);
    add(out, SMFIC_MAIL, connection->kind == KIND_REFUSED ? refused : accepted, sizeof accepted);
    send_all(connection, out);
}

/* Of what is behind MAIL a kind sends its number of steps, and then gives up. */
static void send_rest(Connection *connection)
{
    static const char recipient[] = "<b@example.org>";
    static const char from[] = "From\0 a@pass.example";
    static const char forged[] = "Authentication-Results\0 mx.example.org; spf=pass";
    static const char body[] = "Hello.\r\n";
    GByteArray *out = g_byte_array_new();
    guint steps = connection->kind;
    connection->state = WAITS_FOR_REST;
    connection->replies = 0;
    if (steps >= 1) {
        add(out, SMFIC_RCPT, recipient, sizeof recipient);
        connection->replies += replies_of(connection, SMFIP_NR_RCPT);
    }
    if (steps >= 2)
        add(out, SMFIC_HEADER, from, sizeof from);
    if (steps >= 3)
        add(out, SMFIC_HEADER, forged, sizeof forged);
    if (steps >= 4)
        add(out, SMFIC_EOH, "", 0);
    for (guint i = 5; i <= MIN(steps, 7); i++) {
        add(out, SMFIC_BODY, body, sizeof body - 1);
        connection->replies += replies_of(connection, SMFIP_NR_BODY);
    }
    add(out, steps >= KIND_ACCEPTED ? SMFIC_BODYEOB : SMFIC_ABORT, "", 0);
    send_all(connection, out);
}

static void next(Connection *connection, Load *load, guint64 *count)
{
    (*count)++;
    load->done++;
    send_mail(connection, load);
}

static void check_aborted(Connection *connection, Load *load)
{
    if (connection->replies == 0 && connection->kind < KIND_ACCEPTED)
        next(connection, load, &load->aborted);
}

static gboolean is_put_off(char letter, const guint8 *payload, gsize length)
{
    return letter == SMFIR_REPLYCODE && length > 3 && memcmp(payload, "451", 3) == 0;
}

static void take_outcome(Connection *connection, Load *load, char letter, const guint8 *payload, gsize length)
{
    if (strchr("imqp", letter) != NULL)
        return;
    if (is_put_off(letter, payload, length))
        next(connection, load, &load->put_off);
    else if (letter == SMFIR_ACCEPT && connection->kind == KIND_ACCEPTED)
        next(connection, load, &load->accepted);
    else if (letter == SMFIR_REPLYCODE && connection->kind == KIND_REFUSED && memcmp(payload, "550", 3) == 0)
        next(connection, load, &load->refused);
    else
        fail("another verdict than it should be", letter);
}

static void greet(Connection *connection, const guint8 *payload)
{
    static const char client[] = CONNECT_PAYLOAD;
    GByteArray *out = g_byte_array_new();
    memcpy(&connection->steps, payload + 2 * sizeof(guint32), sizeof connection->steps);
    connection->steps = GUINT32_FROM_BE(connection->steps);
    connection->replies = replies_of(connection, SMFIP_NR_CONN) + replies_of(connection, SMFIP_NR_HELO);
    connection->state = WAITS_FOR_GREETING;
    add(out, SMFIC_CONNECT, client, sizeof client);
    add(out, SMFIC_HELO, "client.example", sizeof "client.example");
    send_all(connection, out);
}

static void take(Connection *connection, Load *load, char letter, const guint8 *payload, gsize length)
{
    if (connection->state == WAITS_FOR_OFFER) {
        if (letter != SMFIC_OPTNEG || length < 3 * sizeof(guint32))
            fail("no answer to the offer", letter);
        greet(connection, payload);
        if (connection->replies == 0)
            send_mail(connection, load);
    } else if (connection->state == WAITS_FOR_MAIL && is_put_off(letter, payload, length)) {
        next(connection, load, &load->put_off);
    } else if (connection->state == WAITS_FOR_REST && connection->replies == 0) {
        take_outcome(connection, load, letter, payload, length);
    } else if (letter != SMFIR_CONTINUE) {
        fail("no SMFIR_CONTINUE", letter);
    } else if (connection->state == WAITS_FOR_MAIL) {
        send_rest(connection);
        check_aborted(connection, load);
    } else {
        connection->replies--;
        if (connection->state == WAITS_FOR_REST)
            check_aborted(connection, load);
        else if (connection->replies == 0)
            send_mail(connection, load);
    }
}

static void read_some(Connection *connection, Load *load)
{
    guint8 octets[4096];
    guint32 size;
    gssize length = recv(connection->descriptor, octets, sizeof octets, 0);
    if (length <= 0)
        fail("the milter has hung up", '\0');
    g_byte_array_append(connection->in, octets, (guint)length);
    while (connection->in->len > sizeof size) {
        memcpy(&size, connection->in->data, sizeof size);
        size = GUINT32_FROM_BE(size);
        if (size == 0 || size > PACKET_MAX)
            fail("a packet of a wrong size", '\0');
        if (connection->in->len < sizeof size + size)
            return;
        const guint8 *packet = connection->in->data + sizeof size;
        take(connection, load, (char)packet[0], packet + 1, size - 1);
        g_byte_array_remove_range(connection->in, 0, (guint)sizeof size + size);
    }
}

static void dial(Connection *connection, guint16 port, int events)
{
    const int on = 1;
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const guint32 offer[] = {GUINT32_TO_BE(VERSION), GUINT32_TO_BE(SMFI_CURR_ACTS), GUINT32_TO_BE(STEPS)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    GByteArray *out = g_byte_array_new();
    connection->descriptor = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connection->in = g_byte_array_new();
    if (connection->descriptor < 0 ||
        connect(connection->descriptor, (const struct sockaddr *)&address, sizeof address) != 0 ||
        epoll_ctl(events, EPOLL_CTL_ADD, connection->descriptor, &event) != 0)
        fail("cannot connect", '\0');
    (void)setsockopt(connection->descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    add(out, SMFIC_OPTNEG, offer, sizeof offer);
    send_all(connection, out);
}

static void run(Load *load, int events)
{
    struct epoll_event ready[EVENTS];
    while (load->done < load->wanted) {
        int count = epoll_wait(events, ready, EVENTS, WAIT_MS);
        if (count <= 0)
            fail("the milter does not answer", '\0');
        for (int i = 0; i < count; i++)
            read_some(ready[i].data.ptr, load);
    }
}

int main(int argc, char **argv)
{
    guint64 port = 0;
    guint64 connections = 0;
    Load load = {0};
    if (argc != 4 || !g_ascii_string_to_unsigned(argv[1], 10, 1, G_MAXUINT16, &port, NULL) ||
        !g_ascii_string_to_unsigned(argv[2], 10, 1, 100000, &connections, NULL) ||
        !g_ascii_string_to_unsigned(argv[3], 10, 1, G_MAXUINT32, &load.wanted, NULL)) {
        fprintf(stderr, "usage: milter_load PORT CONNECTIONS TRANSACTIONS\n");
        return 64;
    }
    int events = epoll_create1(EPOLL_CLOEXEC);
    g_autofree Connection *all = g_new0(Connection, connections);
    for (guint i = 0; i < connections; i++)
        dial(&all[i], (guint16)port, events);
    run(&load, events);
    for (guint i = 0; i < connections; i++) {
        close(all[i].descriptor);
        g_byte_array_unref(all[i].in);
    }
    close(events);
    printf("accepted %" G_GUINT64_FORMAT " refused %" G_GUINT64_FORMAT " aborted %" G_GUINT64_FORMAT
           " put_off %" G_GUINT64_FORMAT "\n",
           load.accepted, load.refused, load.aborted, load.put_off);
    return 0;
}
