#include "proxy/servers/group.h"

#include "base/limits.h"
#include "base/log.h"
#include "proxy/servers/group_private.h"

#define CONNECTION_BITS 40 /* of the number of a connection; the others are its group's */

static void unref_server(gpointer server)
{
    postern_server_unref(server);
}

PosternServerGroup *postern_server_group_new(const PosternGroupSettings *settings)
{
    PosternServerGroup *group = g_new0(PosternServerGroup, 1);
    group->references = 1;
    pthread_mutex_init(&group->lock, NULL);
    group->servers = g_ptr_array_new_with_free_func(unref_server);
    group->retired = g_ptr_array_new_with_free_func(unref_server);
    group->pools = g_ptr_array_new();
    group->turns = postern_fair_queue_new(0);
    group->refusals = postern_refusals_new();
    group->refusals_kept = settings->refusals;
    group->refusals_ms = settings->refusals_ms;
    postern_group_take_members(group, settings->servers, TRUE);
    group->balance = settings->balance;
    group->slow_start_ms = settings->slow_start_ms;
    group->check_ms = settings->check_ms;
    group->serial = settings->serial;
    group->generation = settings->generation;
    group->next_connection = (guint64)settings->number << CONNECTION_BITS;
    return group;
}

PosternServerGroup *postern_server_group_ref(PosternServerGroup *group)
{
    g_atomic_int_inc(&group->references);
    return group;
}

void postern_server_group_unref(PosternServerGroup *group)
{
    if (group == NULL || !g_atomic_int_dec_and_test(&group->references))
        return;
    postern_fair_queue_free(group->turns);
    g_ptr_array_unref(group->pools);
    g_ptr_array_unref(group->servers);
    g_ptr_array_unref(group->members);
    g_clear_pointer(&group->drained, g_hash_table_unref);
    g_ptr_array_unref(group->retired);
    postern_refusals_free(group->refusals);
    pthread_mutex_destroy(&group->lock);
    g_free(group);
}

