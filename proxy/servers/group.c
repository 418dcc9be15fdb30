#include "proxy/servers/group.h"

#include "base/limits.h"
#include "base/log.h"
#include "proxy/servers/group_private.h"

static void unref_server(gpointer server)
{
    postern_server_unref(server);
}

static PosternServer *find_server(const GPtrArray *servers, const PosternAddress *address)
{
    g_autofree char *wanted = postern_address_to_string(address);
    for (guint i = 0; i < servers->len; i++) {
        PosternServer *server = g_ptr_array_index(servers, i);
        g_autofree char *text = postern_address_to_string(&server->address);
        if (server->address.port == address->port && g_str_equal(text, wanted))
            return server;
    }
    return NULL;
}

static guint64 total_limit(const PosternServerGroup *group)
{
    guint64 total = 0;
    for (guint i = 0; i < group->servers->len; i++)
        total += ((const PosternServer *)g_ptr_array_index(group->servers, i))->limit;
    return total;
}

PosternServerGroup *postern_server_group_new(const GPtrArray *servers)
{
    PosternServerGroup *group = g_new0(PosternServerGroup, 1);
    group->references = 1;
    pthread_mutex_init(&group->lock, NULL);
    group->servers = g_ptr_array_new_with_free_func(unref_server);
    for (guint i = 0; i < servers->len; i++)
        g_ptr_array_add(group->servers, postern_server_new(g_ptr_array_index(servers, i)));
    group->pools = g_ptr_array_new();
    group->turns = postern_fair_queue_new((guint)MIN(total_limit(group), G_MAXUINT));
    return group;
}

void postern_server_group_unref(PosternServerGroup *group)
{
    if (group == NULL || !g_atomic_int_dec_and_test(&group->references))
        return;
    postern_fair_queue_free(group->turns);
    g_ptr_array_unref(group->pools);
    g_ptr_array_unref(group->servers);
    pthread_mutex_destroy(&group->lock);
    g_free(group);
}

guint postern_server_group_used(PosternServerGroup *group)
{
    guint used = 0;
    pthread_mutex_lock(&group->lock);
    for (guint i = 0; i < group->servers->len; i++)
        used += ((const PosternServer *)g_ptr_array_index(group->servers, i))->used;
    pthread_mutex_unlock(&group->lock);
    return used;
}

void postern_group_reload(PosternServerGroup *group, const GPtrArray *servers, guint generation)
{
    g_autoptr(GPtrArray) before = g_steal_pointer(&group->servers);
    group->servers = g_ptr_array_new_with_free_func(unref_server);
    group->generation = generation;
    for (guint i = 0; i < servers->len; i++) {
        const PosternServerSettings *settings = g_ptr_array_index(servers, i);
        PosternServer *server = find_server(before, &settings->address);
        if (server == NULL) {
            g_ptr_array_add(group->servers, postern_server_new(settings));
            continue;
        }
        server->weight = MAX(1, settings->weight);
        server->limit = MAX(1, settings->limit);
        postern_server_set_health(server, POSTERN_SERVER_UNKNOWN, NULL);
        g_ptr_array_add(group->servers, postern_server_ref(server));
        g_ptr_array_remove(before, server);
    }
    for (guint i = 0; i < before->len; i++) {
        PosternServer *server = g_ptr_array_index(before, i);
        server->retired = TRUE;
        postern_pool_refuse_probe(postern_group_prober(group), server, NULL);
    }
    postern_fair_queue_set_capacity(group->turns, (guint)MIN(total_limit(group), G_MAXUINT));
}

gboolean postern_group_is_up(const PosternServerGroup *group)
{
    for (guint i = 0; i < group->servers->len; i++)
        if (((const PosternServer *)g_ptr_array_index(group->servers, i))->health == POSTERN_SERVER_UP)
            return TRUE;
    return FALSE;
}

const char *postern_group_down_reason(const PosternServerGroup *group)
{
    const PosternServer *first = g_ptr_array_index(group->servers, 0);
    for (guint i = 0; i < group->servers->len; i++)
        if (((const PosternServer *)g_ptr_array_index(group->servers, i))->health != POSTERN_SERVER_DOWN)
            return NULL;
    return first->reason;
}

