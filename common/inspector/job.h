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

typedef enum {
    POSTERN_JOB_GOES_ON,
    POSTERN_JOB_HOLDS_UP, /* longer than POSTERN_INSPECTOR_QUICK_MS of processor time, or slow */
    POSTERN_JOB_OVER,     /* its limit, in time or processor time */
} PosternJobState;

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
    gint64 clock;                 /* of that worker, when it began */
    gboolean watched;             /* there */
    gboolean slow;                /* it has been there for POSTERN_INSPECTOR_SLOW_MS; counted in account */
    guint put_off;                /* how often it was taken from a worker, to begin anew in a spare one */
    struct event *timer;
} PosternJob;

/* Takes what goes with request, and counts its octets in total as long as it lives. If that names no
 * deadline it is default_ms from now. It does not count in account until it waits. */
PosternJob *postern_job_new(PosternConnection *connection, PosternAccount *account, PosternPacket *request,
                            guint default_ms, guint64 *total);
/* Takes it from its worker, out of its account, and frees all that it has. */
void postern_job_free(PosternJob *job);

/* Where it is: in the queue; or in worker, for at most maximum_ms. watched: its timer is to look at it all
 * the time, not only at its end. What it has used of a worker is counted when it leaves it. */
void postern_job_wait(PosternJob *job);
void postern_job_run(PosternJob *job, PosternWorkerProcess *worker, guint maximum_ms, gboolean watched);
/* For its timer, when it is in a worker: what is the matter with it. Unless it is over, the timer goes on to
 * the next moment at which that may change, or at which its client gives up. */
PosternJobState postern_job_look(PosternJob *job);
/* RUNS: microseconds of processor time that it has used of its worker. If that was short, or its worker is
 * dead, the time that it had is taken for it. */
gint64 postern_job_used(const PosternJob *job);
/* It leaves the queue, or its worker. */
void postern_job_leave(PosternJob *job);

/* TRUE if its message is not a small one (inspector_client/packet.h). */
gboolean postern_job_is_large(const PosternJob *job);

/* Tells the client, if it is still there. */
void postern_job_fail(PosternJob *job, PosternFailure failure, const char *text);
