/*
 * The pool of back-end connections of one thread: who waits, what is open, and never more than the limit. A
 * state machine without I/O; connections and waiting sessions are numbers of its user's.
 *
 * Waiting is fair by client, and no client has more connections than are left for others
 * (base/fair_queue.h). Whose client is slow offers its connection while it goes on using it; it is recalled
 * where somebody waits who can have no other.
 *
 * A connection's slot is free when the back-end has closed it or answered QUIT, not before (promise 3). Until
 * the back-end has proved itself (relay probe), sessions wait; where it has proved unusable, they are
 * refused.
 */
#pragma once

#include <glib.h>

#include "base/fair_queue.h"
#include "proxy/servers/server.h"

typedef enum {
    POSTERN_POOL_OPEN,   /* open a connection named connection; then opened() or closed() */
    POSTERN_POOL_ASSIGN, /* connection now serves waiter */
    POSTERN_POOL_REFUSE, /* waiter gets none; reason */
    POSTERN_POOL_RECALL, /* waiter, which has offered connection, is to give it back: returned() */
    POSTERN_POOL_QUIT,   /* end connection politely; then closed() */
} PosternPoolActionKind;

typedef struct {
    PosternPoolActionKind kind;
    guint64 connection;
    guint64 waiter;
    const char *reason; /* REFUSE: owned by the pool, valid until its next call */
} PosternPoolAction;

typedef struct PosternPool PosternPool;

/* limit: connections at the same time, at least 1. wait_ms: how long a waiter waits. idle_ms: how long an
 * unused connection is kept. */
PosternPool *postern_pool_new(guint limit, guint wait_ms, guint idle_ms);
/* Other times, for who waits and what is unused from now on. */
void postern_pool_set_times(PosternPool *pool, guint wait_ms, guint idle_ms);
void postern_pool_free(PosternPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternPool, postern_pool_free)

/* The relay probe is the first waiter (number 0) and is served before all others, even while UNPROVED. */
#define POSTERN_POOL_PROBE 0

/* waiter wants a connection, for client: a number that is the same for all that count as one, or
 * POSTERN_FAIR_QUEUE_NOBODY. A waiter waits once; what it had before may still be on its way back. */
void postern_pool_request(PosternPool *pool, guint64 waiter, guint64 client, gint64 now);
/* The same for a waiter that had a connection and used it slowly: those who did not are before it. */
void postern_pool_request_later(PosternPool *pool, guint64 waiter, guint64 client, gint64 now);
/* It does no more. A ASSIGN or REFUSE that is still queued for it is dropped (a given connection is taken
 * back). */
void postern_pool_cancel(PosternPool *pool, guint64 waiter, gint64 now);

/* The connection is greeted and ready. */
void postern_pool_opened(PosternPool *pool, guint64 connection, gint64 now);
/* The connection's user has had its time: it may go on until RECALL. */
void postern_pool_offer(PosternPool *pool, guint64 connection, gint64 now);
/* The connection's user is done with it. reusable FALSE: QUIT follows. */
void postern_pool_returned(PosternPool *pool, guint64 connection, gboolean reusable, gint64 now);
/* The connection is given up, but the back-end has not closed it yet: nobody gets it, its slot stays taken.
 * reason, or NULL: if it never opened, as for postern_pool_closed(). */
void postern_pool_ending(PosternPool *pool, guint64 connection, const char *reason, gint64 now);
/* The connection is gone. Where it never opened, those who wait are refused for reason (NULL: it had opened,
 * or ended as it should). */
void postern_pool_closed(PosternPool *pool, guint64 connection, const char *reason, gint64 now);

/* What is known of the back-end; UNUSABLE refuses all who wait or come, with reason. */
void postern_pool_set_health(PosternPool *pool, PosternServerHealth health, const char *reason, gint64 now);
PosternServerHealth postern_pool_health(const PosternPool *pool);

/* Ends all idle connections: one of them turned out to be dead, and the rest are as old. */
void postern_pool_end_idle(PosternPool *pool, gint64 now);

/* Ends all idle connections, and each other one when it is returned; nothing is opened any more. */
void postern_pool_drain(PosternPool *pool, gint64 now);

/* The deadline has passed: refuses those who waited too long, ends what was idle too long. */
void postern_pool_timer(PosternPool *pool, gint64 now);
/* G_MAXINT64: never. */
gint64 postern_pool_deadline(const PosternPool *pool);

/* The next action: TRUE and *ret_action, or FALSE: none. */
gboolean postern_pool_next_action(PosternPool *pool, PosternPoolAction *ret_action);

/* Connections that take a slot now. */
guint postern_pool_used(const PosternPool *pool);
/* Those who were not given one yet. */
guint postern_pool_waiting(const PosternPool *pool);
