/*
 * Those who wait for a connection of a pool, by their deadline and by their turn. Part of the pool.
 */
#pragma once

#include "base/fair_queue.h"
#include "proxy/servers/server.h"

/* Who wants a connection; once one is assigned, the connection's user. */
typedef struct {
    guint64 number;
    gint64 deadline;
    guint64 key;            /* who has the same is to be served by the same server */
    PosternServer *server;  /* that it waits for, or NULL: none has room, or it waits no more */
    GList order_link;       /* while it waits; data is the waiter */
    GList admitted_link;    /* likewise, once its client's turn has come */
    PosternFairPlace place; /* until it is freed */
} PosternPoolWaiter;

typedef struct {
    GHashTable *numbers; /* number -> PosternPoolWaiter */
    GQueue order;        /* the same, by deadline */
    GQueue admitted;     /* those whose clients' turns have come, the first to be served first */
    PosternFairQueue *turns;
    guint section; /* of turns */
} PosternPoolWaiters;

/* turns outlives them. */
void postern_pool_waiters_init(PosternPoolWaiters *waiters, PosternFairQueue *turns, guint section);
/* Frees those who wait; those that have a connection must have been freed. */
void postern_pool_waiters_clear(PosternPoolWaiters *waiters);

/* One more, for client; it waits. */
void postern_pool_waiters_add(PosternPoolWaiters *waiters, guint64 number, guint64 client, guint64 key,
                              PosternFairTurn turn, gint64 deadline);
/* The one place where the server that it waits for changes. */
void postern_pool_waiter_set_server(PosternPoolWaiter *waiter, PosternServer *server);
PosternPoolWaiter *postern_pool_waiters_find(const PosternPoolWaiters *waiters, guint64 number);
/* The turns of those who may have a connection now come. TRUE: there were any. */
gboolean postern_pool_waiters_admit(PosternPoolWaiters *waiters);
/* Likewise of one whose client has nothing, beyond its turn. FALSE: there is none. */
gboolean postern_pool_waiters_admit_needy(PosternPoolWaiters *waiters);
/* It waits no more, and keeps its turn: it has a connection. */
void postern_pool_waiters_take(PosternPoolWaiters *waiters, PosternPoolWaiter *waiter);
/* It has none after all, and is the next to have one. */
void postern_pool_waiters_put_back(PosternPoolWaiters *waiters, PosternPoolWaiter *waiter);
/* It is of no more interest, and its turn is over; NULL is allowed. */
void postern_pool_waiter_free(PosternPoolWaiters *waiters, PosternPoolWaiter *waiter);
/* Whose deadline is the next, or NULL. */
PosternPoolWaiter *postern_pool_waiters_first(const PosternPoolWaiters *waiters);
