/*
 * The pool's end of a template: a process of our own program that has loaded what workers of its role need,
 * and forks them.
 */
#pragma once

#include <event2/event.h>
#include <glib.h>

#include "base/configuration.h"
#include "daemon/directory.h"
#include "inspector_client/packet.h"

typedef struct PosternTemplateProcess PosternTemplateProcess;

typedef struct {
    /* It has loaded. */
    void (*ready)(PosternTemplateProcess *process, gpointer user_data);
    /* There are other signatures than those that it has loaded. */
    void (*changed)(PosternTemplateProcess *process, gpointer user_data);
    /* A worker was forked, as asked for by number; descriptor of its process is the callee's. */
    void (*forked)(PosternTemplateProcess *process, guint64 number, GPid worker, int descriptor,
                   gpointer user_data);
    /* A worker has ended, by signal, or 0. */
    void (*worker_ended)(PosternTemplateProcess *process, guint64 number, int signal, gpointer user_data);
    /* A worker could not be forked. */
    void (*failed)(PosternTemplateProcess *process, guint64 number, const char *text, gpointer user_data);
    /* The process has ended; text says how and why. The callee frees it. */
    void (*ended)(PosternTemplateProcess *process, const char *text, gpointer user_data);
} PosternTemplateCalls;

struct PosternTemplateProcess {
    PosternRole role;
    guint64 number;
    GPid process;
    gboolean loaded;
    gboolean announced;   /* the pool has logged that it serves */
    char *version;        /* once it has loaded: of signatures and options; another, other findings */
    gboolean retired;     /* to end with its last worker */
    gboolean timed_out;   /* it did not load in time */
    guint start_failures; /* of workers, one after the other */
    guint64 loaded_count; /* signatures, or keys */
    int control;          /* -1: closed, so that it ends */
    int descriptor;
    char *directory;
    GPtrArray *files; /* of signatures, to be held (inspector/held_files.h) */
    char *clamd;      /* that its workers scan with; "": they do it themselves, or do not scan */
    char *last_words; /* why it could not load, or NULL */
    struct event *readable;
    struct event *death;
    struct event *deadline; /* until it has loaded; or until it has ended, once it was bidden to */
    gint64 end_by;          /* monotonic: the same */
    const PosternTemplateCalls *calls;
    gpointer user_data;
};

typedef struct {
    struct event_base *loop;
    const char *program; /* postern-inspector */
    PosternRole role;
    guint64 number; /* of its directory */
    const PosternConfiguration *configuration;
    const char *worker_user;           /* whom its workers become, or NULL */
    const PosternDirectory *directory; /* for its own */
    /* See inspector/signatures.h. */
    guint64 at_least;
    gboolean background;
    const GPtrArray *held; /* may be empty */
    gboolean only_held;
} PosternTemplateProcessOptions;

/* Starts one. What it says for the log is logged. */
PosternTemplateProcess *postern_template_process_new(const PosternTemplateProcessOptions *options,
                                                     const PosternTemplateCalls *calls, gpointer user_data,
                                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Ends it, with its workers, and waits for that: until POSTERN_INSPECTOR_TEMPLATE_END_MS after it was bidden
 * to end, then kills it. Removes its directory. */
void postern_template_process_free(PosternTemplateProcess *process);

/* Bids it end, with its workers; ended will be called, and it is killed if it does not obey. */
void postern_template_process_end(PosternTemplateProcess *process);

/* Asks for a worker that has socket, which stays the caller's. FALSE: the process is gone. */
gboolean postern_template_process_fork(PosternTemplateProcess *process, guint64 number, int socket);

/* TRUE: it has died, even if ended has not been called yet. */
gboolean postern_template_process_is_dead(const PosternTemplateProcess *process);
