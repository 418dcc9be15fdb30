/*
 * The connections that one thread has to a group of servers: who waits, what is open, and never more than the
 * servers' limits, which hold for the pools of all threads together. A state machine without I/O; connections
 * and waiting sessions are numbers of its user's.
 *
 * Waiting is fair by client, and no client has more connections than are left for others, whatever threads
 * its sessions are on (base/fair_queue.h). Whose client is slow offers its connection while it goes on using
 * it; it is recalled if somebody waits who can have no other. A connection serves its own thread only:
 * if another thread has to wait, an idle one is ended, and the other thread opens one.
 *
 * A connection's slot is free when the server has closed it or answered QUIT, not before. Until a
 * server has proved itself (relay probe), sessions wait; if all are DOWN, they are refused.
 *
 * A pool is used by its own thread; what the threads share is locked inside.
 */
#pragma once

#include "base/fair_queue.h"
#include "proxy/servers/group.h"
#include "proxy/servers/names.h"
#include "wire/ehlo.h"

typedef enum {
    POSTERN_POOL_OPEN,     /* open a connection named connection to server; then opened() or closed() */
    POSTERN_POOL_ASSIGN,   /* connection now serves borrower */
    POSTERN_POOL_REFUSE,   /* borrower gets none; reason */
    POSTERN_POOL_RECALL,   /* waiter, which has offered connection, is to give it back: returned() */
    POSTERN_POOL_QUIT,     /* end connection politely; then closed() */
    POSTERN_POOL_PROBE,    /* ask server whether it is an open relay; then mark_up(), mark_down() or
                              retry_later() */
    POSTERN_POOL_LOOK_UP,  /* ask the DNS for the servers of named; then looked_up() */
    POSTERN_POOL_ANNOUNCE, /* what the servers announce is new: announced() */
} PosternPoolActionKind;

/* Who gets a connection, or is refused. */
typedef enum {
    POSTERN_BORROWER_CLIENT, /* waiter */
    POSTERN_BORROWER_PROBE,  /* the relay probe of server */
} PosternPoolBorrower;

typedef struct {
    PosternPoolActionKind kind;
    guint64 connection;
    PosternPoolBorrower borrower;
    guint64 waiter;
    guint refusals;        /* ASSIGN: what of its refusals is remembered has this number (refusals.h) */
    PosternServer *server; /* OPEN, PROBE, and what is the probe's: the pool's, until its next action */
    const PosternServerSettings *named; /* LOOK_UP: likewise */
    const char *reason; /* REFUSE: likewise; of the probe also NULL: server is no longer of the group */
} PosternPoolAction;

typedef struct PosternPool PosternPool;

/* The pool has actions, or another deadline: its thread is to look. Called from whichever thread has caused
 * it, with the group locked: it calls nothing of the pool. */
typedef void (*PosternPoolWake)(gpointer user_data);

/* The pool of one more thread; the first one's probes the servers. A reference to group is taken. wait_ms:
 * how long a waiter waits. idle_ms: how long an unused connection is kept. wake: or NULL. */
PosternPool *postern_pool_new(PosternServerGroup *group, guint wait_ms, guint idle_ms, PosternPoolWake wake,
                              gpointer user_data);
void postern_pool_free(PosternPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternPool, postern_pool_free)
/* Whose it is; as long as the pool. */
PosternServerGroup *postern_pool_group(const PosternPool *pool);

/*
 * The configuration is new: other times, for who waits and what is unused from now on; other servers, if the
 * serial is new; and if the generation is, other demands on them. The first pool that says so changes the
 * group: a server that stays keeps its slots, and, after other demands, is probed again; connections of
 * before these are ended when they are idle. Until a pool has said so, it opens none.
 */
void postern_pool_reload(PosternPool *pool, const PosternGroupSettings *settings, gint64 now);

/* waiter wants a connection, for client: a number that is the same for all that count as one, or
 * POSTERN_FAIR_QUEUE_NOBODY. A waiter waits once; what it had before may still be on its way back. turn:
 * LAST, or LATER for a waiter that had a connection and used it slowly. key: if the group balances by a hash,
 * who has the same is served by the same server. */
void postern_pool_request(PosternPool *pool, guint64 waiter, guint64 client, guint64 key,
                          PosternFairTurn turn, gint64 now);
