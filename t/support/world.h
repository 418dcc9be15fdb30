/*
 * A world for the proxy's threads in which nothing waits: the clock is a number, a connection is two buffers,
 * and what the DNS and the inspector say is the test's. The code of proxy/connection runs in it as it is. All
 * that happens comes from one queue, in the order of time, then of asking, so a world can be run again as it
 * was.
 */
#pragma once

#include "proxy/connection/thread.h"
#include "proxy/connection/transport.h"
#include "proxy/connection/world.h"

#define NEVER G_MAXINT64
#define WORLD_THREADS_MAX 4

typedef struct World World;
typedef struct Wire Wire;
typedef struct WorldAsk WorldAsk;
typedef struct WorldInspection WorldInspection;

/* ---- time */

/* Of the proxy, or a test's own, embedded in what it belongs to. */
struct PosternTimer {
    World *world;
    gint64 at;
    guint64 turn;
    gsize place; /* in the queue, from 1; 0: not set */
    PosternWorldCallback callback;
    gpointer user_data;
};

void world_timer_init(World *world, PosternTimer *timer, PosternWorldCallback callback, gpointer user_data);
/* NEVER: not at all. */
void world_timer_set(PosternTimer *timer, gint64 at);

/* ---- connections */

/* What happens at the peer's end of a wire. From the queue only. */
typedef struct {
    void (*received)(Wire *wire, const char *octets, gsize length);
    /* The proxy says no more; the peer still may. */
    void (*shut)(Wire *wire);
    /* The proxy has closed, which is told even of a peer that is out of reach. wire_leave() is still to be
     * called. */
    void (*closed)(Wire *wire, gboolean reset);
} WirePeer;

struct Wire {
    PosternTransport transport; /* the proxy's end */
    World *world;
    PosternTimer ready;   /* the proxy is told */
    PosternTimer arrival; /* what it has sent comes to its peer */
    struct evbuffer *inbound, *outbound;
    gsize capacity; /* octets that may be on their way to the peer */
    guint wanted;
    PosternTransportEvent told; /* the last */
    guint references;
    int error;                             /* what the proxy's reads and writes give, or 0 */
    gboolean connecting, written, refused; /* refused: nothing was taken of the last write */
    gboolean whole;                        /* what the peer has said is read at once, next time */
    gboolean inbound_ended;                /* the peer says no more */
    gboolean shut, shut_told, proxy_gone, proxy_reset, peer_gone;
    gint64 stalled_until; /* the peer does not read before */
    gboolean vanished;    /* the peer is out of reach: nobody hears of anybody */
    const WirePeer *peer;
    gpointer user_data;
};

/* A wire from a peer that connects to the proxy: world_accept() it. */
Wire *wire_new(World *world, const WirePeer *peer, gpointer user_data);
/* That the proxy has opened: it is taken (error 0) or refused now. */
void wire_answer_connect(Wire *wire, int error);
void wire_say(Wire *wire, const char *octets, gsize length);
/* The peer says no more. */
void wire_end(Wire *wire);
/* The peer does not read until then. */
void wire_stall(Wire *wire, gint64 until);
/* Nothing comes or goes any more, and no end either. */
void wire_vanish(Wire *wire);
/* The peer closes; the wire is not its any more. reset: what was on its way is lost. NULL is allowed. */
void wire_leave(Wire *wire, gboolean reset);
/* The peer has a connection still, as far as the proxy can tell. */
gboolean wire_is_open(const Wire *wire);
/* Octets of the peer that the proxy has not read. */
gsize wire_unread(const Wire *wire);

/* ---- questions and inspections */

struct WorldAsk {
    PosternTimer timer; /* when it is answered; a test may set it anew */
    PosternAnswers *answers;
    PosternWorldCallback done;
    gpointer user_data;
};

struct WorldInspection {
    PosternTimer timer; /* when findings are told; a test may set it anew */
    PosternFindings *findings;
    const PosternFindings *told; /* in their place, the test's; or NULL */
    char *problem;               /* or NULL */
    PosternWorldInspected inspected;
    gpointer user_data;
};

/* ---- the world */

/* What the test decides, or is told. All but connect may be NULL. */
typedef struct {
    /* How many of length (over 0) octets go through at a time; 0: none now. NULL: all. */
    gsize (*portion)(World *world, gsize length);
    /* Milliseconds until what the proxy sends arrives. NULL: 0. */
    gint64 (*latency)(World *world);
    /* The proxy connects: the peer is to be set, and wire_answer_connect() to be called. FALSE: no descriptor
     * is left; the wire is freed. */
    gboolean (*connect)(World *world, Wire *wire, const PosternAddress *address);
    /* When the questions of ask are answered; NEVER: not by itself. NULL: now. */
    gint64 (*ask)(World *world, WorldAsk *ask);
    /* One of them. NULL: NXDOMAIN. */
    PosternAnswer *(*answer)(World *world, const PosternQuestion *question);
    /* INSPECT_…, of a message with envelope: at INSPECT_MESSAGE findings (all clean) are to be filled, and
     * the result is when they are told. NULL: now. */
    gint64 (*inspect)(World *world, WorldInspection *inspection, const PosternSessionAction *action,
                      const PosternEnvelope *envelope);
    void (*log)(World *world, const char *line);
} WorldHooks;

typedef struct {
    PosternWorld head;
    World *world;
    PosternProxyThread *thread;
    PosternTimer woken;
    gboolean drained;
} WorldThread;

struct World {
    const WorldHooks *hooks;
    gpointer user_data;
    gint64 now;
    GPtrArray *queue; /* of PosternTimer *, a heap */
    guint64 turn;
    guint64 steps;                          /* since the clock moved */
    guint timers, wires, asks, inspections; /* alive */
    PosternProxySettings *settings;
    PosternClientTable *clients;
    WorldThread threads[WORLD_THREADS_MAX];
    guint thread_count;
};

/* settings is taken over. The threads run, but nothing has happened yet. */
void world_start(World *world, const WorldHooks *hooks, gpointer user_data, PosternProxySettings *settings,
                 guint threads);
/* The next of the queue happens, if it is due by then; FALSE: it is not. The clock is not moved beyond. */
gboolean world_step(World *world, gint64 until);
/* When the next of the queue is; NEVER: there is none. */
gint64 world_next(const World *world);
/* All that happens up to that time, which it then is. */
void world_run(World *world, gint64 until);
void world_accept(World *world, guint thread, Wire *wire, const PosternAddress *client, gboolean submission);
void world_drain(World *world, guint timeout_ms);
/* All threads have told that they are drained. */
gboolean world_is_drained(const World *world);
/* Frees the threads; nothing of theirs may be left: no timer, wire, question, inspection or octet of memory.
 */
void world_stop(World *world);

extern const PosternTransportFunctions wire_functions;
