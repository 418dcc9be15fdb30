#include "inspector/worker_pool.h"

#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/privileges.h"
#include "checks/rules/table.h"
#include "inspector/worker_pool_private.h"

#define DIRECTORY_PREFIX "postern-inspector-"
#define OWN_DESCRIPTORS 64
#define DESCRIPTORS_A_REQUEST 3
#define DESCRIPTORS_A_WORKER 4
#define WAITING_MIN 16
/* of what may wait, one in so many is to be signed, and as many to be read by light workers */
#define SHARE 4

/* Clients, and what waits, must fit into our descriptors: a quarter of them is for clients. */
static guint share_descriptors(PosternWorkerPool *pool)
{
    guint64 limit = postern_privileges_raise_descriptors();
    guint configured = pool->configuration->inspector.workers;
    guint workers = MIN(configured > 0 ? configured : g_get_num_processors(), POSTERN_INSPECTOR_WORKERS_MAX);
    pool->clients_maximum = (guint)CLAMP(limit / SHARE, WAITING_MIN, POSTERN_INSPECTOR_CLIENTS_MAX);
    guint64 other = OWN_DESCRIPTORS + pool->clients_maximum +
                    DESCRIPTORS_A_WORKER * (2 * workers + 1 + POSTERN_INSPECTOR_LIGHT_WORKERS_MAX +
                                            POSTERN_INSPECTOR_SIGNERS_MAX);
    guint64 room = limit > other ? (limit - other) / DESCRIPTORS_A_REQUEST : 0;
    return (guint)CLAMP(room, WAITING_MIN, POSTERN_INSPECTOR_QUEUE_MAX);
}

static void on_drained(evutil_socket_t descriptor, short what, void *data)
{
    (void)descriptor, (void)what;
    PosternWorkerPool *pool = data;
    pool->drained(pool->user_data);
}

/* Keys that cannot be loaded are no reason not to inspect: they are told of, and tried again. */
static gboolean start_groups(PosternWorkerPool *pool, GError **error)
{
    guint waiting = share_descriptors(pool);
    guint share = waiting / SHARE;
    pool->groups[POSTERN_ROLE_SCAN] = postern_worker_group_new(pool, POSTERN_ROLE_SCAN, waiting - 2 * share);
    pool->groups[POSTERN_ROLE_LIGHT] = postern_worker_group_new(pool, POSTERN_ROLE_LIGHT, share);
    pool->groups[POSTERN_ROLE_SIGN] = postern_worker_group_new(pool, POSTERN_ROLE_SIGN, share);
    if (!postern_worker_group_start(pool->groups[POSTERN_ROLE_SCAN], error))
        return FALSE;
    postern_worker_group_maintain(pool->groups[POSTERN_ROLE_LIGHT]);
    postern_worker_group_maintain(pool->groups[POSTERN_ROLE_SIGN]);
    return TRUE;
}

/* Templates read a copy of the rules: what an administrator does to the file counts from the next reload on,
 * whenever a template starts. Of a file that is wrong there is none: a template says what is wrong. */
static void keep_rules(PosternWorkerPool *pool)
{
    PosternConfiguration *configuration = pool->configuration;
    const char *path = configuration->content.rules;
    g_autofree char *copy = g_build_filename(pool->directory->path, "rules", NULL);
    g_autofree char *text = NULL;
    gsize length = 0;
    if (path[0] == '\0' || !g_file_get_contents(path, &text, &length, NULL))
        return;
    g_autoptr(GPtrArray) rules = postern_rules_parse(text, length, path, NULL);
    if (rules == NULL || !g_file_set_contents_full(copy, text, (gssize)length, G_FILE_SET_CONTENTS_CONSISTENT,
                                                   S_IRUSR | S_IWUSR, NULL))
        return;
    g_free(configuration->content.rules);
    configuration->content.rules = g_steal_pointer(&copy);
}

