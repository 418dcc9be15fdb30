#include "base/limits.h"
#include "base/log.h"
#include "proxy/servers/group_private.h"

#define TTL_MAX_SECONDS 86400                      /* whatever the DNS says; and at each reload */
#define RETRY_SECONDS 10                           /* after a name that was not found */
#define STALE_MS (86400 * G_GINT64_CONSTANT(1000)) /* so long an address stays that is not answered for */

/* One that the configuration names: a server, or those that the DNS has. */
typedef struct {
    PosternServerSettings *settings;
    GPtrArray *found; /* of PosternServerSettings *, those of a host; NULL: they are not known yet */
    char *problem;    /* what the DNS said last in their place, or NULL */
    char *left_out;   /* what was logged last of an address that is our own, or NULL */
    gint64 at;        /* when a host is looked up; G_MAXINT64: it is, or it has none */
} Member;

static void free_member(gpointer data)
{
    Member *member = data;
    postern_server_settings_free(member->settings);
    g_clear_pointer(&member->found, g_ptr_array_unref);
    g_free(member->problem);
    g_free(member->left_out);
    g_free(member);
}

static void unref_server(gpointer server)
{
    postern_server_unref(server);
}

static PosternServer *find_server(const GPtrArray *servers, const PosternServerSettings *settings)
{
    for (guint i = 0; i < servers->len; i++) {
        PosternServer *server = g_ptr_array_index(servers, i);
        if (server->lmtp == settings->lmtp && postern_address_is_same(&server->address, &settings->address))
            return server;
    }
    return NULL;
}

/* Those whom a server serves that is gone hold nobody up. */
void postern_group_set_capacity(PosternServerGroup *group)
{
    guint64 total = 0;
    for (guint i = 0; i < group->servers->len; i++)
        total += ((const PosternServer *)g_ptr_array_index(group->servers, i))->limit;
    for (guint i = group->retired->len; i > 0; i--) {
        const PosternServer *server = g_ptr_array_index(group->retired, i - 1);
        total += server->busy;
        if (server->used == 0)
            g_ptr_array_remove_index(group->retired, i - 1);
    }
    postern_fair_queue_set_capacity(group->turns, (guint)MIN(total, G_MAXUINT));
}

/* One of before that is wanted again has its slots still. */
static PosternServer *take_server(GPtrArray *servers, const PosternServerSettings *settings)
{
    PosternServer *server = find_server(servers, settings);
    if (server == NULL)
        return NULL;
    postern_server_ref(server);
    g_ptr_array_remove(servers, server);
    return server;
}

static void retire(PosternServerGroup *group, PosternServer *server)
{
    server->retired = TRUE;
    postern_pool_refuse_probe(postern_group_prober(group), server, NULL);
    if (server->used > 0)
        g_ptr_array_add(group->retired, postern_server_ref(server));
}

static void go_on_with(PosternServerGroup *group, PosternServer *server,
                       const PosternServerSettings *settings, gboolean known)
{
    postern_server_set(server, settings);
    if (!known || server->retired)
        postern_server_set_health(server, POSTERN_SERVER_UNKNOWN, NULL);
    server->retired = FALSE;
    server->retry_at = G_MININT64;
    g_ptr_array_add(group->servers, server);
}

static gboolean is_same_server(const PosternServerSettings *server, const PosternServerSettings *other)
{
    return server->lmtp == other->lmtp && postern_address_is_same(&server->address, &other->address);
}

static void add_wanted(GPtrArray *wanted, PosternServerSettings *settings)
{
    for (guint i = 0; i < wanted->len; i++)
        if (is_same_server(g_ptr_array_index(wanted, i), settings))
            return;
    g_ptr_array_add(wanted, settings);
}

