#include <errno.h>
#include <string.h>

#include <event2/buffer.h>

#include "base/error.h"
#include "support/world.h"

#define CAPACITY_OCTETS (1 << 20)

static Wire *wire_of(PosternTransport *transport)
{
    return (Wire *)transport;
}

static void wire_unref(Wire *wire)
{
    if (--wire->references > 0)
        return;
    world_timer_set(&wire->ready, NEVER);
    world_timer_set(&wire->arrival, NEVER);
    evbuffer_free(wire->inbound);
    evbuffer_free(wire->outbound);
    wire->world->wires--;
    g_free(wire);
}

/* What the proxy would be told now, as epoll(7) does. */
static guint happens(const Wire *wire)
{
    if (wire->connecting)
        return 0;
    if (wire->error != 0)
        return POSTERN_TRANSPORT_READ | POSTERN_TRANSPORT_WRITE;
    gboolean readable = evbuffer_get_length(wire->inbound) > 0 || wire->inbound_ended;
    gboolean writable = evbuffer_get_length(wire->outbound) < wire->capacity;
    return (readable ? POSTERN_TRANSPORT_READ : 0) | (writable ? POSTERN_TRANSPORT_WRITE : 0);
}

static void look(Wire *wire)
{
    gboolean due = !wire->proxy_gone && (happens(wire) & wire->wanted) != 0;
    if (due != (wire->ready.place > 0))
        world_timer_set(&wire->ready, due ? wire->world->now : NEVER);
}

static void on_ready(gpointer user_data)
{
    Wire *wire = user_data;
    guint events = happens(wire) & wire->wanted;
    look(wire); /* again, while it is the case */
    if (events == 0)
        return;
    if (events == (POSTERN_TRANSPORT_READ | POSTERN_TRANSPORT_WRITE))
        events &= ~(guint)wire->told; /* in turn */
    wire->told = (PosternTransportEvent)events;
    wire->transport.ready(wire->told, wire->transport.user_data);
}

static gsize portion(const Wire *wire, gsize length)
{
    const WorldHooks *hooks = wire->world->hooks;
    return length > 0 && hooks->portion != NULL ? MIN(length, hooks->portion(wire->world, length)) : length;
}

static gboolean is_read(const Wire *wire)
{
    return !wire->vanished && (wire->stalled_until <= wire->world->now || wire->proxy_gone);
}

/* The end is told in any case: it is what a test goes by. */
static void expect_arrival(Wire *wire)
{
    World *world = wire->world;
    gint64 latency = world->hooks->latency != NULL ? world->hooks->latency(world) : 0;
    gint64 at = world->now + latency;
    if (!wire->proxy_gone)
        at = wire->vanished ? NEVER : MAX(at, wire->stalled_until);
    if (!wire->peer_gone && (wire->arrival.place == 0 || wire->proxy_gone))
        world_timer_set(&wire->arrival, at);
}

static gssize wire_read(PosternTransport *transport, void *octets, gsize maximum)
{
    Wire *wire = wire_of(transport);
    gsize length = evbuffer_get_length(wire->inbound);
    gsize taken = wire->whole ? MIN(length, maximum) : portion(wire, MIN(length, maximum));
    wire->whole = FALSE;
    if (length > 0 && taken > 0)
        return evbuffer_remove(wire->inbound, octets, taken);
    look(wire);
    if (length == 0 && wire->error == 0 && wire->inbound_ended)
        return 0;
    errno = length == 0 && wire->error != 0 ? wire->error : EAGAIN;
    return -1;
}

static gssize wire_write(PosternTransport *transport, const struct iovec *pieces, int count, gboolean more)
{
    Wire *wire = wire_of(transport);
    gsize length = 0;
    g_assert_false(wire->connecting || wire->shut);
    for (int i = 0; i < count; i++)
        length += pieces[i].iov_len;
    gsize room = wire->capacity - MIN(wire->capacity, evbuffer_get_length(wire->outbound));
    gsize taken = MIN(room, length);
    if (wire->written) /* a socket that is new has room */
        taken = portion(wire, taken);
    wire->written = TRUE;
    wire->refused = taken == 0;
    if (wire->error != 0 || taken == 0) {
        errno = wire->error != 0 ? wire->error : EAGAIN;
        return -1;
    }
    for (gsize left = taken; left > 0; pieces++) {
        gsize part = MIN(left, pieces->iov_len);
        evbuffer_add(wire->outbound, pieces->iov_base, part);
        left -= part;
    }
    if (wire->peer_gone)
        wire->error = ECONNRESET; /* nobody is there: the next call hears of it */
    expect_arrival(wire);
    look(wire);
    return (gssize)taken;
}