/* A connection of server was lost in the middle of something (pause_ms: 0), or it says that it can serve
 * nobody for a while: one that fails again and again, or says so, rests while others serve. */
void postern_pool_note_failure(PosternPool *pool, PosternServer *server, guint pause_ms, gint64 now);
/* It does no more. An ASSIGN or REFUSE that is still queued for it is dropped (a connection is taken back).
 */
void postern_pool_cancel(PosternPool *pool, guint64 waiter, gint64 now);
/* After PROBE: the relay probe of server wants a connection. It is served before all others, whatever the
 * server's health. */
void postern_pool_request_probe(PosternPool *pool, PosternServer *server, gint64 now);

/* After LOOK_UP: what the DNS has for the servers of named; what found has is taken. While it says nothing
 * better, those that it had last stay. Servers that stay go on as they are; those that are gone end as after
 * a reload. */
void postern_pool_looked_up(PosternPool *pool, const PosternServerSettings *named, PosternNamedServers *found,
                            gint64 now);

/* The connection is ready; its server announces ehlo; NULL: that is not known before it is told of a client.
 */
void postern_pool_opened(PosternPool *pool, guint64 connection, const PosternEhlo *ehlo, gint64 now);
/* server announces ehlo now. */
void postern_pool_note_announced(PosternPool *pool, PosternServer *server, const PosternEhlo *ehlo,
                                 gint64 now);
/* The connection's user has had its time: it may go on until RECALL. */
void postern_pool_offer(PosternPool *pool, guint64 connection, gint64 now);
/* The connection's user is done with it. reusable FALSE: QUIT follows. */
void postern_pool_returned(PosternPool *pool, guint64 connection, gboolean reusable, gint64 now);
/* The connection is given up, but the server has not closed it yet: nobody gets it, its slot stays taken.
 * reason, or NULL: if it never opened, as for postern_pool_closed(). */
void postern_pool_ending(PosternPool *pool, guint64 connection, const char *reason, gint64 now);
/* The connection is gone. If it never opened, and there is no other to wait for, those who wait are
 * refused for reason (NULL: it had opened, or ended as it should). */
void postern_pool_closed(PosternPool *pool, guint64 connection, const char *reason, gint64 now);

/* What was found out of server; it is probed again in again_ms. If pool goes by older settings than the
 * group, only that. */
void postern_pool_mark_up(PosternPool *pool, PosternServer *server, guint again_ms, gint64 now);
/* It must not be used; if that is so of all servers, all who wait or come are refused, with reason. */
void postern_pool_mark_down(PosternPool *pool, PosternServer *server, const char *reason, guint again_ms,
                            gint64 now);
/* Nothing: what was known before stays. */
void postern_pool_retry_later(PosternPool *pool, PosternServer *server, guint again_ms, gint64 now);
/* A client has met what may be of all: the server is probed soon, but not too often. */
void postern_pool_probe_soon(PosternPool *pool, PosternServer *server, gint64 now);
gboolean postern_pool_is_up(PosternPool *pool, const PosternServer *server);
/* FALSE: it is no longer of the group. */
gboolean postern_pool_has(PosternPool *pool, const PosternServer *server);

/* What all servers of the group announce, as far as it is known, SIZE the smallest. FALSE: nothing is known.
 */
gboolean postern_pool_announced(PosternPool *pool, PosternEhlo *ret_ehlo);

/* Ends all idle connections to server: one of them turned out to be dead, and the rest are as old. */
void postern_pool_end_idle(PosternPool *pool, const PosternServer *server, gint64 now);

/* Ends all idle connections, and each other one when it is returned; nothing is opened any more, and who
 * wants one is refused. */
void postern_pool_drain(PosternPool *pool, gint64 now);
/* A pool that was drained serves again, as its next reload says. */
void postern_pool_resume(PosternPool *pool);

/* The deadline has passed: refuses those who waited too long, ends what was idle too long, probes. */
void postern_pool_timer(PosternPool *pool, gint64 now);
/* G_MAXINT64: never. */
gint64 postern_pool_deadline(PosternPool *pool);

/* The next action: TRUE and *ret_action, or FALSE: none. */
gboolean postern_pool_next_action(PosternPool *pool, PosternPoolAction *ret_action);

/* Connections of this pool that take a slot now. */
guint postern_pool_used(PosternPool *pool);
/* Those who were not assigned one yet. */
guint postern_pool_waiting(PosternPool *pool);
