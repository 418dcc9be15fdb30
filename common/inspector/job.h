/*
 * A request under way in the pool: what it brings is moved, never read.
 */
#pragma once

#include <event2/event.h>
#include <glib.h>

#include "inspector/account.h"
#include "inspector/connection.h"
#include "inspector/worker_process.h"
#include "inspector_client/packet.h"

typedef enum {
    POSTERN_JOB_NOWHERE,
    POSTERN_JOB_WAITS,
    POSTERN_JOB_RUNS,
} PosternJobPlace;

typedef struct {
    gpointer group;                /* of workers, that it is for */
    PosternConnection *connection; /* NULL: its client is gone */
    guint user;
    PosternAccount *account;      /* of the client whose mail it is */
    PosternPacket packet;         /* the client's request */
    guint64 octets;               /* that came in it, counted in total */
    guint64 *total;               /* of all jobs */
    gint64 deadline;              /* monotonic microseconds, of the client */
    gboolean goes_on;             /* in its worker, when its client has given up: it will be remembered */
    guint deaths;                 /* workers that died of it */
    PosternJobPlace place;        /* set by the functions below alone */
    PosternWorkerProcess *worker; /* RUNS: where */
    gint64 started;               /* monotonic, in that worker */
    gint64 limit;                 /* monotonic, there */
    gint64 processor_limit;       /* microseconds that it may use there */
    gboolean slow;                /* it has been there for long */
    gint64 slow_clock;            /* of the worker, when that was noticed */
    struct event *timer;
} PosternJob;

/* Takes what goes with request, and counts its octets in total as long as it lives. If that names no
 * deadline it is default_ms from now. It does not count in account until it waits. */
PosternJob *postern_job_new(PosternConnection *connection, PosternAccount *account, PosternPacket *request,
                            guint default_ms, guint64 *total);
/* Takes it from its worker, out of its account, and frees all that it has. */
void postern_job_free(PosternJob *job);

/* Where it is: in the queue; or in worker, for at most maximum_ms. notice_ms: after these its timer is called
 * to note that it is slow (0: never). What it has used of a worker is counted when it leaves it. */
void postern_job_wait(PosternJob *job);
void postern_job_run(PosternJob *job, PosternWorkerProcess *worker, guint maximum_ms, guint notice_ms);
void postern_job_note_slow(PosternJob *job);
/* TRUE: it is over its limit, in time or processor time. Else its timer goes on to the next moment at which
 * it may be, or at which its client gives up. */
gboolean postern_job_is_over(PosternJob *job);
/* TRUE: its worker has used the processor time that it may. Else it was kept waiting: by clamd, by other
 * processes, or because somebody stopped it. */
gboolean postern_job_is_spent(const PosternJob *job);
/* It leaves the queue, or its worker. */
void postern_job_leave(PosternJob *job);

/* TRUE if its message is not a small one (inspector_client/packet.h). */
gboolean postern_job_is_large(const PosternJob *job);

/* Tells the client, if it is still there. */
void postern_job_fail(PosternJob *job, PosternFailure failure, const char *text);