static void wire_want(PosternTransport *transport, guint events)
{
    Wire *wire = wire_of(transport);
    wire->wanted = events;
    look(wire);
}

static int wire_finish_connect(PosternTransport *transport)
{
    return wire_of(transport)->error;
}

static void wire_shutdown(PosternTransport *transport)
{
    Wire *wire = wire_of(transport);
    wire->shut = TRUE;
    expect_arrival(wire);
}

static gboolean wire_has_input(PosternTransport *transport)
{
    return wire_unread(wire_of(transport)) > 0;
}

static gboolean wire_is_stuck(PosternTransport *transport, gint64 milliseconds)
{
    const Wire *wire = wire_of(transport);
    return !wire->vanished && !is_read(wire) && evbuffer_get_length(wire->outbound) > 0;
}

static void wire_close(PosternTransport *transport, gboolean reset)
{
    Wire *wire = wire_of(transport);
    wire->proxy_gone = TRUE;
    wire->proxy_reset = reset;
    wire->wanted = 0;
    world_timer_set(&wire->ready, NEVER);
    if (wire->proxy_reset)
        evbuffer_drain(wire->outbound, evbuffer_get_length(wire->outbound));
    expect_arrival(wire);
    wire_unref(wire);
}

const PosternTransportFunctions wire_functions = {
    .read = wire_read,
    .write = wire_write,
    .want = wire_want,
    .finish_connect = wire_finish_connect,
    .shutdown = wire_shutdown,
    .has_input = wire_has_input,
    .is_stuck = wire_is_stuck,
    .close = wire_close,
};

static void deliver(Wire *wire)
{
    gsize length = evbuffer_get_length(wire->outbound);
    if (length == 0)
        return;
    g_autofree char *octets = g_malloc(length);
    evbuffer_remove(wire->outbound, octets, length);
    wire->peer->received(wire, octets, length);
}

static void on_arrival(gpointer user_data)
{
    Wire *wire = user_data;
    gboolean read = is_read(wire);
    wire->references++;
    if (!wire->peer_gone && read)
        deliver(wire);
    if (!wire->peer_gone && read && wire->shut && !wire->shut_told) {
        wire->shut_told = TRUE;
        wire->peer->shut(wire);
    }
    if (!wire->peer_gone && wire->proxy_gone)
        wire->peer->closed(wire, wire->proxy_reset);
    look(wire);
    wire_unref(wire);
}

Wire *wire_new(World *world, const WirePeer *peer, gpointer user_data)
{
    Wire *wire = g_new0(Wire, 1);
    wire->transport.functions = &wire_functions;
    wire->world = world;
    wire->inbound = evbuffer_new();
    wire->outbound = evbuffer_new();
    wire->capacity = CAPACITY_OCTETS;
    wire->references = 2; /* either end's */
    wire->peer = peer;
    wire->user_data = user_data;
    world_timer_init(world, &wire->ready, on_ready, wire);
    world_timer_init(world, &wire->arrival, on_arrival, wire);
    world->wires++;
    return wire;
}

void wire_answer_connect(Wire *wire, int error)
{
    wire->connecting = FALSE;
    wire->error = error;
    look(wire);
}

void wire_say(Wire *wire, const char *octets, gsize length)
{
    if (wire->proxy_gone || wire->vanished)
        return;
    evbuffer_add(wire->inbound, octets, length);
    look(wire);
}

void wire_end(Wire *wire)
{
    if (wire->vanished)
        return;
    wire->inbound_ended = TRUE;
    look(wire);
}

void wire_stall(Wire *wire, gint64 until)
{
    wire->stalled_until = until;
    if (wire->arrival.place > 0 && !wire->proxy_gone)
        world_timer_set(&wire->arrival, MAX(wire->arrival.at, until));
}

void wire_vanish(Wire *wire)
{
    wire->vanished = TRUE;
    if (!wire->proxy_gone)
        world_timer_set(&wire->arrival, NEVER);
}

void wire_leave(Wire *wire, gboolean reset)
{
    if (wire == NULL)
        return;
    wire->peer_gone = TRUE;
    world_timer_set(&wire->arrival, NEVER);
    /* tcp(7): who closes while octets come to it resets, too. */
    if (!wire->vanished && (reset || evbuffer_get_length(wire->outbound) > 0))
        wire->error = ECONNRESET;
    if (!wire->vanished)
        wire_end(wire);
    evbuffer_drain(wire->outbound, evbuffer_get_length(wire->outbound));
    wire_unref(wire);
}

gboolean wire_is_open(const Wire *wire)
{
    return !(wire->proxy_gone && (wire->proxy_reset || wire->vanished || wire->connecting));
}

gsize wire_unread(const Wire *wire)
{
    return evbuffer_get_length(wire->inbound);
}
