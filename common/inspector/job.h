/*
 * A request under way in the pool: its descriptors are moved, never read.
 */
#pragma once

#include <event2/event.h>
#include <glib.h>

#include "inspect/packet.h"
#include "inspector/connection.h"
#include "inspector/worker_process.h"

typedef struct {
    gpointer group;                /* of workers, that it is for */
    PosternConnection *connection; /* NULL: its client is gone */
    guint user;
    guint origin; /* whose mail it is, as the user's program says */
    guint64 id;   /* the client's */
    int descriptors[POSTERN_PACKET_DESCRIPTORS_MAX];
    guint count;
    gint64 deadline;              /* monotonic microseconds, of the client */
    guint deaths;                 /* workers that died of it */
    PosternWorkerProcess *worker; /* NULL: it waits */
    struct event *timer;
} PosternJob;

/* Takes the descriptors. Where the request names no deadline it is default_ms from now. */
PosternJob *postern_job_new(PosternConnection *connection, const PosternPacket *request,
                            const int *descriptors, guint count, guint default_ms);
/* Takes it from its worker and closes all that it has. */
void postern_job_free(PosternJob *job);

/* (Re)starts its timer: at its deadline, and no later than maximum_ms from now. */
void postern_job_set_timer(PosternJob *job, guint maximum_ms);

/* Tells the client, where it is still there. */
void postern_job_fail(PosternJob *job, PosternFailure failure, const char *text);