PosternRefusals *postern_server_group_refusals(PosternServerGroup *group)
{
    return group->refusals;
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

void postern_server_group_each(PosternServerGroup *group, PosternServerTold told, gpointer user_data)
{
    pthread_mutex_lock(&group->lock);
    for (guint i = 0; i < group->servers->len; i++) {
        const PosternServer *server = g_ptr_array_index(group->servers, i);
        const PosternServerSettings settings = {.name = server->name,
                                                .address = server->address,
                                                .weight = server->weight,
                                                .limit = server->limit,
                                                .drain = server->drain};
        told(&settings, server->health, server->reason, server->used, user_data);
    }
    pthread_mutex_unlock(&group->lock);
}

guint postern_server_group_waiting(PosternServerGroup *group)
{
    guint waiting = 0;
    pthread_mutex_lock(&group->lock);
    for (guint i = 0; i < group->pools->len; i++)
        waiting += ((const PosternPool *)g_ptr_array_index(group->pools, i))->waiters.order.length;
    pthread_mutex_unlock(&group->lock);
    return waiting;
}

gboolean postern_group_is_up(const PosternServerGroup *group)
{
    for (guint i = 0; i < group->servers->len; i++)
        if (((const PosternServer *)g_ptr_array_index(group->servers, i))->health == POSTERN_SERVER_UP)
            return TRUE;
    return FALSE;
}

static gboolean may_come_up(const PosternServer *server)
{
    return server->health != POSTERN_SERVER_DOWN && !server->drain;
}

const char *postern_group_down_reason(const PosternServerGroup *group)
{
    if (group->servers->len == 0)
        return postern_group_names_problem(group);
    const char *reason = "the servers are drained";
    for (guint i = group->servers->len; i > 0; i--) {
        const PosternServer *server = g_ptr_array_index(group->servers, i - 1);
        if (may_come_up(server))
            return NULL;
        if (!server->drain)
            reason = server->reason;
    }
    return reason;
}

PosternPool *postern_group_prober(const PosternServerGroup *group)
{
    for (guint i = 0; i < group->pools->len; i++) {
        PosternPool *pool = g_ptr_array_index(group->pools, i);
        if (!pool->draining)
            return pool;
    }
    return g_ptr_array_index(group->pools, 0);
}

static gboolean may_open(const PosternPool *pool)
{
    return !pool->draining && pool->generation == pool->group->generation;
}

static gboolean is_full(const PosternServer *server)
{
    return server->used >= server->limit;
}

static guint opening_to(const PosternPool *pool, const PosternServer *server)
{
    GHashTableIter iterator;
    gpointer value;
    guint opening = 0;
    if (pool->opening == 0)
        return 0;
    g_hash_table_iter_init(&iterator, pool->connections);
    while (g_hash_table_iter_next(&iterator, NULL, &value)) {
        const PosternPooledConnection *connection = value;
        opening += connection->state == POSTERN_POOLED_OPENING && !connection->for_probe &&
                   connection->server == server;
    }
    return opening;
}

/* Connections to server that pool has to open for those whose turn it is. */
static guint missing(const PosternPool *pool, const PosternServer *server)
{
    guint turns = 0;
    if (server->claimed == 0 || !may_open(pool))
        return 0;
    for (const GList *link = pool->waiters.admitted.head; link != NULL; link = link->next)
        turns += ((const PosternPoolWaiter *)link->data)->server == server;
    guint opening = turns > 0 ? opening_to(pool, server) : 0;
    return turns > opening ? turns - opening : 0;
}

/* They take turns, so that a slot that comes free is not always the same one's. */
static PosternPool *next_to_open(PosternServerGroup *group, const PosternServer *server)
{
    guint count = group->pools->len;
    for (guint i = 0; i < count; i++) {
        guint at = (group->next_pool + i) % count;
        PosternPool *pool = g_ptr_array_index(group->pools, at);
        if (missing(pool, server) == 0)
            continue;
        group->next_pool = at + 1;
        return pool;
    }
    return NULL;
}

static void open_missing(PosternServerGroup *group)
{
    PosternPool *pool;
    for (guint i = 0; i < group->servers->len; i++) {
        PosternServer *server = g_ptr_array_index(group->servers, i);
        while (server->claimed > 0 && !is_full(server) && (pool = next_to_open(group, server)) != NULL)
            postern_pooled_open(pool, server, FALSE);
    }
}

/* The idle connection to server that has been unused for longest, or NULL. */
static PosternPooledConnection *find_unused(const PosternServerGroup *group, const PosternServer *server)
{
    PosternPooledConnection *oldest = NULL;
    for (guint i = 0; i < group->pools->len; i++) {
        const PosternPool *pool = g_ptr_array_index(group->pools, i);
        for (GList *link = pool->idle.tail; link != NULL; link = link->prev) {
            PosternPooledConnection *connection = link->data;
            if (connection->server != server)
                continue;
            if (oldest == NULL || connection->idle_until < oldest->idle_until)
                oldest = connection;
            break;
        }
    }
    return oldest;
}

/* All its slots are taken: what other pools have unused is ended for those who wait, one for one. */
static void move_unused(PosternServerGroup *group, PosternServer *server, gint64 now)
{
    guint wanted = 0;
    for (guint i = 0; i < group->pools->len && server->claimed > 0; i++)
        wanted += missing(g_ptr_array_index(group->pools, i), server);
    PosternPooledConnection *connection;
    while (wanted > server->moving && (connection = find_unused(group, server)) != NULL) {
        postern_pooled_end(connection, now);
        connection->moving = TRUE;
        server->moving++;
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

static PosternPooledConnection *find_idle(const PosternPool *pool, const PosternServer *server)
{
    for (GList *link = pool->idle.head; link != NULL; link = link->next) {
        PosternPooledConnection *connection = link->data;
        const PosternServer *has = connection->server;
        if (server == NULL ? has->health == POSTERN_SERVER_UP && !has->retired && !has->drain : has == server)
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

/* Who waits for a server that is none any more waits for another; if all are full, for whatever is unused. */
static void assign_idle(PosternPool *pool, gint64 now)
{
    PosternServerGroup *group = pool->group;
    for (GList *link = pool->waiters.admitted.head; link != NULL;) {
        PosternPoolWaiter *waiter = link->data;
        link = link->next;
        if (waiter->server != NULL && postern_group_rejects(group, waiter->server))
            postern_pool_waiter_set_server(waiter, NULL);
        if (waiter->server == NULL)
            postern_pool_waiter_set_server(waiter, postern_group_choose(group, waiter->key, now));
        PosternPooledConnection *connection = find_idle(pool, waiter->server); /* NULL: any */
        if (connection == NULL)
            continue;
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
        while (!pool->draining && find_idle(pool, NULL) != NULL &&
               postern_pool_waiters_admit_needy(&pool->waiters))
            assign_idle(pool, now);
    }
}

void postern_group_dispatch(PosternServerGroup *group, PosternPool *first, gint64 now)
{
    if (group->retired->len > 0)
        postern_group_set_capacity(group);
    for (guint i = 0; i < group->servers->len; i++) {
        PosternServer *server = g_ptr_array_index(group->servers, i);
        if (now >= server->retry_at)
            server->retry_at = G_MININT64;
        if (server->probe.waits && !postern_group_prober(group)->draining)
            serve_probe(postern_group_prober(group), server, now);
    }
    serve_all(group, first, now);
    open_missing(group);
    for (guint i = 0; i < group->servers->len; i++)
        move_unused(group, g_ptr_array_index(group->servers, i), now);
    postern_group_check_suspects(group, now);
    serve_needy(group, now);
    recall_offered(group);
}

void postern_group_refuse_all(PosternServerGroup *group, const char *reason)
{
    for (guint i = 0; i < group->pools->len; i++)
        postern_pool_refuse_all(g_ptr_array_index(group->pools, i), reason);
}

void postern_group_refuse_if_down(PosternServerGroup *group)
{
    const char *reason = postern_group_down_reason(group);
    if (reason != NULL)
        postern_group_refuse_all(group, reason);
}
