/*
 * A connected socket on an event loop: octets in, octets out, one deadline. Buffers exist only while octets
 * wait in them. All sockets are non-blocking and close-on-exec.
 */
#pragma once

#include <event2/event.h>
#include <glib.h>

#include "mail/envelope.h"

typedef enum {
    POSTERN_STREAM_CONNECTED, /* postern_stream_connect() has succeeded */
    POSTERN_STREAM_INPUT,     /* there is input: postern_stream_input() */
    POSTERN_STREAM_DRAINED,   /* the output is empty again */
    POSTERN_STREAM_CLOSED,    /* the peer has ended it; input may still be left */
    POSTERN_STREAM_FAILED,    /* postern_stream_error() says why */
    POSTERN_STREAM_DEADLINE,  /* the deadline has passed */
} PosternStreamEvent;

typedef struct PosternStream PosternStream;

/* From the loop only, never from inside a call to the stream. The stream may be freed in it. */
typedef void (*PosternStreamCallback)(PosternStream *stream, PosternStreamEvent event, gpointer user_data);

/* Around a connected socket, which is taken over. loop must outlive the stream. Reading is off. */
PosternStream *postern_stream_new(struct event_base *loop, int socket, PosternStreamCallback callback,
                                  gpointer user_data);
/* To address and port; CONNECTED or FAILED follows. NULL and error where no socket can be had. */
PosternStream *postern_stream_connect(struct event_base *loop, const PosternAddress *address,
                                      PosternStreamCallback callback, gpointer user_data, GError **error);
/* Closes the socket. */
void postern_stream_free(PosternStream *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternStream, postern_stream_free)

/* Whether INPUT and CLOSED are wanted. */
void postern_stream_set_reading(PosternStream *stream, gboolean reading);

/* What came and was not consumed: *ret_length octets, valid until the next call. */
const char *postern_stream_input(PosternStream *stream, gsize *ret_length);
/* Octets of the input that are done with. */
void postern_stream_consume(PosternStream *stream, gsize length);

/* TRUE if octets have come that were not consumed, here or in the system. */
gboolean postern_stream_has_more(const PosternStream *stream);

/* Sends octets, keeping what the socket does not take. */
void postern_stream_send(PosternStream *stream, const void *octets, gsize length);
/* Octets that wait to be sent. */
gsize postern_stream_unsent(const PosternStream *stream);

/* Drops what has come and was not read: closing would else be a reset, which may overtake what was sent. */
void postern_stream_drop_input(PosternStream *stream);

/* TRUE until it is connected, or has failed to be. */
gboolean postern_stream_is_connecting(const PosternStream *stream);

/* Says to the peer that nothing more comes, once all is sent. */
void postern_stream_shutdown(PosternStream *stream);
/* TRUE if octets wait to be sent, here or in the system, although the peer has been heard of in the last
 * milliseconds: it is there, and does not read. */
gboolean postern_stream_is_stuck(const PosternStream *stream, gint64 milliseconds);
/* What waits to be sent, here or in the system, is dropped when the stream is freed; the peer sees a reset.
 */
void postern_stream_abort(PosternStream *stream);

/* DEADLINE comes at that monotonic time in milliseconds; G_MAXINT64: never. */
void postern_stream_set_deadline(PosternStream *stream, gint64 deadline);

/* After FAILED: TRUE if the peer has no connection any more; FALSE if it may not have heard of its end.
 */
gboolean postern_stream_peer_is_gone(const PosternStream *stream);
/* After FAILED: the system's words, static. */
const char *postern_stream_error(const PosternStream *stream);

/* The monotonic clock in milliseconds. */
gint64 postern_stream_now(void);
