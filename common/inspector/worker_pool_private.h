/*
 * What the parts of the pool share: worker_pool.c its life, worker_pool_requests.c clients and their
 * requests, worker_pool_workers.c templates and workers.
 */
#pragma once

#include "inspector/account.h"
#include "inspector/job.h"
#include "inspector/queue.h"
#include "inspector/template_process.h"
#include "inspector/worker_pool.h"

struct PosternWorkerPool {
    struct event_base *loop;
    char *program;
    PosternConfiguration *configuration;
    PosternDirectory *directory;
    guint64 last_number; /* of templates, workers and requests to workers */
    gboolean draining;
    struct event *drained_event;
    void (*drained)(gpointer user_data);
    gpointer user_data;

    /* worker_pool_requests.c */
    int listening;
    struct event *acceptable;
    struct event *accept_again; /* after descriptors ran out */
    GHashTable *connections;    /* set of PosternConnection * */
    GHashTable *accounts;       /* user -> PosternAccount * */
    GHashTable *origins;        /* origin -> PosternAccount, of those whose mail has crashed a worker */
    GHashTable *jobs;           /* set of PosternJob * */
    PosternQueue *queue;

    /* worker_pool_workers.c */
    GPtrArray *templates;            /* of PosternTemplateProcess *, owned */
    GPtrArray *workers;              /* of PosternWorkerProcess *, owned */
    PosternTemplateProcess *current; /* of templates, or NULL */
    PosternTemplateProcess *next;    /* being loaded beside it, or NULL */
    PosternCrashes crashes;
    guint failures;      /* to bring up a worker, one after the other */
    char *failure_text;  /* of the last one */
    gint64 failed_since; /* monotonic; 0: there is a worker, or hope for one */
    gint64 not_before;   /* monotonic: the next attempt */
    struct event *maintenance;
};

/* Requests. */
void postern_worker_pool_open(PosternWorkerPool *pool);
void postern_worker_pool_close(PosternWorkerPool *pool);
/* Gives waiting requests to idle workers. */
void postern_worker_pool_dispatch(PosternWorkerPool *pool);
/* The worker has answered job, or is dead; job is freed, or waits again. */
void postern_worker_pool_answer(PosternWorkerPool *pool, PosternJob *job, const PosternPacket *packet,
                                int descriptor);
void postern_worker_pool_job_lost(PosternWorkerPool *pool, PosternJob *job, gboolean crashed);
/* All that waits fails with text. */
void postern_worker_pool_fail_waiting(PosternWorkerPool *pool, const char *text);
void postern_worker_pool_check_drained(PosternWorkerPool *pool);

/* Templates and workers. */
gboolean postern_worker_pool_start_template(PosternWorkerPool *pool, PosternTemplateProcess **ret_process,
                                            GError **error);
/* Loads anew beside what is in use. */
void postern_worker_pool_renew(PosternWorkerPool *pool);
/* Brings what is up to what is wanted. */
void postern_worker_pool_maintain(PosternWorkerPool *pool);
/* Kills worker, and brings up another. */
void postern_worker_pool_drop_worker(PosternWorkerPool *pool, PosternWorkerProcess *worker);
/* Why no worker will come soon, or NULL. */
const char *postern_worker_pool_unavailable(const PosternWorkerPool *pool);
