#include "capsule/store.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"
#include "base/privileges.h"
#include "base/thread.h"
#include "capsule/retention.h"

#define TIDY_SECONDS 30
#define WARN_SECONDS 60

/* What waits to be written. */
typedef struct {
    char *name;
    PosternCapsule *capsule;
} Job;

struct PosternCapsuleStore {
    int directory;
    PosternCapsuleWarn warn;
    gpointer user_data;
    GThread *thread;
    pthread_mutex_t lock;   /* for what follows; pthread's, not GLib's: ThreadSanitizer knows these */
    pthread_cond_t changed; /* of the monotonic clock */
    GQueue jobs;            /* of Job * */
    gboolean ending;
    guint which;
    guint64 octets;
    guint age_ms;
    guint waiting;
    guint64 waiting_octets;
    guint lost;     /* since the last warning */
    char *cause;    /* of the first of them */
    char *database; /* of signatures, or NULL */
    char *versions; /* that capsules are said to be made by */
    /* The thread's own. */
    guint64 used;
    gint64 next_tidy; /* monotonic, microseconds, as is the following */
    gint64 next_warning;
};

static void job_free(Job *job)
{
    g_free(job->name);
    g_clear_pointer(&job->capsule, postern_capsule_free);
    g_free(job);
}

static int refuse(GError **error, const char *path, const char *text)
{
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "[capsule] directory: %s: %s", path, text);
    return -1;
}

/* A directory that was made just now belongs to whom it was made for. */
static int open_directory(const char *path, const char *user, GError **error)
{
    gboolean made = mkdir(path, S_IRWXU) == 0;
    if (!made && errno != EEXIST)
        return refuse(error, path, g_strerror(errno));
    int descriptor = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (descriptor < 0)
        return refuse(error, path, g_strerror(errno));
    if (made && !postern_privileges_give(descriptor, user, error)) {
        close(descriptor);
        return -1;
    }
    return descriptor;
}

/* Root can write anywhere: what counts is what user can once root is gone. */
static gboolean belongs_to(int descriptor, const char *path, const char *user, GError **error)
{
    struct stat status;
    uid_t uid = 0;
    if (!postern_privileges_user_id(user, &uid, error))
        return FALSE;
    if (fstat(descriptor, &status) != 0)
        return refuse(error, path, g_strerror(errno)) == 0;
    if (status.st_uid != uid) {
        g_autofree char *text = g_strdup_printf("does not belong to the user '%s': chown it", user);
        return refuse(error, path, text) == 0;
    }
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0)
        return refuse(error, path, "is open to others, and mail is kept there: chmod it to 0700") == 0;
    return TRUE;
}

static void init_locks(PosternCapsuleStore *store)
{
    pthread_mutex_init(&store->lock, NULL);
    postern_condition_init(&store->changed);
}

gboolean postern_capsule_store_open(const PosternConfiguration *configuration, const char *user,
                                    PosternCapsuleWarn warn, gpointer user_data,
                                    PosternCapsuleStore **ret_store, GError **error)
{
    const char *path = configuration->capsule.directory;
    *ret_store = NULL;
    if (path[0] == '\0')
        return TRUE;
    int directory = open_directory(path, user, error);
    if (directory < 0)
        return FALSE;
    if (!belongs_to(directory, path, user, error)) {
        close(directory);
        return FALSE;
    }
    PosternCapsuleStore *store = g_new0(PosternCapsuleStore, 1);
    store->directory = directory;
    store->warn = warn;
    store->user_data = user_data;
    g_queue_init(&store->jobs);
    init_locks(store);
    postern_capsule_store_reload(store, configuration);
    *ret_store = store;
    return TRUE;
}

void postern_capsule_store_reload(PosternCapsuleStore *store, const PosternConfiguration *configuration)
{
    if (store == NULL)
        return;
    pthread_mutex_lock(&store->lock);
    store->which = configuration->capsule.which;
    store->octets = configuration->capsule.octets;
    store->age_ms = configuration->capsule.age_ms;
    g_free(store->database);
    store->database = configuration->virus.scan ? g_strdup(configuration->virus.database) : NULL;
    g_free(store->versions);
    store->versions = postern_capsule_versions(store->database);
    pthread_mutex_unlock(&store->lock);
}

gboolean postern_capsule_store_wants(PosternCapsuleStore *store, const PosternVerdict *verdict)
{
    if (store == NULL || verdict == NULL)
        return FALSE;
    pthread_mutex_lock(&store->lock);
    guint which = store->which;
    pthread_mutex_unlock(&store->lock);
    return which == POSTERN_CAPSULE_ALL || verdict->would != POSTERN_ACTION_ACCEPT;
}

static void note_lost(PosternCapsuleStore *store, const char *cause)
{
    pthread_mutex_lock(&store->lock);
    if (store->lost++ == 0)
        store->cause = g_strdup(cause);
    pthread_mutex_unlock(&store->lock);
}

/* Room for one more among those that wait? */
static gboolean reserve(PosternCapsuleStore *store, guint64 octets)
{
    pthread_mutex_lock(&store->lock);
    gboolean fits =
        store->waiting == 0 || (store->waiting < POSTERN_CAPSULE_QUEUE_MAX &&
                                octets <= POSTERN_CAPSULE_QUEUE_MAX_OCTETS - store->waiting_octets);
    if (fits) {
        store->waiting++;
        store->waiting_octets = MIN(store->waiting_octets + octets, POSTERN_CAPSULE_QUEUE_MAX_OCTETS);
    }
    pthread_mutex_unlock(&store->lock);
    return fits;
}

static void release(PosternCapsuleStore *store, guint64 octets)
{
    pthread_mutex_lock(&store->lock);
    store->waiting--;
    store->waiting_octets -= MIN(octets, store->waiting_octets);
    pthread_mutex_unlock(&store->lock);
}

