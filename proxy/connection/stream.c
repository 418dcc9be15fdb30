#include "proxy/connection/stream.h"

#include <errno.h>
#include <event2/buffer.h>

#include "base/limits.h"

#define DIALOGUE_OCTETS 2048

struct PosternStream {
    PosternTransport *transport;
    PosternWorld *world;
    PosternTimer *timer;
    PosternStreamCallback callback;
    gpointer user_data;
    char *fresh; /* during INPUT: what was just read, before it is copied */
    gsize fresh_length;
    gboolean *freed;         /* during INPUT: told if the stream is freed */
    struct evbuffer *input;  /* NULL while there is none */
    struct evbuffer *output; /* likewise */
    int error;
    gboolean bulk;  /* much may be read at a time */
    gboolean flows; /* and came the last time */
    gboolean connecting;
    gboolean reading;
    gboolean ended;   /* the peer's end was seen */
    gboolean blocked; /* the transport takes nothing now */
    gboolean shutdown_wanted;
    gboolean reset;
};

static void want(PosternStream *stream)
{
    guint events = 0;
    if (stream->reading && !stream->ended)
        events |= POSTERN_TRANSPORT_READ;
    if (stream->blocked)
        events |= POSTERN_TRANSPORT_WRITE;
    stream->transport->functions->want(stream->transport, events);
}

static void fail(PosternStream *stream, int error)
{
    stream->error = error;
    stream->reading = stream->blocked = FALSE;
    want(stream);
    stream->callback(stream, POSTERN_STREAM_FAILED, stream->user_data);
}

static void keep(struct evbuffer **buffer, const void *octets, gsize length)
{
    if (length == 0)
        return;
    if (*buffer == NULL)
        *buffer = evbuffer_new();
    evbuffer_add(*buffer, octets, length);
}

static void drain(struct evbuffer **buffer, gsize length)
{
    evbuffer_drain(*buffer, length);
    if (evbuffer_get_length(*buffer) == 0)
        g_clear_pointer(buffer, evbuffer_free);
}

/* What the callback does not consume of the octets is kept. */
static void hand_over(PosternStream *stream, char *octets, gsize length)
{
    gboolean freed = FALSE;
    if (stream->input != NULL) {
        keep(&stream->input, octets, length);
        stream->callback(stream, POSTERN_STREAM_INPUT, stream->user_data);
        return;
    }
    stream->fresh = octets;
    stream->fresh_length = length;
    stream->freed = &freed;
    stream->callback(stream, POSTERN_STREAM_INPUT, stream->user_data);
    if (freed)
        return;
    keep(&stream->input, stream->fresh, stream->fresh_length);
    stream->fresh_length = 0;
    stream->freed = NULL;
}

static void read_into(PosternStream *stream, char *octets, gsize maximum)
{
    gssize length = stream->transport->functions->read(stream->transport, octets, maximum);
    stream->flows = length >= DIALOGUE_OCTETS;
    if (length > 0) {
        hand_over(stream, octets, (gsize)length);
    } else if (length == 0) {
        stream->ended = TRUE;
        want(stream);
        stream->callback(stream, POSTERN_STREAM_CLOSED, stream->user_data);
    } else if (errno != EAGAIN) {
        fail(stream, errno);
    }
}

G_GNUC_NO_INLINE static void read_much(PosternStream *stream)
{
    char octets[POSTERN_READ_MAX_OCTETS];
    read_into(stream, octets, stream->flows ? sizeof octets : sizeof octets / 2);
}

/* A dialogue comes in few octets: most of a large buffer would be touched for nothing. */
static void on_readable(PosternStream *stream)
{
    char octets[DIALOGUE_OCTETS];
    if (stream->bulk)
        read_much(stream);
    else
        read_into(stream, octets, sizeof octets);
}

static void apply_shutdown(PosternStream *stream)
{
    if (stream->shutdown_wanted && stream->output == NULL && !stream->blocked)
        stream->transport->functions->shutdown(stream->transport);
}

/* 0, or an errno. */
static int flush(PosternStream *stream)
{
    while (stream->output != NULL) {
        struct evbuffer_iovec pieces[POSTERN_WRITE_PIECES_MAX];
        int count = evbuffer_peek(stream->output, -1, NULL, pieces, G_N_ELEMENTS(pieces));
        gssize written = stream->transport->functions->write(stream->transport, pieces,
                                                             MIN(count, (int)G_N_ELEMENTS(pieces)), FALSE);
        if (written < 0)
            return errno == EAGAIN ? 0 : errno;
        drain(&stream->output, (gsize)written);
    }
    return 0;
}

static void on_writable(PosternStream *stream)
{
    PosternStreamEvent event = POSTERN_STREAM_DRAINED;
    int error;
    if (stream->connecting) {
        error = stream->transport->functions->finish_connect(stream->transport);
        event = POSTERN_STREAM_CONNECTED;
    } else {
        error = stream->error != 0 ? stream->error : flush(stream);
    }
    if (error != 0) {
        fail(stream, error);
        return;
    }
    stream->connecting = FALSE;
    stream->blocked = stream->output != NULL;
    want(stream);
    apply_shutdown(stream);
    if (event == POSTERN_STREAM_CONNECTED || !stream->blocked)
        stream->callback(stream, event, stream->user_data);
}

static void on_ready(PosternTransportEvent event, gpointer user_data)
{
    if (event == POSTERN_TRANSPORT_READ)
        on_readable(user_data);
    else
        on_writable(user_data);
}

static void on_deadline(gpointer user_data)
{
    PosternStream *stream = user_data;
    stream->callback(stream, POSTERN_STREAM_DEADLINE, stream->user_data);
}

