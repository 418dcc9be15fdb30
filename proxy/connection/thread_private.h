/*
 * The inside of a thread, shared by thread.c (life, commands from outside), dispatch.c (who acts next),
 * clients.c, client.c, backend.c and relay_probe.c. All of it runs on the loop of the thread's world.
 *
 * Nothing calls back and forth: an event changes one state machine and marks its connection;
 * postern_thread_run() then lets every marked connection act until none is left. Connections find one another
 * by number.
 */
#pragma once

#include "base/deadlines.h"
#include "base/slab.h"
#include "proxy/connection/stream.h"
#include "proxy/connection/thread.h"
#include "proxy/servers/pool.h"

typedef struct PosternClientConnection PosternClientConnection;
typedef struct PosternNameLookUp PosternNameLookUp;
typedef struct PosternBackendConnection PosternBackendConnection;

/* A client. While it is parked (it waits for its greeting, or for its own next command) this is all there is
 * of it: at most 512 octets of heap, with its transport. */
typedef struct {
    guint64 number; /* of the slab */
    PosternProxyThread *thread;
    PosternProxySettings *settings;      /* of the time when it connected */
    PosternClientConnection *connection; /* NULL: it is parked */
    PosternTransport *transport;         /* while it is parked, else NULL */
    PosternParkedSession parked;         /* likewise, else empty */
    PosternNameLookUp *name_look_up;     /* while one runs, or NULL */
    GList waiting_link; /* in the thread's waiting clients; its data is NULL while it is not */
    PosternDeadline deadline;
    PosternAddress address;
    gboolean announced_changed; /* what the back-ends announce is new since it was parked */
} PosternClient;

/* Who is to act, the longest marked first. */
typedef struct {
    GArray *numbers; /* of guint64 */
    guint first;     /* those before it have acted */
} PosternMarks;

struct PosternProxyThread {
    PosternWorld *world;
    PosternTimer *pool_timer;
    PosternTimer *parked_timer;
    PosternTimer *drain_timer;
    PosternProxySettings *settings;
    PosternClientTable *table;
    PosternPool *pool;
    GHashTable *probes;       /* PosternServer -> PosternRelayProbe (relay_probe.c) */
    PosternEhlo capabilities; /* the servers', once known */
    gboolean capabilities_known;
    gboolean draining;
    gboolean drained;         /* the world was told */
    gboolean running;         /* inside postern_thread_run() */
    gint64 now;               /* when that began */
    PosternSlab *clients;     /* of PosternClient */
    PosternDeadlines *parked; /* of those that are parked */
    GHashTable *backends;     /* number -> PosternBackendConnection */
    GQueue waiting_clients;   /* of PosternClient *, those that may be let go, the longest first */
    PosternMarks marked_clients;
    PosternMarks marked_backends;
};

/* The clock of its world: monotonic milliseconds; for what happens at one event it does not go on. */
static inline gint64 postern_thread_now(const PosternProxyThread *thread)
{
    return thread->running ? thread->now : thread->world->functions->now(thread->world);
}

/* dispatch.c */
/* Lets all that is marked act, until nothing is. To be called at the end of every event of the loop. */
void postern_thread_run(PosternProxyThread *thread);
void postern_thread_mark_client(PosternProxyThread *thread, guint64 number);
void postern_thread_mark_backend(PosternProxyThread *thread, guint64 number);
/* The pool of the group that BORROW names: there is one, the default group. */
PosternPool *postern_thread_pool(PosternProxyThread *thread, const char *route);
/* Logs what is wrong with server, once while it stays the same; NULL: nothing any more. */
void postern_thread_note_problem(PosternProxyThread *thread, PosternServer *server, const char *problem);

/* clients.c: clients from their connection to their end, at work or parked. */
/* A client has connected to server; transport is taken over; submission as for a session. */
void postern_client_new(PosternProxyThread *thread, PosternTransport *transport,
                        const PosternAddress *address, const PosternAddress *server, gboolean submission);
/* For the slab: frees what it has (a PosternClient), without a word to the client. */
void postern_client_clear(gpointer client);
/* It is gone. */
void postern_client_end(PosternClient *client);
/* The connection of a client that is at work; NULL: it is parked, or gone. */
PosternClientConnection *postern_client_find(PosternProxyThread *thread, guint64 number);
/* Its connection; one that is parked is at work again, and to be marked. */
PosternClientConnection *postern_client_resume(PosternClient *client);
/* Its session is parked: until deadline, or until something comes over transport. Its connection is the
 * caller's to free. */