static char *name_for(const char *session)
{
    gint64 now = g_get_real_time();
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(now / G_USEC_PER_SEC);
    g_autofree char *second = g_date_time_format(time, "%Y%m%dT%H%M%S");
    return g_strdup_printf("%s-%s.%06dZ" POSTERN_CAPSULE_SUFFIX, session, second,
                           (int)(now % G_USEC_PER_SEC));
}

void postern_capsule_store_put(PosternCapsuleStore *store, PosternCapsule *capsule, const char *session)
{
    g_autoptr(PosternCapsule) taken = capsule;
    if (!reserve(store, postern_message_size(taken->message))) {
        note_lost(store, "too many wait to be written: is the disk slow?");
        return;
    }
    pthread_mutex_lock(&store->lock);
    g_free(taken->versions);
    taken->versions = g_strdup(store->versions);
    pthread_mutex_unlock(&store->lock);
    Job *job = g_new0(Job, 1);
    job->name = name_for(session);
    job->capsule = g_steal_pointer(&taken);
    pthread_mutex_lock(&store->lock);
    g_queue_push_tail(&store->jobs, job);
    pthread_cond_signal(&store->changed);
    pthread_mutex_unlock(&store->lock);
}

static void warn_now_and_then(PosternCapsuleStore *store)
{
    gint64 now = g_get_monotonic_time();
    if (now < store->next_warning)
        return;
    pthread_mutex_lock(&store->lock);
    guint lost = store->lost;
    g_autofree char *cause = g_steal_pointer(&store->cause);
    store->lost = 0;
    pthread_mutex_unlock(&store->lock);
    if (lost == 0)
        return;
    store->next_warning = now + WARN_SECONDS * G_USEC_PER_SEC;
    store->warn(cause, lost, store->user_data);
}

/* Signatures change while a daemon runs. */
static void look_at_versions(PosternCapsuleStore *store)
{
    pthread_mutex_lock(&store->lock);
    g_autofree char *database = g_strdup(store->database);
    pthread_mutex_unlock(&store->lock);
    char *versions = postern_capsule_versions(database);
    pthread_mutex_lock(&store->lock);
    g_free(store->versions);
    store->versions = versions;
    pthread_mutex_unlock(&store->lock);
}

static void tidy(PosternCapsuleStore *store, guint64 octets)
{
    pthread_mutex_lock(&store->lock);
    guint age_ms = store->age_ms;
    pthread_mutex_unlock(&store->lock);
    look_at_versions(store);
    store->used = postern_retention_tidy(store->directory, octets, age_ms);
    store->next_tidy = g_get_monotonic_time() + TIDY_SECONDS * G_USEC_PER_SEC;
}

/* When there is no more room some is made, and not for one message alone: that reads the whole directory. */
static gboolean make_room(PosternCapsuleStore *store, guint64 wanted)
{
    pthread_mutex_lock(&store->lock);
    guint64 octets = store->octets;
    pthread_mutex_unlock(&store->lock);
    if (wanted > octets)
        return FALSE;
    if (g_get_monotonic_time() >= store->next_tidy)
        tidy(store, octets);
    if (store->used > octets - wanted)
        tidy(store, MIN(octets - octets / 16, octets - wanted));
    return TRUE;
}

static void write_job(PosternCapsuleStore *store, Job *job)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) head = NULL;
    g_autoptr(GBytes) tail = NULL;
    PosternMessage *message = job->capsule->message;
    postern_capsule_serialise(job->capsule, &head, &tail);
    guint64 octets = postern_message_size(message) + g_bytes_get_size(head) + g_bytes_get_size(tail);
    if (!make_room(store, octets))
        note_lost(store, "a message is larger than [capsule] size");
    else if (postern_capsule_write(store->directory, job->name, head, message, tail, &error))
        store->used += octets;
    else
        note_lost(store, error->message);
    release(store, postern_message_size(message));
}

/* NULL: there was none for a while, or (*ret_end) there is none and the store is to end. */
static Job *next_job(PosternCapsuleStore *store, gboolean *ret_end)
{
    gint64 until = g_get_monotonic_time() + TIDY_SECONDS * G_USEC_PER_SEC;
    gboolean waiting = TRUE;
    pthread_mutex_lock(&store->lock);
    while (store->jobs.length == 0 && !store->ending && waiting)
        waiting = postern_condition_wait(&store->changed, &store->lock, until);
    Job *job = g_queue_pop_head(&store->jobs);
    *ret_end = job == NULL && store->ending;
    pthread_mutex_unlock(&store->lock);
    return job;
}

static gpointer run(gpointer data)
{
    PosternCapsuleStore *store = data;
    gboolean end = FALSE;
    while (!end) {
        (void)make_room(store, 0);
        warn_now_and_then(store);
        Job *job = next_job(store, &end);
        if (job == NULL)
            continue;
        write_job(store, job);
        job_free(job);
    }
    return NULL;
}

void postern_capsule_store_start(PosternCapsuleStore *store)
{
    if (store != NULL)
        store->thread = postern_thread_new("capsules", run, store);
}

void postern_capsule_store_free(PosternCapsuleStore *store)
{
    if (store == NULL)
        return;
    pthread_mutex_lock(&store->lock);
    store->ending = TRUE;
    pthread_cond_signal(&store->changed);
    pthread_mutex_unlock(&store->lock);
    if (store->thread != NULL)
        g_thread_join(store->thread);
    g_queue_clear_full(&store->jobs, (GDestroyNotify)job_free);
    close(store->directory);
    pthread_mutex_destroy(&store->lock);
    pthread_cond_destroy(&store->changed);
    g_free(store->cause);
    g_free(store->database);
    g_free(store->versions);
    g_free(store);
}