/* The servers that there are now, of PosternServerSettings *; two names may have the same address. */
static GPtrArray *wanted_servers(const PosternServerGroup *group)
{
    GPtrArray *wanted = g_ptr_array_new();
    for (guint i = 0; i < group->members->len; i++) {
        const Member *member = g_ptr_array_index(group->members, i);
        if (member->settings->host == NULL)
            add_wanted(wanted, member->settings);
        for (guint j = 0; member->found != NULL && j < member->found->len; j++)
            add_wanted(wanted, g_ptr_array_index(member->found, j));
    }
    return wanted;
}

static Member *find_member(const GPtrArray *members, const char *name)
{
    for (guint i = 0; i < members->len; i++) {
        Member *member = g_ptr_array_index(members, i);
        if (g_str_equal(member->settings->name, name))
            return member;
    }
    return NULL;
}

/* Of two names of one server either drains it. */
static void drain_server(PosternServerGroup *group, const Member *member,
                         const PosternServerSettings *settings)
{
    PosternServer *server = find_server(group->servers, settings);
    if (server == NULL || server->drain)
        return;
    server->drain = settings->drain || (group->drained != NULL &&
                                        (g_hash_table_contains(group->drained, settings->name) ||
                                         g_hash_table_contains(group->drained, server->name) ||
                                         g_hash_table_contains(group->drained, member->settings->name)));
}

static void drain_servers(PosternServerGroup *group)
{
    for (guint i = 0; i < group->servers->len; i++)
        ((PosternServer *)g_ptr_array_index(group->servers, i))->drain = FALSE;
    for (guint i = 0; i < group->members->len; i++) {
        const Member *member = g_ptr_array_index(group->members, i);
        if (member->settings->host == NULL)
            drain_server(group, member, member->settings);
        for (guint j = 0; member->found != NULL && j < member->found->len; j++)
            drain_server(group, member, g_ptr_array_index(member->found, j));
    }
}

void postern_server_group_drain(PosternServerGroup *group, GHashTable *names, gint64 now)
{
    GHashTableIter iterator;
    gpointer name;
    pthread_mutex_lock(&group->lock);
    g_clear_pointer(&group->drained, g_hash_table_unref);
    group->drained = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_hash_table_iter_init(&iterator, names);
    while (g_hash_table_iter_next(&iterator, &name, NULL))
        g_hash_table_add(group->drained, g_strdup(name));
    drain_servers(group);
    for (guint i = 0; i < group->pools->len; i++)
        postern_pool_end_retired(g_ptr_array_index(group->pools, i), now);
    postern_group_refuse_if_down(group);
    if (group->pools->len > 0)
        postern_group_dispatch(group, g_ptr_array_index(group->pools, 0), now);
    pthread_mutex_unlock(&group->lock);
}

gboolean postern_server_group_has(PosternServerGroup *group, const char *name)
{
    pthread_mutex_lock(&group->lock);
    gboolean has = find_member(group->members, name) != NULL;
    for (guint i = 0; i < group->servers->len && !has; i++)
        has = g_str_equal(((const PosternServer *)g_ptr_array_index(group->servers, i))->name, name);
    pthread_mutex_unlock(&group->lock);
    return has;
}

static void set_servers(PosternServerGroup *group, gboolean known)
{
    g_autoptr(GPtrArray) before = g_steal_pointer(&group->servers);
    g_autoptr(GPtrArray) wanted = wanted_servers(group);
    group->servers = g_ptr_array_new_with_free_func(unref_server);
    for (guint i = 0; i < wanted->len; i++) {
        const PosternServerSettings *settings = g_ptr_array_index(wanted, i);
        PosternServer *server = take_server(before, settings);
        if (server == NULL)
            server = take_server(group->retired, settings);
        if (server != NULL)
            go_on_with(group, server, settings, known);
        else
            g_ptr_array_add(group->servers, postern_server_new(settings));
    }
    for (guint i = 0; i < before->len; i++)
        retire(group, g_ptr_array_index(before, i));
    drain_servers(group);
    postern_group_set_capacity(group);
    postern_refusals_begin(group->refusals, group->refusals_kept, group->refusals_ms);
}