void postern_client_park(PosternClient *client, PosternTransport *transport, gint64 deadline);
/* The deadline of a parked one has passed. */
void postern_client_timer(PosternProxyThread *thread);
/* Puts it last among those that may be let go, or takes it out. TRUE: it was not as wanted. */
gboolean postern_client_set_waiting(PosternClient *client, gboolean waiting);
/* Lets a client go in favour of the one at address: one without a message, one that is silent in the middle
 * of it, or one of an address with more connections. FALSE: there is none. */
gboolean postern_client_let_one_go(PosternProxyThread *thread, const PosternAddress *address);
/* Looks up the name of address for its session, in place of a look-up that runs. */
void postern_client_look_up_name(PosternClient *client, const PosternAddress *address);

/* client.c: the connection of a client at work. */
/* Around session and transport, which are taken over. */
PosternClientConnection *postern_client_connection_new(PosternClient *client, PosternSession *session,
                                                       PosternTransport *transport);
void postern_client_connection_free(PosternClientConnection *client);
/* Acts on all its session wants; frees it if it is done. */
void postern_client_connection_run(PosternClientConnection *client);
/* Whether it may go for any other client. */
gboolean postern_client_connection_is_dispensable(const PosternClientConnection *client);
/* It goes for another client. */
void postern_client_connection_let_go(PosternClientConnection *client);
PosternSession *postern_client_connection_session(PosternClientConnection *client);
/* What its session goes by: the settings of the time when it connected. */
const PosternProxySettings *postern_client_connection_settings(const PosternClientConnection *client);
/* A back-end serves it now: the session is told. */
void postern_client_connection_give(PosternClientConnection *client, PosternBackendConnection *backend);
/* Somebody needs that connection; nothing if it is on its way back. */
void postern_client_connection_recall(PosternClientConnection *client, guint64 connection);
/* An event of its back-end. */
void postern_client_connection_backend_event(PosternClientConnection *client,
                                             const PosternBackendEvent *event);

/* backend.c */
/* Opens a connection of that number to server; the pool is told how it goes. */
void postern_backend_connection_open(PosternProxyThread *thread, guint64 number, PosternServer *server);
PosternServer *postern_backend_connection_server(const PosternBackendConnection *connection);
/* A client's session speaks on it. */
gboolean postern_backend_connection_is_in_use(const PosternBackendConnection *connection);
void postern_backend_connection_free(PosternBackendConnection *connection);
void postern_backend_connection_run(PosternBackendConnection *connection);
PosternBackend *postern_backend_connection_backend(PosternBackendConnection *connection);
guint64 postern_backend_connection_number(const PosternBackendConnection *connection);
/* What it was opened by. */
const PosternProxySettings *postern_backend_connection_settings(const PosternBackendConnection *connection);
/* FALSE once a reload has made another back-end of it: what it proves holds for nobody, and no new client
 * gets it. */
gboolean postern_backend_connection_is_current(const PosternBackendConnection *connection);
/* client's events are its from now on. */
void postern_backend_connection_set_user(PosternBackendConnection *connection, guint64 client);
/* Its events are its server's relay probe's. */
void postern_backend_connection_set_probe(PosternBackendConnection *connection);
/* Its client is done: it goes back to the pool once it is reset. */
void postern_backend_connection_return(PosternBackendConnection *connection);
/* Its client is gone in the middle of something: closed without a word, its slot free when the peer has
 * closed. */
void postern_backend_connection_abandon(PosternBackendConnection *connection);
void postern_backend_connection_quit(PosternBackendConnection *connection);
/* Sends what SEND_MESSAGE holds, and the dot. */
void postern_backend_connection_send_message(PosternBackendConnection *connection,
                                             const PosternSessionAction *action);
/* There is more of it: sends what is taken at once. */
void postern_backend_connection_send_more(PosternBackendConnection *connection);

/* relay_probe.c */
typedef struct PosternRelayProbe PosternRelayProbe;
void postern_relay_probe_free(PosternRelayProbe *probe);
/* The probe of server begins, unless one is under way: then once more after it. */
void postern_relay_probe_start(PosternProxyThread *thread, PosternServer *server);
/* Soon, and not too often: a client has met what may be of all. */
void postern_relay_probe_hurry(PosternProxyThread *thread, PosternServer *server);
/* The servers, or what is asked of them, are others now: what was found out holds no longer. */
void postern_relay_probe_forget(PosternProxyThread *thread);
void postern_relay_probe_assigned(PosternProxyThread *thread, PosternBackendConnection *connection);
void postern_relay_probe_refused(PosternProxyThread *thread, PosternServer *server, const char *reason);
/* An event of the connection that it has. */
void postern_relay_probe_event(PosternProxyThread *thread, PosternBackendConnection *connection,
                               const PosternBackendEvent *event);
