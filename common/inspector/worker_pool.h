/*
 * The pool: between clients and workers. Takes requests, gives them to workers of the role that they ask for,
 * in turn, kills what is over its time, replaces what has died. Parses no mail: only moves packets and
 * descriptors.
 */
#pragma once

#include <event2/event.h>
#include <glib.h>

#include "base/configuration.h"
#include "base/counters.h"
#include "http/status.h"

typedef struct PosternWorkerPool PosternWorkerPool;

typedef struct {
    struct event_base *loop;
    const char *program;                 /* postern-inspector itself, for templates; copied */
    const char *worker_user;             /* whom workers become, who cannot run program; copied; or NULL */
    PosternConfiguration *configuration; /* taken over */
    PosternCounters *counters;           /* outlive it; or NULL */
    int listening;                       /* taken over; non-blocking, SOCK_SEQPACKET */
    /* From the loop, once: all that was asked before postern_worker_pool_drain() has been answered. */
    void (*drained)(gpointer user_data);
    gpointer user_data;
} PosternWorkerPoolOptions;

/* Starts; the service manager is told once a worker can scan. Errors: the temporary directory, or the
 * template cannot be started. */
PosternWorkerPool *postern_worker_pool_new(const PosternWorkerPoolOptions *options,
                                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Ends and waits for all its processes; requests under way end without an answer. */
void postern_worker_pool_free(PosternWorkerPool *pool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternWorkerPool, postern_worker_pool_free)

/* What it goes by. */
const PosternConfiguration *postern_worker_pool_configuration(const PosternWorkerPool *pool);

/*
 * Loads signatures, keys and configuration (taken over) anew, beside those in use, which go on until the new
 * ones have proved themselves; if these cannot, they stay.
 */
void postern_worker_pool_reload(PosternWorkerPool *pool, PosternConfiguration *configuration);

/* Adds to status what it has: workers, requests, signatures. */
void postern_worker_pool_tell(const PosternWorkerPool *pool, PosternStatus *status);

/* The same in a line for the service manager; or why nothing can be inspected. A new string. */
char *postern_worker_pool_describe(const PosternWorkerPool *pool);

/* Takes no more clients and requests. */
void postern_worker_pool_drain(PosternWorkerPool *pool);
