#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "proxy/connection/thread_private.h"

/* No session, and no octet that is read belongs to one: only the header's own are. */
struct PosternArrival {
    PosternProxyThread *thread;
    PosternTransport *transport;
    PosternTimer *timer;
    PosternAddress peer;
    PosternAddress server;
    GByteArray *octets; /* of the header, so far */
    GList link;         /* in the thread's arrivals */
    PosternListenerKind kind;
    gboolean greeted; /* the client hears the greeting before its balancer says who it is */
};

static void forget(PosternArrival *arrival)
{
    PosternProxyThread *thread = arrival->thread;
    g_queue_unlink(&thread->arrivals, &arrival->link);
    thread->world->functions->timer_free(arrival->timer);
    postern_client_table_leave(thread->table, &arrival->peer, TRUE, postern_thread_now(thread));
    g_byte_array_unref(arrival->octets);
    g_free(arrival);
}

void postern_arrival_end(PosternArrival *arrival)
{
    arrival->transport->functions->close(arrival->transport, FALSE);
    forget(arrival);
}

/* The balancer does not do as the administrator says, or somebody speaks in its place. */
static void refuse(PosternArrival *arrival, const char *why)
{
    PosternProxyThread *thread = arrival->thread;
    g_autofree char *peer = postern_address_to_string(&arrival->peer);
    PosternLogLine *line = postern_log_line_new("refused");
    postern_log_line_add(line, "client", peer);
    postern_log_line_add(line, "proxy_protocol", why);
    postern_counters_add(thread->settings->counters, "connections_refused", "proxy_protocol", 1);
    postern_log_line_repeats(line, postern_log_line_text(line));
    thread->world->functions->log(thread->world, line);
    postern_arrival_end(arrival);
}

static void on_timer(gpointer data)
{
    refuse(data, "no PROXY header has come in time");
}

static void admit(PosternArrival *arrival, PosternProxyHeader *header)
{
    PosternProxyThread *thread = arrival->thread;
    PosternTransport *transport = arrival->transport;
    const PosternAddress client = header->proxied ? header->source : arrival->peer;
    const PosternAddress server = header->proxied ? header->destination : arrival->server;
    const PosternClientArrival facts = {
        .server = server, .kind = arrival->kind, .greeted = arrival->greeted, .header = header};
    forget(arrival);
    postern_thread_admit(thread, transport, &client, &facts);
    postern_proxy_header_clear(header);
}

static void on_ready(PosternTransportEvent event, gpointer user_data)
{
    PosternArrival *arrival = user_data;
    PosternTransport *transport = arrival->transport;
    for (;;) {
        PosternProxyHeader header;
        guint8 octets[POSTERN_PROXY_HEADER_MAX_OCTETS];
        const char *problem = NULL;
        gsize missing = 0;
        int result = postern_proxy_header_read(arrival->octets->data, arrival->octets->len, &missing, &header,
                                               &problem);
        if (result != 0) {
            if (result > 0)
                admit(arrival, &header);
            else
                refuse(arrival, problem);
            return;
        }
        gssize taken = transport->functions->read(transport, octets, MIN(missing, sizeof octets));
        if (taken < 0 && errno == EAGAIN)
            return;
        if (taken <= 0) { /* it only looks whether somebody listens */
            postern_arrival_end(arrival);
            return;
        }
        g_byte_array_append(arrival->octets, octets, (guint)taken);
    }
}

/* FALSE: it could not be said. */
static gboolean greet(PosternArrival *arrival)
{
    g_autofree char *greeting =
        g_strdup_printf("220 %s ESMTP\r\n", arrival->thread->settings->configuration->proxy.hostname);
    const gsize length = strlen(greeting);
    const struct iovec piece = postern_transport_piece(greeting, length);
    return arrival->transport->functions->write(arrival->transport, &piece, 1, FALSE) == (gssize)length;
}

void postern_arrival_new(PosternProxyThread *thread, PosternTransport *transport, const PosternAddress *peer,
                         const PosternAddress *server, PosternListenerKind kind, gboolean late)
{
    const PosternWorldFunctions *world = thread->world->functions;
    const guint maximum = thread->settings->configuration->proxy.max_connections;
    const PosternClientAllowance allowance = {.connections = maximum, .connections_total = maximum};
    if (postern_client_table_enter(thread->table, peer, &allowance, postern_thread_now(thread)) !=
        POSTERN_LIMIT_NONE) {
        transport->functions->close(transport, FALSE);
        return;
    }
    const guint wait_ms =
        late ? thread->settings->configuration->proxy.client_timeout_ms : POSTERN_PROXY_HEADER_TIMEOUT_MS;
    PosternArrival *arrival = g_new0(PosternArrival, 1);
    *arrival = (PosternArrival){.thread = thread,
                                .transport = transport,
                                .peer = *peer,
                                .server = *server,
                                .octets = g_byte_array_new(),
                                .link.data = arrival,
                                .kind = kind,
                                .greeted = late};
    g_queue_push_tail_link(&thread->arrivals, &arrival->link);
    arrival->timer = world->timer_new(thread->world, on_timer, arrival);
    world->timer_set(arrival->timer, postern_thread_now(thread) + wait_ms);
    if (late && !greet(arrival)) {
        postern_arrival_end(arrival);
        return;
    }
    transport->ready = on_ready;
    transport->user_data = arrival;
    transport->functions->want(transport, POSTERN_TRANSPORT_READ);
}