/* What the DNS had for before holds, with what is said of them now. */
static void keep_found(Member *member, Member *before)
{
    const PosternServerSettings *settings = member->settings;
    member->found = g_steal_pointer(&before->found);
    member->problem = g_steal_pointer(&before->problem);
    member->left_out = g_steal_pointer(&before->left_out);
    member->at = before->at;
    for (guint i = 0; member->found != NULL && i < member->found->len; i++) {
        PosternServerSettings *found = g_ptr_array_index(member->found, i);
        found->limit = settings->limit;
        found->backup = settings->backup;
        found->drain = settings->drain;
        if (!settings->srv)
            found->weight = settings->weight;
    }
}

void postern_group_take_members(PosternServerGroup *group, const GPtrArray *settings, gboolean known)
{
    g_autoptr(GPtrArray) before = g_steal_pointer(&group->members);
    group->members = g_ptr_array_new_with_free_func(free_member);
    for (guint i = 0; i < settings->len; i++) {
        Member *member = g_new0(Member, 1);
        member->settings = postern_server_settings_copy(g_ptr_array_index(settings, i));
        member->at = member->settings->host != NULL ? 0 : G_MAXINT64;
        Member *old = before != NULL ? find_member(before, member->settings->name) : NULL;
        if (old != NULL && member->settings->host != NULL)
            keep_found(member, old);
        g_ptr_array_add(group->members, member);
    }
    set_servers(group, known);
}

void postern_group_reload(PosternServerGroup *group, const PosternGroupSettings *settings)
{
    gboolean known = settings->generation == group->generation;
    group->balance = settings->balance;
    group->slow_start_ms = settings->slow_start_ms;
    group->check_ms = settings->check_ms;
    group->refusals_kept = settings->refusals;
    group->refusals_ms = settings->refusals_ms;
    group->serial = settings->serial;
    group->generation = settings->generation;
    postern_group_take_members(group, settings->servers, known);
}

const char *postern_group_names_problem(const PosternServerGroup *group)
{
    for (guint i = 0; i < group->members->len; i++)
        if (((const Member *)g_ptr_array_index(group->members, i))->problem == NULL)
            return NULL;
    return ((const Member *)g_ptr_array_index(group->members, 0))->problem;
}

void postern_group_look_up_names(PosternServerGroup *group, gint64 now)
{
    for (guint i = 0; i < group->members->len; i++) {
        Member *member = g_ptr_array_index(group->members, i);
        if (member->settings->host != NULL)
            member->at = now;
    }
}

void postern_pool_run_name_times(PosternPool *pool, gint64 now)
{
    for (guint i = 0; i < pool->group->members->len; i++) {
        Member *member = g_ptr_array_index(pool->group->members, i);
        if (member->at > now)
            continue;
        member->at = G_MAXINT64;
        postern_pool_push_action(pool, POSTERN_POOL_LOOK_UP)->named =
            postern_server_settings_copy(member->settings);
    }
}

gint64 postern_group_names_deadline(const PosternServerGroup *group)
{
    gint64 deadline = G_MAXINT64;
    for (guint i = 0; i < group->members->len; i++)
        deadline = MIN(deadline, ((const Member *)g_ptr_array_index(group->members, i))->at);
    return deadline;
}

static void note_problem(Member *member, const char *problem)
{
    if (g_strcmp0(problem, member->problem) == 0)
        return;
    if (problem != NULL && member->found != NULL)
        postern_log(POSTERN_LOG_WARNING, "back-end %s: %s; what it had last stays in service",
                    member->settings->name, problem);
    else if (problem != NULL)
        postern_log(POSTERN_LOG_ERROR, "back-end %s: %s", member->settings->name, problem);
    else
        postern_log(POSTERN_LOG_NOTICE, "back-end %s: the DNS has its addresses again",
                    member->settings->name);
    g_free(member->problem);
    member->problem = g_strdup(problem);
}

