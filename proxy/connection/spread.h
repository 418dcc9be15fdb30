/*
 * Which threads new clients go to: no more of them than the work needs. Of many clients on one thread several
 * are ready at a time, so that it sleeps and wakes less often, and a message costs less; a further thread is
 * made use of once those that serve have no time left and a processor is idle. The kernel leads clients there
 * (SO_ATTACH_REUSEPORT_CBPF, socket(7)); who has come stays with their thread.
 */
#pragma once

#include <glib.h>

#include "base/limits.h"

typedef struct PosternSpread PosternSpread;

/* Before the process gives up its rights. threads: at least 1, at most POSTERN_THREADS_MAX. gather FALSE: new
 * clients go to all threads alike. */
PosternSpread *postern_spread_new(guint threads, gboolean gather);
void postern_spread_free(PosternSpread *spread);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternSpread, postern_spread_free)

/* sockets (of int, the caller's) listen at one address, in the order in which they began to; that at i is
 * thread i % threads's. Sockets of which no two are of one group of SO_REUSEPORT are left alone. */
void postern_spread_add(PosternSpread *spread, const GArray *sockets);
/* The calling thread of the system is that of this number from now on. */
void postern_spread_begin(PosternSpread *spread, guint number);
/* A client has come: what the threads have done is looked at if it was not for a while. now: monotonic
 * microseconds. Any thread. */
void postern_spread_look(PosternSpread *spread, gint64 now);
/* The sockets are about to be closed: nothing is done with them any more. Any thread. */
void postern_spread_end(PosternSpread *spread);

/* What the threads have to do. */
typedef struct {
    double busy[POSTERN_THREADS_MAX]; /* the part of its time that each has spent at work */
    double idle;                      /* processors of the machine that had nothing to do */
} PosternSpreadLoad;

/* Decides by load; what postern_spread_look() does with what it finds. Any thread. */
void postern_spread_decide(PosternSpread *spread, const PosternSpreadLoad *load);
/* Threads that serve new clients, the first ones: as far as they are not much busier than the others. */
guint postern_spread_serving(PosternSpread *spread);