PosternStream *postern_stream_new(PosternWorld *world, PosternTransport *transport, gboolean connecting,
                                  PosternStreamCallback callback, gpointer user_data)
{
    PosternStream *stream = g_new0(PosternStream, 1);
    stream->world = world;
    stream->connecting = stream->blocked = connecting;
    stream->callback = callback;
    stream->user_data = user_data;
    stream->timer = world->functions->timer_new(world, on_deadline, stream);
    postern_stream_replace_transport(stream, transport);
    return stream;
}

PosternTransport *postern_stream_transport(const PosternStream *stream)
{
    return stream->transport;
}

void postern_stream_replace_transport(PosternStream *stream, PosternTransport *transport)
{
    stream->transport = transport;
    transport->ready = on_ready;
    transport->user_data = stream;
    if (stream->error != 0)
        g_clear_pointer(&stream->output, evbuffer_free);
    stream->error = 0;
    want(stream);
}

gboolean postern_stream_is_idle(const PosternStream *stream)
{
    return stream->error == 0 && !stream->connecting && !stream->ended && !stream->blocked &&
           !stream->shutdown_wanted && stream->output == NULL && postern_stream_unread(stream) == 0;
}

PosternTransport *postern_stream_release(PosternStream *stream)
{
    PosternTransport *transport = stream->transport;
    if (stream->freed != NULL)
        *stream->freed = TRUE;
    stream->world->functions->timer_free(stream->timer);
    g_clear_pointer(&stream->input, evbuffer_free);
    g_clear_pointer(&stream->output, evbuffer_free);
    g_free(stream);
    return transport;
}

void postern_stream_free(PosternStream *stream)
{
    if (stream == NULL)
        return;
    gboolean reset = stream->reset;
    PosternTransport *transport = postern_stream_release(stream);
    transport->functions->close(transport, reset);
}

void postern_stream_set_bulk(PosternStream *stream, gboolean bulk)
{
    stream->bulk = bulk;
}

void postern_stream_set_reading(PosternStream *stream, gboolean reading)
{
    if (stream->reading == reading || stream->ended || stream->error != 0)
        return;
    stream->reading = reading;
    want(stream);
}

const char *postern_stream_input(PosternStream *stream, gsize *ret_length)
{
    struct evbuffer_iovec piece = {.iov_base = stream->fresh, .iov_len = stream->fresh_length};
    if (stream->input != NULL)
        evbuffer_peek(stream->input, -1, NULL, &piece, 1);
    *ret_length = piece.iov_len;
    return piece.iov_base;
}

void postern_stream_consume(PosternStream *stream, gsize length)
{
    if (length == 0)
        return;
    if (stream->input != NULL) {
        drain(&stream->input, length);
    } else {
        stream->fresh += length;
        stream->fresh_length -= length;
    }
}

gsize postern_stream_unread(const PosternStream *stream)
{
    return stream->input != NULL ? evbuffer_get_length(stream->input) : stream->fresh_length;
}

gboolean postern_stream_has_more(const PosternStream *stream)
{
    return postern_stream_unread(stream) > 0 || stream->transport->functions->has_input(stream->transport);
}

gsize postern_stream_send_some(PosternStream *stream, const struct iovec *pieces, int count, gboolean more)
{
    if (stream->error != 0 || stream->blocked)
        return 0;
    gsize wanted = 0;
    for (int i = 0; i < count; i++)
        wanted += pieces[i].iov_len;
    if (wanted == 0)
        return 0;
    gssize written = stream->transport->functions->write(stream->transport, pieces, count, more);
    gsize taken = written > 0 ? (gsize)written : 0;
    if (written < 0 && errno != EAGAIN)
        stream->error = errno; /* told by the loop: it waits to write */
    if (taken < wanted) {
        stream->blocked = TRUE;
        want(stream);
    }
    return taken;
}

void postern_stream_send(PosternStream *stream, const void *octets, gsize length)
{
    const struct iovec piece = postern_transport_piece(octets, length);
    gsize taken = postern_stream_send_some(stream, &piece, 1, FALSE);
    if (stream->error != 0)
        return;
    if (postern_stream_unsent(stream) + length - taken > POSTERN_STREAM_UNSENT_MAX_OCTETS) {
        stream->error = ENOBUFS; /* likewise */
        return;
    }
    keep(&stream->output, (const char *)octets + taken, length - taken);
}

gsize postern_stream_flush(PosternStream *stream)
{
    if (stream->error == 0 && !stream->connecting && stream->output != NULL) {
        stream->error = flush(stream);
        stream->blocked = stream->output != NULL;
        want(stream);
        apply_shutdown(stream);
    }
    return postern_stream_unsent(stream);
}

gsize postern_stream_unsent(const PosternStream *stream)
{
    return stream->output != NULL ? evbuffer_get_length(stream->output) : 0;
}

void postern_stream_shutdown(PosternStream *stream)
{
    stream->shutdown_wanted = TRUE;
    apply_shutdown(stream);
}

gboolean postern_stream_is_stuck(const PosternStream *stream, gint64 milliseconds)
{
    return stream->error == 0 && stream->transport->functions->is_stuck(stream->transport, milliseconds);
}

void postern_stream_abort(PosternStream *stream)
{
    stream->reset = TRUE;
}

void postern_stream_set_deadline(PosternStream *stream, gint64 deadline)
{
    stream->world->functions->timer_set(stream->timer, deadline);
}

gboolean postern_stream_peer_is_gone(const PosternStream *stream)
{
    return stream->ended || stream->connecting || stream->error == ECONNRESET || stream->error == EPIPE;
}

const char *postern_stream_error(const PosternStream *stream)
{
    return g_strerror(stream->error);
}