static void note_left_out(Member *member, const char *left_out)
{
    if (g_strcmp0(left_out, member->left_out) == 0)
        return;
    if (left_out != NULL)
        postern_log(POSTERN_LOG_ERROR, "back-end %s: %s", member->settings->name, left_out);
    g_free(member->left_out);
    member->left_out = g_strdup(left_out);
}

static gboolean is_the_same(const GPtrArray *found, const GPtrArray *before)
{
    gboolean same = before != NULL && found->len == before->len;
    for (guint i = 0; same && i < found->len; i++) {
        const PosternServerSettings *server = g_ptr_array_index(found, i);
        gboolean is_there = FALSE;
        for (guint j = 0; j < before->len && !is_there; j++) {
            const PosternServerSettings *other = g_ptr_array_index(before, j);
            is_there = is_same_server(server, other) && server->priority == other->priority &&
                       server->weight == other->weight;
        }
        same = is_there;
    }
    return same;
}

static void log_found(const Member *member)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (guint i = 0; i < member->found->len; i++)
        g_string_append_printf(text, "%s%s", i > 0 ? ", " : "",
                               ((const PosternServerSettings *)g_ptr_array_index(member->found, i))->name);
    postern_log(POSTERN_LOG_NOTICE, "back-end %s: the DNS has %s", member->settings->name, text->str);
}

/* Those that are gone serve nobody new; those that have come are probed. */
static void take_found(PosternPool *pool, gint64 now)
{
    PosternServerGroup *group = pool->group;
    set_servers(group, TRUE);
    for (guint i = 0; i < group->pools->len; i++)
        postern_pool_end_retired(g_ptr_array_index(group->pools, i), now);
    for (guint i = 0; i < group->servers->len; i++) {
        PosternServer *server = g_ptr_array_index(group->servers, i);
        if (server->health == POSTERN_SERVER_UNKNOWN)
            postern_group_set_probe_time(group, server, now);
    }
}

/* A kind of address that is not answered for keeps those that it had last; the others are as the DNS says. */
static void keep_unanswered(const Member *member, PosternNamedServers *found, gint64 now)
{
    guint answered = found->servers->len;
    for (guint i = 0; i < answered; i++)
        ((PosternServerSettings *)g_ptr_array_index(found->servers, i))->found_at = now;
    for (guint i = 0; member->found != NULL && i < member->found->len; i++) {
        const PosternServerSettings *before = g_ptr_array_index(member->found, i);
        gboolean is_stale = answered > 0 && now - before->found_at > STALE_MS;
        gboolean is_there = is_stale || !postern_named_servers_may_have(found, before);
        for (guint j = 0; j < found->servers->len && !is_there; j++)
            is_there = is_same_server(g_ptr_array_index(found->servers, j), before);
        if (!is_there && found->servers->len < POSTERN_SERVERS_MAX)
            g_ptr_array_add(found->servers, postern_server_settings_copy(before));
    }
}

void postern_pool_looked_up(PosternPool *pool, const PosternServerSettings *named, PosternNamedServers *found,
                            gint64 now)
{
    postern_pool_enter(pool);
    Member *member = find_member(pool->group->members, named->name);
    if (member != NULL) {
        keep_unanswered(member, found, now);
        gint64 seconds = found->problem != NULL ? RETRY_SECONDS : CLAMP(found->ttl, 1, TTL_MAX_SECONDS);
        member->at = now + seconds * 1000;
        note_left_out(member, found->left_out);
        note_problem(member, found->problem);
        if (found->servers->len > 0 && !is_the_same(found->servers, member->found)) {
            g_clear_pointer(&member->found, g_ptr_array_unref);
            member->found = g_steal_pointer(&found->servers);
            log_found(member);
            take_found(pool, now);
        }
        postern_group_refuse_if_down(pool->group);
    }
    postern_named_servers_clear(found);
    postern_pool_dispatch_and_leave(pool, now);
}
