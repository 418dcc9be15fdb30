/*
 * The pool's end of a worker: its socket, whose end is the worker's death, and a descriptor of its process to
 * kill it by.
 */
#pragma once

#include <event2/event.h>
#include <glib.h>

#include "inspector_client/packet.h"

typedef enum {
    POSTERN_WORKER_STARTING, /* has not proved itself yet */
    POSTERN_WORKER_IDLE,
    POSTERN_WORKER_BUSY,
} PosternWorkerState;

typedef struct PosternWorkerProcess PosternWorkerProcess;

typedef struct {
    /* It has proved itself, and its process is known; confined: the kernel's Landlock keeps it from files. */
    void (*ready)(PosternWorkerProcess *worker, gboolean confined, gpointer user_data);
    /* The answer to the request under way, whose content the callee may take. It is IDLE now. */
    void (*answered)(PosternWorkerProcess *worker, PosternPacket *packet, gpointer user_data);
    /* It has died, or broke the protocol; text, if it said why, or NULL. The callee frees it. */
    void (*ended)(PosternWorkerProcess *worker, const char *text, gpointer user_data);
} PosternWorkerCalls;

struct PosternWorkerProcess {
    guint64 number;            /* in FORK and FORKED */
    gpointer template_process; /* its maker, never followed here */
    GPid process;              /* 0: not known yet */
    PosternWorkerState state;
    gboolean proved;   /* STARTING: so it says; its template has not told of it yet */
    gboolean confined; /* so it says */
    gboolean leaving;  /* gets no more requests */
    gboolean spare;    /* not for all requests (inspector/worker_dispatch.c) */
    gboolean yielding; /* it runs behind all others */
    gpointer job;      /* BUSY: whose, the pool's own */
    guint64 request;   /* BUSY: the id sent with it */
    guint requests;    /* so far */
    guint scans;       /* of them, those that were scans or signatures, as it tells */
    gint64 started;    /* monotonic */
    gint64 idle_since; /* monotonic; IDLE */
    int end;           /* the signal that ended it, or 0, as its template told; -1: it has not */
    int socket;
    int descriptor; /* of the process; -1: not known yet */
    struct event *readable;
    const PosternWorkerCalls *calls;
    gpointer user_data;
};

/* Takes socket (non-blocking), the pool's end. */
PosternWorkerProcess *postern_worker_process_new(struct event_base *loop, guint64 number, int socket,
                                                 const PosternWorkerCalls *calls, gpointer user_data);
/* Kills the process if it lives. */
void postern_worker_process_free(PosternWorkerProcess *worker);

/* The template has told of it; descriptor is taken. May call ready. */
void postern_worker_process_adopt(PosternWorkerProcess *worker, GPid process, int descriptor);

/* It was ended by signal (0: it has exited), so its template says: what its socket still holds is read, and
 * then ended is called, whoever else may hold the other end of the socket. */
void postern_worker_process_note_end(PosternWorkerProcess *worker, int signal);

/* The processor time that it has used in all, in microseconds; -1: not known. */
gint64 postern_worker_process_clock(const PosternWorkerProcess *worker);

/* From now on it runs behind all others, for good. */
void postern_worker_process_yield(PosternWorkerProcess *worker);

/* Gives it what goes with packet as request, scanner, a connection to clamd (-1: none), which is in state,
 * and kept, what is remembered of the request's message (NULL: nothing). All stay the caller's. FALSE: it is
 * gone. */
gboolean postern_worker_process_send(PosternWorkerProcess *worker, guint64 request,
                                     const PosternPacket *packet, GBytes *kept, int scanner,
                                     PosternScannerState state);
