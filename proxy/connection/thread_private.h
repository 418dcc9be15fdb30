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
#include "proxy/screen/pace.h"
#include "proxy/servers/pool.h"
#include "wire/proxy_header.h"

typedef struct PosternClientConnection PosternClientConnection;
typedef struct PosternClientFacts PosternClientFacts;
typedef struct PosternBackendConnection PosternBackendConnection;

/* A client. While it is parked (it waits for its greeting, or for its own next command) this is all there is
 * of it: at most 512 octets of heap, with its transport. */
/* What only those have that come through others, or speak for them. */
typedef struct {
    PosternAddress peer;       /* who has connected; AF_UNSPEC: the screen has it */
    PosternProxyHeader header; /* what its balancer says of it */
} PosternClientOrigin;

/* Who may be let go for another client, in this order; the longest in a queue first. */
typedef enum {
    POSTERN_QUEUE_SLOWED,  /* suspects, whatever they do */
    POSTERN_QUEUE_WAITING, /* it is for them to say something */
    POSTERN_QUEUES,
    POSTERN_QUEUE_NONE = POSTERN_QUEUES,
} PosternClientQueue;

typedef struct {
    guint64 number; /* of the slab */
    PosternProxyThread *thread;
    PosternProxySettings *settings; /* of the time when it connected */
    union {
        PosternClientConnection *connection; /* of one at work */
        PosternTransport *transport;         /* of one that is parked */
    };
    PosternParkedSession parked; /* likewise, else empty */
    PosternClientFacts *facts;   /* while they are asked for, or NULL */
    GList queue_link;            /* in the thread's queue that it is in */
    PosternDeadline deadline;
    PosternScreen screen;
    PosternClientOrigin *origin; /* or NULL */
    PosternPace *pace;           /* what it is still to hear, or NULL */
    guint8 pace_is_lent;         /* by its transport */
    guint8 is_parked;
    guint8 is_narrowed; /* few octets may be under way to us */
    guint8 queue;       /* PosternClientQueue */
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
    GPtrArray *pools;   /* of PosternPool *: one for each group of settings, and of groups that are gone */
    GHashTable *probes; /* PosternServer -> PosternRelayProbe (relay_probe.c) */
    GPtrArray *lookups; /* of PosternNameLookup *: names of servers (name_lookup.c) */
    PosternEhlo capabilities; /* the servers', once known */
    gboolean capabilities_known;
    gboolean draining;
    gboolean drained;              /* the world was told */
    gboolean running;              /* inside postern_thread_run() */
    gint64 now;                    /* when that began */
    PosternSlab *clients;          /* of PosternClient */
    guint clients_at_work;         /* of them, those that are not parked */
    PosternDeadlines *parked;      /* of those that are parked */
    char *last_reply;              /* that suspects hear: see postern_pace_new() */
    GHashTable *backends;          /* number -> PosternBackendConnection */
    GQueue arrivals;               /* of PosternArrival * */
    guint order_serial;            /* of the table, when its orders were heeded last */
    guint room_serial;             /* likewise of the transfers */
    GQueue queues[POSTERN_QUEUES]; /* of PosternClient *: those that may be let go */
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
/* Its pool of servers, or NULL: that group is gone. */
PosternPool *postern_thread_pool(const PosternProxyThread *thread, const PosternServerGroup *servers);
/* session, of client number, wants a connection to group. The pool in which it waits, or NULL: the group is
 * gone, and it was refused. */
PosternPool *postern_thread_borrow(PosternProxyThread *thread, guint64 number, PosternSession *session,
                                   const PosternProxyGroup *group);
/* The group that pool is of, as the newest settings have it, or NULL: it is gone. */
const PosternProxyGroup *postern_thread_group(const PosternProxyThread *thread, const PosternPool *pool);
/* Logs what is wrong with server, once while it stays the same; NULL: nothing any more. */
void postern_thread_note_problem(PosternProxyThread *thread, PosternServer *server, const char *problem);

/* How a client has come. */
typedef struct {
    PosternAddress server; /* where it has connected to */
    PosternListenerKind kind;
    gboolean greeted;           /* it has heard its greeting */
    PosternProxyHeader *header; /* what its balancer says of it: may be taken from; or NULL */
} PosternClientArrival;

/* arrival.c: connections of balancers, until they have said whose they are (wire/proxy_header.h). */
typedef struct PosternArrival PosternArrival;
/* peer has connected; transport is taken over, and closed if there are too many already. late: it says so
 * only when its client has spoken, who has to be greeted before. */
void postern_arrival_new(PosternProxyThread *thread, PosternTransport *transport, const PosternAddress *peer,
                         const PosternAddress *server, PosternListenerKind kind, gboolean late);
/* Closes and frees it. */
void postern_arrival_end(PosternArrival *arrival);

/* thread.c */
/* address has connected by transport, which is taken over: it becomes a client, or is turned away. */
void postern_thread_admit(PosternProxyThread *thread, PosternTransport *transport,
                          const PosternAddress *address, const PosternClientArrival *arrival);

/* clients.c: clients from their connection to their end, at work or parked. */
/* A client that was admitted; transport is taken over; screen, which has begun, is copied. */
void postern_client_new(PosternProxyThread *thread, PosternTransport *transport,
                        const PosternAddress *address, const PosternClientArrival *arrival,
                        const PosternScreen *screen);
/* Who has connected. */
const PosternAddress *postern_client_peer(const PosternClient *client);
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
/* Puts it last among those that may be let go, or takes it out; a suspect stays where it is among those.
 * TRUE: it was not as wanted. */
gboolean postern_client_set_waiting(PosternClient *client, gboolean waiting);
/* Lets a client go in favour of the one at address: the suspect that was slowed first; else one without a
 * message, one that is silent in the middle of it, or one of an address with more connections. FALSE: there
 * is none. */
gboolean postern_client_let_one_go(PosternProxyThread *thread, const PosternAddress *address);

/* facts.c: what the DNS says of a client. */
/* Looks up the client of envelope: its name for the session, and lists for the screen, in place of look-ups
 * that run; or, with rules, what may refuse it, for the session. */
void postern_client_look_up(PosternClient *client, const PosternEnvelope *envelope, gboolean rules);
/* Ends them. */
void postern_client_forget_facts(PosternClient *client);

/* slow.c: suspects, who hear us late and slowly. */
/* When it gets a back-end: those of whom something good is remembered sooner, the slow and suspects later. */
PosternFairTurn postern_client_turn(const PosternClient *client, const PosternSession *session);
/* It is to hear what pace, which is taken over, has; NULL: nothing more. */
void postern_client_set_pace(PosternClient *client, PosternPace *pace);
/* Of one that is parked: its pace goes where its transport has room; and it is back. */
void postern_client_keep_pace(PosternClient *client);
void postern_client_fetch_pace(PosternClient *client);
/* Octets of its message were read (0: none): when more is. */
gint64 postern_client_reads_at(PosternClient *client, PosternSession *session, gsize octets, gint64 now);
/* The next octet for one that is parked, without its session. FALSE: that needs its session. */
gboolean postern_client_trickle(PosternClient *client, gint64 now);
/* output, what its session has said, as it is to leave: behind what is leaving slowly, or so itself; NULL: at
 * once. It is set by the caller. */
PosternPace *postern_client_slow_down(PosternClient *client, PosternSession *session, PosternStream *stream,
                                      const GString *output, gint64 now);
/* All of that has left. */
void postern_client_has_heard(PosternClient *client, PosternSession *session, gint64 now);
/* If it has become a suspect, few octets may be under way to us over transport, and one line says so, for
 * those who block such clients elsewhere (fail2ban(1)). */
void postern_client_heed_screen(PosternClient *client, const PosternSession *session,
                                PosternTransport *transport);

/* client.c: the connection of a client at work. */
/* Around session and transport, which are taken over. */
PosternClientConnection *postern_client_connection_new(PosternClient *client, PosternSession *session,
                                                       PosternTransport *transport);
void postern_client_connection_free(PosternClientConnection *client);
/* All that its client says from now on is protected; nothing waits to be sent. */
void postern_client_connection_begin_tls(PosternClientConnection *client, gint64 now);
/* Acts on all its session wants; frees it if it is done. */
void postern_client_connection_run(PosternClientConnection *client);
/* Whether it may go for any other client. */
gboolean postern_client_connection_is_dispensable(const PosternClientConnection *client);
/* It goes for another client. */
void postern_client_connection_let_go(PosternClientConnection *client);
PosternSession *postern_client_connection_session(PosternClientConnection *client);
/* What its session goes by: the settings of the time when it connected. */
const PosternProxySettings *postern_client_connection_settings(const PosternClientConnection *client);
/* A back-end serves it now: the session is told. refusals: as of PosternPoolAction. */
void postern_client_connection_give(PosternClientConnection *client, PosternBackendConnection *backend,
                                    guint refusals);
/* Somebody needs that connection; nothing if it is on its way back. */
void postern_client_connection_recall(PosternClientConnection *client, guint64 connection);
/* An event of its back-end. */
void postern_client_connection_backend_event(PosternClientConnection *client,
                                             const PosternBackendEvent *event);

/* backend.c */
/* Opens a connection of that number to server; the pool, which wants it, is told how it goes. */
void postern_backend_connection_open(PosternProxyThread *thread, PosternPool *pool, guint64 number,
                                     PosternServer *server);
PosternServer *postern_backend_connection_server(const PosternBackendConnection *connection);
PosternPool *postern_backend_connection_pool(const PosternBackendConnection *connection);
/* A client's session speaks on it. */
gboolean postern_backend_connection_is_in_use(const PosternBackendConnection *connection);
void postern_backend_connection_free(PosternBackendConnection *connection);
void postern_backend_connection_run(PosternBackendConnection *connection);
PosternBackend *postern_backend_connection_backend(PosternBackendConnection *connection);
guint64 postern_backend_connection_number(const PosternBackendConnection *connection);
/* TRUE if it may serve a session that goes by settings: who may send where is the same. */
gboolean postern_backend_connection_suits(const PosternBackendConnection *connection,
                                          const PosternProxySettings *settings);
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

/* name_lookup.c */
typedef struct PosternNameLookup PosternNameLookup;
void postern_name_lookup_free(PosternNameLookup *lookup);
/* Asks the DNS for the servers of named; pool is told. */
void postern_name_lookup_start(PosternProxyThread *thread, PosternPool *pool,
                               const PosternServerSettings *named);
/* pool is to be freed. */
void postern_name_lookup_remove(PosternProxyThread *thread, const PosternPool *pool);

/* relay_probe.c */
typedef struct PosternRelayProbe PosternRelayProbe;
void postern_relay_probe_free(PosternRelayProbe *probe);
/* The probe of server, which is one of pool's, begins, unless one is under way: then once more after it. */
void postern_relay_probe_start(PosternProxyThread *thread, PosternPool *pool, PosternServer *server);
/* Soon, and not too often: a client has met what may be of all. */
void postern_relay_probe_hurry(PosternProxyThread *thread, PosternPool *pool, PosternServer *server);
/* What is asked of the servers of pool is new: what was found out holds no longer. */
void postern_relay_probe_forget(PosternProxyThread *thread, const PosternPool *pool);
/* Those of servers that pool no longer has are freed. */
void postern_relay_probe_tidy(PosternProxyThread *thread, PosternPool *pool);
/* pool, which has no connections, is to be freed. */
void postern_relay_probe_remove(PosternProxyThread *thread, const PosternPool *pool);
void postern_relay_probe_assigned(PosternProxyThread *thread, PosternBackendConnection *connection);
void postern_relay_probe_refused(PosternProxyThread *thread, PosternPool *pool, PosternServer *server,
                                 const char *reason);
/* An event of the connection that it has. */
void postern_relay_probe_event(PosternProxyThread *thread, PosternBackendConnection *connection,
                               const PosternBackendEvent *event);
