/*
 * A transport in use: octets in, octets out, one deadline. Octets are kept only while they wait.
 */
#pragma once

#include "proxy/connection/world.h"

typedef enum {
    POSTERN_STREAM_CONNECTED, /* a connection that was being made is there */
    POSTERN_STREAM_INPUT,     /* there is input: postern_stream_input() */
    POSTERN_STREAM_DRAINED,   /* all that was said has been written, and more is taken */
    POSTERN_STREAM_CLOSED,    /* the peer has ended it; input may still be left */
    POSTERN_STREAM_FAILED,    /* postern_stream_error() says why */
    POSTERN_STREAM_DEADLINE,  /* the deadline has passed */
} PosternStreamEvent;

typedef struct PosternStream PosternStream;

/* From the loop only, never from inside a call to the stream. The stream may be freed in it. */
typedef void (*PosternStreamCallback)(PosternStream *stream, PosternStreamEvent event, gpointer user_data);

/* Around transport, which is taken over; connecting: it is still being made, and CONNECTED or FAILED follows.
 * world must outlive the stream. Reading is off. */
PosternStream *postern_stream_new(PosternWorld *world, PosternTransport *transport, gboolean connecting,
                                  PosternStreamCallback callback, gpointer user_data);
/* TRUE if the peer has not ended, and no octets wait here in either direction. */
gboolean postern_stream_is_idle(const PosternStream *stream);
/* Frees the stream, which is idle, and returns its transport as it is: the caller's. */
PosternTransport *postern_stream_release(PosternStream *stream);
/* What carries it, borrowed; and another that was made around it, when nothing waits here. Or what it was
 * made around itself, after it failed: of that and what waits to be sent nothing is known any more. */
PosternTransport *postern_stream_transport(const PosternStream *stream);
void postern_stream_replace_transport(PosternStream *stream, PosternTransport *transport);
/* Closes the transport. */
void postern_stream_free(PosternStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternStream, postern_stream_free)

/* Whether INPUT and CLOSED are wanted. */
void postern_stream_set_reading(PosternStream *stream, gboolean reading);
/* Whether up to POSTERN_READ_MAX_OCTETS may be read in one go; else few, as of a dialogue. */
void postern_stream_set_bulk(PosternStream *stream, gboolean bulk);

/* What came and was not consumed, or the first of it: *ret_length octets, valid until the next call. */
const char *postern_stream_input(PosternStream *stream, gsize *ret_length);
/* Octets of the input that are done with, no more than postern_stream_input() gave. */
void postern_stream_consume(PosternStream *stream, gsize length);
/* Octets that came and were not consumed. */
gsize postern_stream_unread(const PosternStream *stream);
/* TRUE if octets have come that were not consumed, here or in the transport. */
gboolean postern_stream_has_more(const PosternStream *stream);

/*
 * Writes octets, and keeps what is not taken at once. Nothing is said any more if more than
 * POSTERN_STREAM_UNSENT_MAX_OCTETS would be kept: FAILED follows.
 */
void postern_stream_send(PosternStream *stream, const void *octets, gsize length);
/* Writes what is taken at once of the pieces, in their order, and keeps nothing: the number of octets;
 * DRAINED follows if that is not all. more: as the transport is told. */
gsize postern_stream_send_some(PosternStream *stream, const struct iovec *pieces, int count, gboolean more);
/* Tries at once to send what waits; the octets that still do. */
gsize postern_stream_flush(PosternStream *stream);
/* Octets that wait to be sent. */
gsize postern_stream_unsent(const PosternStream *stream);

/* Says to the peer that nothing more comes, once all is sent. */
void postern_stream_shutdown(PosternStream *stream);
/* TRUE if octets wait to be sent, here or in the transport, although the peer has been heard of in the last
 * milliseconds: it is there, and does not read. */
gboolean postern_stream_is_stuck(const PosternStream *stream, gint64 milliseconds);
/* What waits to be sent, here or in the transport, is dropped when the stream is freed; the peer sees a
 * reset. */
void postern_stream_abort(PosternStream *stream);

/* DEADLINE comes at that time of the world, in milliseconds; G_MAXINT64: never. */
void postern_stream_set_deadline(PosternStream *stream, gint64 deadline);

/* TRUE if the peer has ended it, has no connection any more, or has none yet; FALSE after a failure of which
 * it may not have heard. */
gboolean postern_stream_peer_is_gone(const PosternStream *stream);
/* After FAILED: the system's words, static. */
const char *postern_stream_error(const PosternStream *stream);
