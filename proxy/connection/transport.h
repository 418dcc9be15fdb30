/*
 * What carries the octets of a connection: a table of functions. Nothing in it waits, and it keeps no octets
 * of its own. Sockets: socket_transport.h.
 */
#pragma once

#include <glib.h>
#include <sys/uio.h>

typedef enum {
    POSTERN_TRANSPORT_READ = 1 << 0, /* octets, the peer's end or an error can be read */
    POSTERN_TRANSPORT_WRITE =
        1 << 1, /* octets can be written, or a connection in the making is made or failed */
} PosternTransportEvent;

typedef struct PosternTransport PosternTransport;

/* From the loop, never from inside a function of the transport. The transport may be closed in it. */
typedef void (*PosternTransportReady)(PosternTransportEvent event, gpointer user_data);

typedef struct {
    /* At most maximum octets of what has come: their number; 0: the peer has ended; -1 and errno (EAGAIN:
     * there is nothing now; never EINTR). */
    gssize (*read)(PosternTransport *transport, void *octets, gsize maximum);
    /* Takes octets of the pieces in their order (writev(2)): their number, maybe fewer than there are; -1 and
     * errno (EAGAIN: none now; never EINTR). more: others follow, and nobody waits for these alone, so that
     * they need not leave at once. */
    gssize (*write)(PosternTransport *transport, const struct iovec *pieces, int count, gboolean more);
    /* The events (mask) that ready is called for from now on, as long as they last. */
    void (*want)(PosternTransport *transport, guint events);
    /* After the first WRITE of a connection that was being made: 0: it is there; else why not, an errno. */
    int (*finish_connect)(PosternTransport *transport);
    /* Says to the peer that nothing more comes. */
    void (*shutdown)(PosternTransport *transport);
    /* TRUE if octets have come that were not read, as far as the loop knows. */
    gboolean (*has_input)(PosternTransport *transport);
    /* TRUE if octets that were written have not left, although the peer has been heard of in the last
     * milliseconds: it is there, and does not read. */
    gboolean (*is_stuck)(PosternTransport *transport, gint64 milliseconds);
    /* At most so many octets may be under way to us from now on; 0: as the system says. NULL function: that
     * cannot be said. */
    void (*narrow)(PosternTransport *transport, guint octets);
    /* Memory of its own for length octets, that it does not need while nothing is wanted; NULL: it has not so
     * much. It is the caller's until want or close. NULL function: it never has any. */
    gpointer (*lend)(PosternTransport *transport, gsize length);
    /* Ends and frees it. reset: what was written and has not left is dropped, and the peer sees a reset; else
     * what was written arrives, and what has come is dropped. */
    void (*close)(PosternTransport *transport, gboolean reset);
} PosternTransportFunctions;

/* The head of each kind of transport. */
struct PosternTransport {
    const PosternTransportFunctions *functions;
    PosternTransportReady ready; /* set by whoever uses it, before want */
    gpointer user_data;
};

/* A piece to be written. */
static inline struct iovec postern_transport_piece(const void *octets, gsize length)
{
    return (struct iovec){.iov_base = GSIZE_TO_POINTER((guintptr)octets), .iov_len = length};
}
