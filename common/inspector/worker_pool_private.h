/*
 * What the parts of the pool share: worker_pool.c its life, worker_pool_requests.c clients and their
 * requests, worker_dispatch.c who serves whom, worker_group.c templates and workers of each role.
 */
#pragma once

#include "inspector/accounts.h"
#include "inspector/job.h"
#include "inspector/memory.h"
#include "inspector/worker_group.h"
#include "inspector/worker_pool.h"

struct PosternWorkerPool {
    struct event_base *loop;
    char *program;
    char *worker_user; /* or NULL */
    PosternConfiguration *configuration;
    PosternCounters *counters; /* or NULL */
    PosternDirectory *directory;
    guint64 last_number; /* of templates, workers and requests to workers */
    gboolean notified;   /* the service manager: that we are ready */
    gboolean draining;
    struct event *drained_event;
    void (*drained)(gpointer user_data);
    gpointer user_data;
    PosternWorkerGroup *groups[POSTERN_ROLES];

    /* worker_pool_requests.c */
    int listening;
    struct event *acceptable;
    struct event *accept_again; /* after descriptors ran out */
    GHashTable *connections;    /* set of PosternConnection *, clients_maximum at most */
    guint clients_maximum;
    gboolean ready;    /* as clients were told: it can inspect */
    char *not_ready;   /* as they were told: why it cannot, or NULL: it starts */
    GHashTable *users; /* user -> GUINT_TO_POINTER(connections) */
    PosternAccounts *accounts;
    PosternMemory *memory;
    GHashTable *jobs; /* set of PosternJob * */
    guint64 octets;   /* that they brought along */
};

/* Tells clients whether messages can be inspected, if that has changed. */
void postern_worker_pool_tell_state(PosternWorkerGroup *group);
/* Takes clients. */
void postern_worker_pool_open(PosternWorkerPool *pool);
/* Takes no more clients, and no more requests of those that are there. */
void postern_worker_pool_close(PosternWorkerPool *pool);
/* worker_dispatch.c: gives waiting requests of the group to its idle workers. */
void postern_worker_pool_dispatch(PosternWorkerGroup *group);
/* The worker has answered job with packet, whose content is taken, or is dead; job is freed, or waits again.
 */
void postern_worker_pool_answer(PosternWorkerPool *pool, PosternJob *job, PosternPacket *packet);
void postern_worker_pool_job_lost(PosternWorkerPool *pool, PosternJob *job, gboolean crashed);
/* A timer of job, which is in a worker, has run off. */
void postern_worker_pool_job_timer(PosternWorkerPool *pool, PosternJob *job);
/* job is answered with failure, and forgotten. */
void postern_worker_pool_job_fail(PosternWorkerPool *pool, PosternJob *job, PosternFailure failure,
                                  const char *text);
/* A worker was lost to job. */
void postern_worker_pool_count_loss(PosternJob *job);
/* A worker died of a message of user's, or was killed for it: the second time that is remembered. */
void postern_worker_pool_note_death(PosternWorkerPool *pool, guint user, const guint8 *fingerprint);
/* What is remembered of job's message that worker may use, or NULL. */
GBytes *postern_worker_pool_kept(PosternWorkerPool *pool, const PosternJob *job,
                                 const PosternWorkerProcess *worker);
/* All that waits in the group fails with text. */
void postern_worker_pool_fail_waiting(PosternWorkerGroup *group, PosternFailure failure, const char *text);
/* Tells the program if it drains, and nothing waits any more. */
void postern_worker_pool_check_drained(PosternWorkerPool *pool);
