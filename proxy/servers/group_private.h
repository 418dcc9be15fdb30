/*
 * The inside of a group, shared by server.c (one server), group.c (what the pools share), pool.c (what a
 * thread asks for), pool_connection.c (where a connection stands) and health.c (what is found out of the
 * servers). The group's lock is held in all that is declared here.
 */
#pragma once

#include <pthread.h>

#include "proxy/servers/group.h"
#include "proxy/servers/pool.h"
#include "proxy/servers/pool_waiters.h"

/* The relay probe of a server waits for its time, then for a connection. */
typedef struct {
    gint64 at; /* when it is due; G_MAXINT64: it has begun */
    gint64 hurried_at;
    gboolean hurried;
    gboolean waits; /* for a connection, until deadline */
    gint64 deadline;
    guint opening;     /* connections that are opened for it */
    gboolean promised; /* a connection is ended for it */
} PosternServerProbe;

struct PosternServer {
    gint references; /* atomic */
    char *name;
    PosternAddress address;
    guint weight;
    guint limit;
    gboolean retired; /* no longer of the group: what is open is ended */
    PosternServerHealth health;
    char *reason;    /* while DOWN */
    gint64 retry_at; /* no connection is opened before; G_MININT64: now */
    guint used;      /* connections that take a slot, of all pools */
    guint ending;    /* of these, those that serve nobody any more */
    gboolean announces;
    PosternEhlo announced; /* what it announced last */
    PosternServerProbe probe;
    pthread_mutex_t status_lock; /* for what follows; it is held for no other */
    char *problem;               /* what was logged last */
    char *warning;
};

PosternServer *postern_server_new(const PosternServerSettings *settings);
/* The one place where its health changes. */
void postern_server_set_health(PosternServer *server, PosternServerHealth health, const char *reason);

struct PosternServerGroup {
    gint references; /* atomic */
    pthread_mutex_t lock;
    GPtrArray *servers; /* of PosternServer * */
    GPtrArray *pools;   /* of PosternPool *, the first is the prober */
    guint sections;     /* pools that there have been */
    PosternPool *caller;
    PosternFairQueue *turns; /* a section for each pool */
    guint generation;
    guint64 next_connection;
    guint next_pool; /* whose turn it is to open a connection */
    guint opening;
    guint recalled;
    guint moving;   /* connections that are ended so that another pool can open one */
    GQueue offered; /* of PosternPooledConnection *, the first offered first */
};

struct PosternPool {
    PosternServerGroup *group;
    guint section;
    guint generation;
    guint wait_ms;
    guint idle_ms;
    gboolean draining;
    PosternPoolWake wake; /* or NULL */
    gpointer wake_data;
    gboolean woken;          /* and it has not asked for its actions since */
    GHashTable *connections; /* number -> PosternPooledConnection */
    guint opening;
    GQueue idle; /* of PosternPooledConnection *, the last used first */
    PosternPoolWaiters waiters;
    GQueue actions;                       /* of PosternPoolQueuedAction * */
    struct PosternPoolQueuedAction *told; /* the last that was given out */
};

typedef enum {
    POSTERN_POOLED_OPENING,
    POSTERN_POOLED_IDLE,
    POSTERN_POOLED_BUSY,
    POSTERN_POOLED_ENDING,
} PosternPooledState;

typedef struct {
    guint64 number;
    PosternPool *pool;
    PosternServer *server;
    guint generation;
    PosternPooledState state;
    gboolean for_probe;      /* OPENING, or ENDING to make room */
    gboolean moving;         /* ENDING, for another pool */
    gint64 idle_until;       /* IDLE */
    GList idle_link;         /* likewise; data is the connection */
    PosternPoolWaiter *user; /* BUSY; NULL: the relay probe */
    GList offered_link;      /* BUSY, in offered; its data is NULL while it is not */
    gboolean recalled;       /* BUSY */
} PosternPooledConnection;

/* What waits for next_action(). */
typedef struct PosternPoolQueuedAction {
    PosternPoolAction action;
    char *reason;
    PosternServer *server;
} PosternPoolQueuedAction;

/* group.c */
/* The group goes on with servers, which are of generation: those that stay keep their slots. */
void postern_group_reload(PosternServerGroup *group, const GPtrArray *servers, guint generation);
/* A server is UP. */
gboolean postern_group_is_up(const PosternServerGroup *group);
/* Why nobody can be served before long, or NULL. */
const char *postern_group_down_reason(const PosternServerGroup *group);
/* The pool whose thread probes, the first of the group, which must have one. */
PosternPool *postern_group_prober(const PosternServerGroup *group);
/* Gives what is idle to those who wait, opens what is missing within the limits, and takes back what others
 * need. To be called at the end of every event; first: whose event it was. */
void postern_group_dispatch(PosternServerGroup *group, PosternPool *first, gint64 now);
/* All that wait, in all pools, are refused. */
void postern_group_refuse_all(PosternServerGroup *group, const char *reason);

/* health.c */
/* Each new connection says it again; what is new is told to all pools. */
void postern_group_note_announced(PosternServerGroup *group, PosternServer *server, const PosternEhlo *ehlo);
/* A connection could not be opened; hopeless: nor is there another one to server to wait for. */
void postern_group_never_opened(PosternServerGroup *group, PosternServer *server, const char *reason,
                                gboolean hopeless, gint64 now);
/* Why nobody came to have a connection in time. */
const char *postern_group_reason_for_none(const PosternServerGroup *group);
void postern_group_set_probe_time(PosternServerGroup *group, PosternServer *server, gint64 at);
/* Begins the probes that are due, and refuses those that waited too long; of the prober's pool. */
void postern_pool_run_probe_times(PosternPool *pool, gint64 now);
gint64 postern_server_probe_deadline(const PosternServer *server);

/* pool_connection.c */
void postern_pooled_open(PosternPool *pool, PosternServer *server, gboolean for_probe);
/* It serves waiter (which is taken over), or the relay probe: NULL. */
void postern_pooled_assign(PosternPooledConnection *connection, PosternPoolWaiter *waiter, gint64 now);
/* It serves nobody any more. */
void postern_pooled_set_free(PosternPooledConnection *connection, gboolean reusable, gint64 now);
void postern_pooled_end(PosternPooledConnection *connection, gint64 now);
void postern_pooled_offer(PosternPooledConnection *connection);
void postern_pooled_recall(PosternPooledConnection *connection);
/* Nobody gets it any more: whom it was to be assigned to is the next to have one. FALSE: it never opened. */
gboolean postern_pooled_give_up(PosternPooledConnection *connection, gint64 now);
/* Gives its slot back, and frees it. */
void postern_pooled_free(PosternPooledConnection *connection);

/* pool.c */
/* What pool.h declares begins and ends so; the lock is held between. */
void postern_pool_enter(PosternPool *pool);
void postern_pool_leave(PosternPool *pool);
void postern_pool_dispatch_and_leave(PosternPool *pool, gint64 now);
PosternPoolQueuedAction *postern_pool_push_action(PosternPool *pool, PosternPoolActionKind kind);
void postern_pool_drop_actions(PosternPool *pool, PosternPoolActionKind kind, guint64 connection);
void postern_pool_wake(PosternPool *pool);
void postern_pool_refuse_all(PosternPool *pool, const char *reason);
void postern_pool_refuse_probe(PosternPool *pool, PosternServer *server, const char *reason);
