/*
 * The inside of a group, shared by server.c (one server), group.c (what the pools share), pool.c (what a
 * thread asks for), pool_connection.c (where a connection stands), members.c (which servers there are) and
 * health.c (what is found out of them). The group's lock is held in all that is declared here.
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
    guint64 key; /* of name */
    PosternAddress address;
    gboolean lmtp;
    guint weight;
    guint limit;
    guint priority;
    gboolean backup;
    gboolean drain;
    gboolean retired; /* no longer of the group: what is open is ended */
    PosternServerHealth health;
    char *reason;     /* while DOWN */
    gint64 retry_at;  /* no connection is opened before; G_MININT64: now */
    guint used;       /* connections that take a slot, of all pools */
    guint ending;     /* of these, those that serve nobody any more */
    guint busy;       /* and those that serve somebody */
    guint moving;     /* of ending, those whose slot another pool is to have */
    guint claimed;    /* who waits for it */
    guint failures;   /* in a row */
    gboolean suspect; /* it failed last: while there are others, the prober tries it first */
    gint64 served;    /* when it was its turn last (balance.c) */
    gint64 up_since;  /* it is loaded slowly at first; G_MININT64: it has not failed yet */
    gboolean announces;
    PosternEhlo announced; /* what it announced last */
    PosternServerProbe probe;
    pthread_mutex_t status_lock; /* for what follows; it is held for no other */
    char *problem;               /* what was logged last */
    char *warning;
    char *certificate_name; /* or NULL */
    gint64 without_tls_until;
};

PosternServer *postern_server_new(const PosternServerSettings *settings);
/* It goes by settings, of the same address, from now on. */
void postern_server_set(PosternServer *server, const PosternServerSettings *settings);
/* The one place where its health changes. */
void postern_server_set_health(PosternServer *server, PosternServerHealth health, const char *reason);

struct PosternServerGroup {
    gint references; /* atomic */
    pthread_mutex_t lock;
    PosternBalance balance;
    guint slow_start_ms;
    guint check_ms;
    guint refusals_kept, refusals_ms;
    PosternRefusals *refusals;
    gint64 served;       /* the time of turns */
    GPtrArray *members;  /* what the configuration names (members.c) */
    GPtrArray *servers;  /* of PosternServer *; none: those of names are not known yet */
    GHashTable *drained; /* a set of names, or NULL */
    GPtrArray *retired;  /* likewise, those that may still have connections */
    GPtrArray *pools;    /* of PosternPool *, the first that serves is the prober */
    guint sections;      /* pools that there have been */
    PosternPool *caller;
    PosternFairQueue *turns; /* a section for each pool */
    guint serial;            /* of the settings that it goes by */
    guint generation;        /* likewise */
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
    gint to_be_asked;        /* atomic: there may be actions, or it was woken */
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
    PosternServerSettings *named;
} PosternPoolQueuedAction;

/* members.c */
/* The group goes on by settings: servers that stay keep their slots, and, if the generation is no new one,
 * what was found out of them. */
void postern_group_reload(PosternServerGroup *group, const PosternGroupSettings *settings);
/* The same of its servers alone (of PosternServerSettings *); known: what was found out of them holds. */
void postern_group_take_members(PosternServerGroup *group, const GPtrArray *settings, gboolean known);
/* How many may be served at the same time, once more: servers that are gone end what they have. */
void postern_group_set_capacity(PosternServerGroup *group);
/* What the DNS says in place of the servers, if no member has any; NULL: it is not known yet. */
const char *postern_group_names_problem(const PosternServerGroup *group);
/* All names are looked up soon. */
void postern_group_look_up_names(PosternServerGroup *group, gint64 now);
/* Looks up the names whose time has come; of the prober's pool. */
void postern_pool_run_name_times(PosternPool *pool, gint64 now);
gint64 postern_group_names_deadline(const PosternServerGroup *group);

/* group.c */
/* A server is UP. */
gboolean postern_group_is_up(const PosternServerGroup *group);
/* Why nobody can be served before long, or NULL. */
const char *postern_group_down_reason(const PosternServerGroup *group);
/* The pool whose thread probes, the first of the group, which must have one, that is not drained. */
PosternPool *postern_group_prober(const PosternServerGroup *group);
/* Gives what is idle to those who wait, opens what is missing within the limits, and takes back what others
 * need. To be called at the end of every event; first: whose event it was. */
void postern_group_dispatch(PosternServerGroup *group, PosternPool *first, gint64 now);
/* All that wait, in all pools, are refused. */
void postern_group_refuse_all(PosternServerGroup *group, const char *reason);
/* Likewise if nobody can be served before long, with that for a reason. */
void postern_group_refuse_if_down(PosternServerGroup *group);

/* balance.c */
/* It may have new clients, as far as it alone is concerned; it may be full. */
gboolean postern_server_is_in_service(const PosternServer *server);
/* Where who has that key is to be served; NULL: none that may be used now has room. */
PosternServer *postern_group_choose(PosternServerGroup *group, guint64 key, gint64 now);
/* Who waits for server would be served elsewhere now. */
gboolean postern_group_rejects(const PosternServerGroup *group, const PosternServer *server);

/* health.c */
/* The prober tries servers that failed while others serve. */
void postern_group_check_suspects(PosternServerGroup *group, gint64 now);
/* It is in service again. */
void postern_server_note_success(PosternServer *server, gint64 now);
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
/* Idle connections to servers that are gone, or drained, are ended. */
void postern_pool_end_retired(PosternPool *pool, gint64 now);
void postern_pool_refuse_probe(PosternPool *pool, PosternServer *server, const char *reason);