PosternPool *postern_group_prober(const PosternServerGroup *group)
{
    return g_ptr_array_index(group->pools, 0);
}

static gboolean may_open(const PosternPool *pool)
{
    return !pool->draining && pool->generation == pool->group->generation;
}

/* Connections that pool has to open for those whose turn it is. */
static guint missing(const PosternPool *pool)
{
    guint turns = pool->waiters.admitted.length;
    if (!may_open(pool) || turns <= pool->opening || !postern_group_is_up(pool->group))
        return 0;
    return turns - pool->opening;
}

static gboolean is_full(const PosternServer *server)
{
    return server->used >= server->limit;
}

static gboolean is_open_to_clients(const PosternServer *server)
{
    return server->health == POSTERN_SERVER_UP && server->retry_at == G_MININT64;
}

/* Where the next connection goes: to whichever has the least in use for its weight. */
static PosternServer *choose_server(const PosternServerGroup *group)
{
    PosternServer *best = NULL;
    for (guint i = 0; i < group->servers->len; i++) {
        PosternServer *server = g_ptr_array_index(group->servers, i);
        if (!is_open_to_clients(server) || is_full(server))
            continue;
        if (best == NULL || (guint64)server->used * best->weight < (guint64)best->used * server->weight)
            best = server;
    }
    return best;
}

/* They take turns, so that a slot that comes free is not always the same one's. */
static PosternPool *next_to_open(PosternServerGroup *group)
{
    guint count = group->pools->len;
    for (guint i = 0; i < count; i++) {
        guint at = (group->next_pool + i) % count;
        PosternPool *pool = g_ptr_array_index(group->pools, at);
        if (missing(pool) == 0)
            continue;
        group->next_pool = at + 1;
        return pool;
    }
    return NULL;
}

static void open_missing(PosternServerGroup *group)
{
    PosternServer *server;
    PosternPool *pool;
    while ((server = choose_server(group)) != NULL && (pool = next_to_open(group)) != NULL)
        postern_pooled_open(pool, server, FALSE);
}

/* The idle connection to server (NULL: to any that is open to clients) that has been unused for longest, or
 * NULL. */
static PosternPooledConnection *find_unused(const PosternServerGroup *group, const PosternServer *server)
{
    PosternPooledConnection *oldest = NULL;
    for (guint i = 0; i < group->pools->len; i++) {
        const PosternPool *pool = g_ptr_array_index(group->pools, i);
        for (GList *link = pool->idle.tail; link != NULL; link = link->prev) {
            PosternPooledConnection *connection = link->data;
            if (server != NULL ? connection->server != server : !is_open_to_clients(connection->server))
                continue;
            if (oldest == NULL || connection->idle_until < oldest->idle_until)
                oldest = connection;
            break;
        }
    }
    return oldest;
}

/* All slots are taken: what others have unused is ended for those who wait, one for one. */
static void move_unused(PosternServerGroup *group, gint64 now)
{
    guint wanted = 0;
    for (guint i = 0; i < group->pools->len; i++)
        wanted += missing(g_ptr_array_index(group->pools, i));
    PosternPooledConnection *connection;
    while (wanted > group->moving && (connection = find_unused(group, NULL)) != NULL) {
        postern_pooled_end(connection, now);
        connection->moving = TRUE;
        group->moving++;
    }
}

/* What was offered is recalled: for those whose turn has come, or would if one came free; and a client's own
 * for those that wait behind its own. */
static void recall_offered(PosternServerGroup *group)
{
    guint waiting = postern_fair_queue_waiting(group->turns);
    guint wanted = postern_fair_queue_is_full(group->turns) ? postern_fair_queue_needy(group->turns) : 0;
    if (group->offered.head == NULL || !postern_group_is_up(group))
        return;
    for (guint i = 0; i < group->pools->len; i++) {
        const PosternPool *pool = g_ptr_array_index(group->pools, i);
        wanted += may_open(pool) ? pool->waiters.admitted.length : 0;
    }
    while (group->offered.head != NULL && wanted > group->opening + group->recalled + group->moving)
        postern_pooled_recall(group->offered.head->data);
    for (GList *link = group->offered.head; link != NULL && waiting > group->recalled;) {
        PosternPooledConnection *connection = link->data;
        link = link->next;
        if (postern_fair_queue_waiting_with(&connection->user->place) > 0)
            postern_pooled_recall(connection);
    }
}

