/*
 * The templates and workers of one role, and the requests that wait for them: a part of the pool. A group
 * loads anew beside what is in use, replaces what has died, and says when it cannot serve.
 */
#pragma once

#include "inspector/crashes.h"
#include "inspector/job.h"
#include "inspector/queue.h"
#include "inspector/template_process.h"
#include "inspector/worker_pool.h"

/* A worker that died of a message. */
typedef struct {
    guint64 worker; /* its number */
    guint user;
    guint8 fingerprint[POSTERN_FINGERPRINT_OCTETS];
} PosternDeath;

typedef struct {
    PosternWorkerPool *pool;
    PosternRole role;
    PosternQueue *queue;             /* of PosternJob * */
    PosternQueue *put_off;           /* of those that were put off */
    gboolean others_turn;            /* the next spare worker takes none of those */
    GPtrArray *templates;            /* of PosternTemplateProcess *, owned */
    GPtrArray *workers;              /* of PosternWorkerProcess *, owned */
    PosternTemplateProcess *current; /* of templates, or NULL */
    PosternTemplateProcess *next;    /* being loaded beside it, or NULL */
    PosternCrashes crashes;
    GArray *mourned;     /* of PosternDeath, the newest last: how these ended is not known yet */
    guint failures;      /* to bring up a worker, one after the other */
    char *failure_text;  /* of the last one */
    gint64 failed_since; /* monotonic; 0: there is a worker, or hope for one */
    gint64 not_before;   /* monotonic: the next attempt */
    GPtrArray *held;     /* the files of the signatures that proved themselves last; may be empty */
    guint64 in_use;      /* how many those are */
    gboolean only_held;  /* others have ended their template */
    gboolean ordered;    /* an administrator has them loaded, and may want fewer */
    gint64 stopping;     /* monotonic: when the last workers of those in use are killed; 0: they go on */
    gint64 told;         /* monotonic: when it was said that there is no memory for new ones */
    gboolean changed;    /* there are other signatures: they are loaded after those that are being loaded */
    gint64 retry_at;     /* monotonic: when to load what could not be loaded; 0: there is nothing */
    gboolean hurried;    /* what is being loaded is loaded at full speed, for it was starved before */
    struct event *maintenance;
} PosternWorkerGroup;

/* Of at most waiting requests that wait. Nothing is started yet. */
PosternWorkerGroup *postern_worker_group_new(PosternWorkerPool *pool, PosternRole role, guint waiting);
/* Bids all its processes end. */
void postern_worker_group_end(PosternWorkerGroup *group);
/* Ends its processes and waits for them; its jobs must be gone. */
void postern_worker_group_free(PosternWorkerGroup *group);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternWorkerGroup, postern_worker_group_free)

/* TRUE: the configuration asks for such workers. Else why there are none, a static text. */
gboolean postern_worker_group_is_wanted(const PosternWorkerGroup *group, const char **ret_reason);
/* How many regular workers it is to have. */
guint postern_worker_group_workers(const PosternWorkerGroup *group);
/* Starts the first template. */
gboolean postern_worker_group_start(PosternWorkerGroup *group, GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Brings what is up to what is wanted. */
void postern_worker_group_maintain(PosternWorkerGroup *group);
/* Asks process for a worker. FALSE: it is gone, or cannot be asked now and is asked again soon. */
gboolean postern_worker_group_start_worker(PosternWorkerGroup *group, PosternTemplateProcess *process,
                                           gboolean spare);
/* Kills worker. */
void postern_worker_group_forget_worker(PosternWorkerGroup *group, PosternWorkerProcess *worker);
/* Kills worker, and brings up another. */
void postern_worker_group_drop_worker(PosternWorkerGroup *group, PosternWorkerProcess *worker);
/* TRUE if there is a worker that has proved itself. */
gboolean postern_worker_group_has_tested_worker(const PosternWorkerGroup *group);
/* Why no worker will come soon, or NULL. */
const char *postern_worker_group_unavailable(const PosternWorkerGroup *group);

/* Its workers get no more requests; those that have none end now, and it ends with the last of them. */
void postern_worker_group_retire(PosternWorkerGroup *group, PosternTemplateProcess *process);
/* What its templates load, for the log. */
const char *postern_worker_group_stock(const PosternWorkerGroup *group);
extern const PosternTemplateCalls postern_worker_group_template_calls;

/* worker_renewal.c */

/* Starts a template with the configuration of now, beside current. */
gboolean postern_worker_group_start_template(PosternWorkerGroup *group, PosternTemplateProcess **ret_process,
                                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Loads anew as [virus] reload says; ends all if they are not wanted any more. ordered: by an administrator.
 */
void postern_worker_group_renew(PosternWorkerGroup *group, gboolean ordered);
/* Does so if signatures have changed, or what could not be loaded is to be tried again. */
void postern_worker_group_renew_if_due(PosternWorkerGroup *group);
/* process has proved itself: what is held of it takes the place of what was held before. */
void postern_worker_group_hold(PosternWorkerGroup *group, PosternTemplateProcess *process);
/* TRUE: those in use have been stopped, and the next are to be loaded once all of them have ended. */
gboolean postern_worker_group_is_stopping(PosternWorkerGroup *group);
/* next, or what should have become it, cannot serve: text says why. */
void postern_worker_group_note_not_renewed(PosternWorkerGroup *group, const char *text);

/* worker_deaths.c: what a worker died of, which its template tells before or after its socket does. */

/* worker has died with job. */
void postern_worker_group_mourn(PosternWorkerGroup *group, const PosternWorkerProcess *worker,
                                const PosternJob *job);
/* PosternTemplateCalls.worker_ended, of a group. */
void postern_worker_group_note_end(PosternTemplateProcess *process, guint64 number, int signal,
                                   gpointer group);

/* worker_spares.c: spare workers, what they are for stands in worker_dispatch.c. */

#define POSTERN_WORKER_SPARE_IDLE_US (POSTERN_INSPECTOR_SPARE_IDLE_SECONDS * G_USEC_PER_SEC)

/* TRUE: one more spare worker may be busy. */
gboolean postern_worker_group_has_room(const PosternWorkerGroup *group);
gboolean postern_worker_group_has_busy_spare(const PosternWorkerGroup *group);
/* Starts a spare worker, unless there is one that waits for work, or that starts, and is not behind all
 * others. One that must not be busy yet is there to take the place of a regular one at once. */
void postern_worker_group_add_spare(PosternWorkerGroup *group);
/* worker, a regular one, is or will be busy for long: it is a spare one from now on, and another, an idle
 * spare one or a new one, takes its place. FALSE: there is no room. */
gboolean postern_worker_group_replace(PosternWorkerGroup *group, PosternWorkerProcess *worker);
/* Kills worker; another takes its place in the same way if it was a regular one. */
void postern_worker_group_kill(PosternWorkerGroup *group, PosternWorkerProcess *worker);
/* Kills those that have had nothing to do for a while. */
void postern_worker_group_drop_idle_spares(PosternWorkerGroup *group);

/* worker_group_notices.c */

/* TRUE: process should have signatures, and could load none. */
gboolean postern_worker_group_lacks_signatures(const PosternWorkerGroup *group,
                                               const PosternTemplateProcess *process);
/* Tells the service manager: what it starts after us may rely on signatures, so that without them we serve,
 * and are not ready. */
void postern_worker_group_notify_manager(PosternWorkerPool *pool, gboolean lacks_signatures);
/* Its workers may read files, for this kernel has no Landlock: says so. */
void postern_worker_group_warn_unconfined(const PosternWorkerGroup *group);