PosternWorkerPool *postern_worker_pool_new(const PosternWorkerPoolOptions *options, GError **error)
{
    PosternWorkerPool *pool = g_new0(PosternWorkerPool, 1);
    pool->loop = options->loop;
    pool->program = g_strdup(options->program);
    pool->worker_user = g_strdup(options->worker_user);
    pool->counters = options->counters;
    pool->configuration = options->configuration;
    pool->listening = options->listening;
    pool->drained = options->drained;
    pool->user_data = options->user_data;
    pool->connections =
        g_hash_table_new_full(g_direct_hash, g_direct_equal, (GDestroyNotify)postern_connection_free, NULL);
    pool->users = g_hash_table_new(g_direct_hash, g_direct_equal);
    pool->accounts = postern_accounts_new(POSTERN_INSPECTOR_ACCOUNTS_MAX);
    pool->memory = postern_memory_new();
    pool->jobs = g_hash_table_new_full(g_direct_hash, g_direct_equal, (GDestroyNotify)postern_job_free, NULL);
    pool->drained_event = evtimer_new(pool->loop, on_drained, pool);
    pool->directory =
        postern_directory_new(postern_directory_temporary(pool->configuration), DIRECTORY_PREFIX, error);
    if (pool->directory == NULL)
        g_prefix_error(error, "[inspector] temporary_directory: ");
    /* Workers of another user have their own directories below it. */
    if (pool->directory != NULL && pool->worker_user != NULL)
        (void)chmod(pool->directory->path, 0711);
    if (pool->directory != NULL)
        keep_rules(pool);
    if (pool->directory == NULL || !start_groups(pool, error)) {
        postern_worker_pool_free(pool);
        return NULL;
    }
    postern_worker_pool_open(pool);
    return pool;
}

void postern_worker_pool_free(PosternWorkerPool *pool)
{
    if (pool == NULL)
        return;
    postern_worker_pool_close(pool);
    g_hash_table_unref(pool->jobs);
    g_hash_table_unref(pool->connections);
    g_hash_table_unref(pool->users);
    postern_accounts_free(pool->accounts);
    postern_memory_free(pool->memory);
    for (guint i = 0; i < POSTERN_ROLES; i++)
        if (pool->groups[i] != NULL)
            postern_worker_group_end(pool->groups[i]);
    for (guint i = 0; i < POSTERN_ROLES; i++)
        postern_worker_group_free(pool->groups[i]);
    postern_directory_free(pool->directory);
    event_free(pool->drained_event);
    postern_configuration_free(pool->configuration);
    g_free(pool->program);
    g_free(pool->worker_user);
    g_free(pool->not_ready);
    g_free(pool);
}

const PosternConfiguration *postern_worker_pool_configuration(const PosternWorkerPool *pool)
{
    return pool->configuration;
}

void postern_worker_pool_reload(PosternWorkerPool *pool, PosternConfiguration *configuration)
{
    postern_configuration_free(pool->configuration);
    pool->configuration = configuration;
    keep_rules(pool);
    postern_memory_forgive(pool->memory);
    for (guint i = 0; i < POSTERN_ROLES; i++) {
        postern_worker_group_renew(pool->groups[i], TRUE);
        postern_worker_group_maintain(pool->groups[i]);
    }
}

void postern_worker_pool_drain(PosternWorkerPool *pool)
{
    pool->draining = TRUE;
    postern_worker_pool_close(pool);
    postern_worker_pool_check_drained(pool);
}

/* Nobody waits for those whose clients are gone. */
static gboolean somebody_waits(const PosternWorkerPool *pool)
{
    GHashTableIter iterator;
    gpointer key = NULL;
    g_hash_table_iter_init(&iterator, pool->jobs);
    while (g_hash_table_iter_next(&iterator, &key, NULL))
        if (((const PosternJob *)key)->connection != NULL)
            return TRUE;
    return FALSE;
}

void postern_worker_pool_check_drained(PosternWorkerPool *pool)
{
    if (pool->draining && !somebody_waits(pool))
        event_active(pool->drained_event, EV_TIMEOUT, 1);
}