static PosternPooledConnection *find_idle(const PosternPool *pool)
{
    for (GList *link = pool->idle.head; link != NULL; link = link->next) {
        PosternPooledConnection *connection = link->data;
        if (connection->server->health == POSTERN_SERVER_UP && !connection->server->retired)
            return connection;
    }
    return NULL;
}

/* One of the prober's own, a new one, or, if all slots are taken, that of the first that comes free. */
static void serve_probe(PosternPool *prober, PosternServer *server, gint64 now)
{
    for (const GList *link = prober->idle.head; link != NULL; link = link->next) {
        PosternPooledConnection *connection = link->data;
        if (connection->server != server)
            continue;
        server->probe.waits = FALSE;
        postern_pooled_assign(connection, NULL, now);
        return;
    }
    if (server->probe.opening > 0 || server->retry_at != G_MININT64 || !may_open(prober))
        return;
    if (!is_full(server)) {
        postern_pooled_open(prober, server, TRUE);
        return;
    }
    PosternPooledConnection *connection = server->probe.promised ? NULL : find_unused(prober->group, server);
    if (connection == NULL)
        return;
    postern_pooled_end(connection, now);
    connection->for_probe = server->probe.promised = TRUE;
}

static void assign_idle(PosternPool *pool, gint64 now)
{
    PosternPooledConnection *connection;
    while (pool->waiters.admitted.head != NULL && (connection = find_idle(pool)) != NULL) {
        PosternPoolWaiter *waiter = pool->waiters.admitted.head->data;
        postern_pool_waiters_take(&pool->waiters, waiter);
        postern_pooled_assign(connection, waiter, now);
    }
}

/* TRUE: somebody's turn has come, so that another's may. */
static gboolean serve(PosternPool *pool, gint64 now)
{
    if (pool->draining || !postern_group_is_up(pool->group))
        return FALSE;
    gboolean any = postern_pool_waiters_admit(&pool->waiters);
    assign_idle(pool, now);
    return any;
}

/* The thread of first is here anyway: what has come free there is for its own first. */
static void serve_all(PosternServerGroup *group, const PosternPool *first, gint64 now)
{
    gboolean any;
    guint at = 0;
    g_ptr_array_find(group->pools, first, &at);
    do {
        any = FALSE;
        for (guint i = 0; i < group->pools->len; i++)
            any = serve(g_ptr_array_index(group->pools, (at + i) % group->pools->len), now) || any;
    } while (any);
}

/* What is unused still is of no use to those whose turn it is: their threads cannot open one now. */
static void serve_needy(PosternServerGroup *group, gint64 now)
{
    for (guint i = 0; i < group->pools->len; i++) {
        PosternPool *pool = g_ptr_array_index(group->pools, i);
        while (!pool->draining && find_idle(pool) != NULL && postern_pool_waiters_admit_needy(&pool->waiters))
            assign_idle(pool, now);
    }
}

void postern_group_dispatch(PosternServerGroup *group, PosternPool *first, gint64 now)
{
    for (guint i = 0; i < group->servers->len; i++) {
        PosternServer *server = g_ptr_array_index(group->servers, i);
        if (now >= server->retry_at)
            server->retry_at = G_MININT64;
        if (server->probe.waits && !postern_group_prober(group)->draining)
            serve_probe(postern_group_prober(group), server, now);
    }
    serve_all(group, first, now);
    open_missing(group);
    move_unused(group, now);
    serve_needy(group, now);
    recall_offered(group);
}

void postern_group_refuse_all(PosternServerGroup *group, const char *reason)
{
    for (guint i = 0; i < group->pools->len; i++)
        postern_pool_refuse_all(g_ptr_array_index(group->pools, i), reason);
}
