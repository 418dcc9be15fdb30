#include "base/limits.h"
#include "base/log.h"
#include "proxy/servers/group_private.h"

#define FAILURES_MAX 3       /* connections that are lost in a row */
#define PROBE_HURRY_MS 10000 /* a probe is asked for at once no more often */

void postern_group_note_announced(PosternServerGroup *group, PosternServer *server, const PosternEhlo *ehlo)
{
    if (server->announces && postern_ehlo_is_same(&server->announced, ehlo))
        return;
    server->announced = *ehlo;
    server->announces = TRUE;
    for (guint i = 0; i < group->pools->len; i++)
        postern_pool_push_action(g_ptr_array_index(group->pools, i), POSTERN_POOL_ANNOUNCE);
}

gboolean postern_pool_announced(PosternPool *pool, PosternEhlo *ret_ehlo)
{
    gboolean known = FALSE;
    postern_pool_enter(pool);
    for (guint i = 0; i < pool->group->servers->len; i++) {
        const PosternServer *server = g_ptr_array_index(pool->group->servers, i);
        const PosternEhlo *ehlo = &server->announced;
        if (!server->announces)
            continue;
        if (!known)
            *ret_ehlo = *ehlo;
        else
            postern_ehlo_narrow(ret_ehlo, ehlo);
        known = TRUE;
    }
    postern_pool_leave(pool);
    return known;
}

static gboolean has_another(const PosternServerGroup *group, const PosternServer *server)
{
    for (guint i = 0; i < group->servers->len; i++) {
        const PosternServer *other = g_ptr_array_index(group->servers, i);
        if (other != server && !other->suspect && postern_server_is_in_service(other))
            return TRUE;
    }
    return FALSE;
}

static void set_suspect(PosternServer *server, gboolean suspect)
{
    if (server->suspect != suspect)
        postern_log(POSTERN_LOG_NOTICE, "back-end %s: %s", server->name,
                    suspect ? "it fails: others serve in its place, and it is tried" : "it serves again");
    server->suspect = suspect;
}

/* Something of server failed: there may be a pause, of pause_ms, before it is tried again. */
static void note_failure(PosternServerGroup *group, PosternServer *server, guint pause_ms, gint64 now)
{
    gboolean another = has_another(group, server);
    server->failures++;
    if (another && (pause_ms > 0 || server->failures >= FAILURES_MAX)) {
        set_suspect(server, TRUE);
        pause_ms = MAX(pause_ms, group->check_ms);
        postern_pool_wake(postern_group_prober(group));
    }
    if (pause_ms > 0)
        server->retry_at = MAX(server->retry_at, now + pause_ms);
}

void postern_server_note_success(PosternServer *server, gint64 now)
{
    if (!server->suspect)
        return;
    set_suspect(server, FALSE);
    server->failures = 0;
    server->up_since = now;
}

void postern_group_check_suspects(PosternServerGroup *group, gint64 now)
{
    PosternPool *prober = postern_group_prober(group);
    for (guint i = 0; i < group->servers->len && !prober->draining; i++) {
        PosternServer *server = g_ptr_array_index(group->servers, i);
        gboolean due = server->suspect && server->used < server->limit &&
                       postern_server_is_in_service(server) && has_another(group, server) &&
                       prober->generation == group->generation;
        if (!due)
            continue;
        server->retry_at = now + group->check_ms; /* until it is known */
        postern_pooled_open(prober, server, FALSE);
    }
}

void postern_pool_note_failure(PosternPool *pool, PosternServer *server, guint pause_ms, gint64 now)
{
    postern_pool_enter(pool);
    if (pause_ms == 0 || has_another(pool->group, server))
        note_failure(pool->group, server, pause_ms, now);
    postern_pool_dispatch_and_leave(pool, now);
}

void postern_group_never_opened(PosternServerGroup *group, PosternServer *server, const char *reason,
                                gboolean hopeless, gint64 now)
{
    gboolean another = has_another(group, server);
    note_failure(group, server, POSTERN_BACKEND_RETRY_MS, now);
    if (hopeless && !another)
        postern_group_refuse_all(group, reason);
    if (hopeless)
        postern_pool_refuse_probe(postern_group_prober(group), server, reason);
    for (guint i = 0; i < group->pools->len; i++)
        postern_pool_wake(g_ptr_array_index(group->pools, i)); /* it tries again later */
}

void postern_group_set_probe_time(PosternServerGroup *group, PosternServer *server, gint64 at)
{
    server->probe.at = at;
    postern_pool_wake(postern_group_prober(group));
}

static void mark(PosternPool *pool, PosternServer *server, PosternServerHealth health, const char *reason,
                 guint again_ms, gint64 now)
{
    postern_pool_enter(pool);
    if (pool->generation == pool->group->generation && !server->retired) {
        postern_server_set_health(server, health, reason);
        postern_group_refuse_if_down(pool->group);
    }
    postern_group_set_probe_time(pool->group, server, now + again_ms);
    postern_pool_dispatch_and_leave(pool, now);
}

void postern_pool_mark_up(PosternPool *pool, PosternServer *server, guint again_ms, gint64 now)
{
    mark(pool, server, POSTERN_SERVER_UP, NULL, again_ms, now);
}

void postern_pool_mark_down(PosternPool *pool, PosternServer *server, const char *reason, guint again_ms,
                            gint64 now)
{
    mark(pool, server, POSTERN_SERVER_DOWN, reason, again_ms, now);
}

void postern_pool_retry_later(PosternPool *pool, PosternServer *server, guint again_ms, gint64 now)
{
    postern_pool_enter(pool);
    postern_group_set_probe_time(pool->group, server, now + again_ms);
    postern_pool_leave(pool);
}

void postern_pool_probe_soon(PosternPool *pool, PosternServer *server, gint64 now)
{
    PosternServerProbe *probe = &server->probe;
    postern_pool_enter(pool);
    gboolean early = probe->hurried && now - probe->hurried_at < PROBE_HURRY_MS;
    if (probe->at != G_MAXINT64 && !early) {
        probe->hurried = TRUE;
        probe->hurried_at = now;
        postern_group_set_probe_time(pool->group, server, now);
    }
    postern_pool_leave(pool);
}

gboolean postern_pool_is_up(PosternPool *pool, const PosternServer *server)
{
    postern_pool_enter(pool);
    gboolean up = server->health == POSTERN_SERVER_UP;
    postern_pool_leave(pool);
    return up;
}

gboolean postern_pool_has(PosternPool *pool, const PosternServer *server)
{
    postern_pool_enter(pool);
    gboolean has = !server->retired;
    postern_pool_leave(pool);
    return has;
}

static const char *state_of(const PosternServer *server)
{
    if (server->drain)
        return server->busy > 0 ? "draining" : "drained";
    if (server->suspect)
        return "failing";
    return server->health == POSTERN_SERVER_UP     ? "up"
           : server->health == POSTERN_SERVER_DOWN ? "down"
                                                   : "unknown";
}

void postern_server_group_describe(PosternServerGroup *group, const char *name, GString *out)
{
    pthread_mutex_lock(&group->lock);
    for (guint i = 0; i < group->servers->len; i++) {
        PosternServer *server = g_ptr_array_index(group->servers, i);
        pthread_mutex_lock(&server->status_lock);
        g_string_append_printf(
            out, "server %s group=%s state=%s in_use=%u open=%u limit=%u weight=%u%s%s%s\n", server->name,
            name, state_of(server), server->busy, server->used, server->limit, server->weight,
            server->backup ? " backup" : "", server->problem != NULL ? " problem: " : "",
            server->problem != NULL ? server->problem : "");
        pthread_mutex_unlock(&server->status_lock);
    }
    pthread_mutex_unlock(&group->lock);
}

const char *postern_group_reason_for_none(const PosternServerGroup *group)
{
    guint used = 0;
    guint ending = 0;
    if (group->servers->len == 0)
        return "the DNS has not said yet where the back-end is";
    if (!postern_group_is_up(group) && postern_group_down_reason(group) == NULL)
        return "the back-end has not been proved to refuse relaying yet";
    for (guint i = 0; i < group->servers->len; i++) {
        const PosternServer *server = g_ptr_array_index(group->servers, i);
        used += server->used;
        ending += server->ending;
    }
    if (used == 0 || used > ending)
        return "no connection to the back-end became free in time";
    return "connections to the back-end were lost, and it may have them still ([proxy] backend_lost_timeout)";
}

void postern_pool_run_probe_times(PosternPool *pool, gint64 now)
{
    for (guint i = 0; i < pool->group->servers->len; i++) {
        PosternServer *server = g_ptr_array_index(pool->group->servers, i);
        if (server->probe.waits && server->probe.deadline <= now)
            postern_pool_refuse_probe(pool, server, postern_group_reason_for_none(pool->group));
        if (server->probe.at > now)
            continue;
        server->probe.at = G_MAXINT64;
        postern_pool_push_action(pool, POSTERN_POOL_PROBE)->server = postern_server_ref(server);
    }
}

gint64 postern_server_probe_deadline(const PosternServer *server)
{
    gint64 deadline = server->suspect && server->retry_at != G_MININT64 ? server->retry_at : G_MAXINT64;
    deadline = MIN(deadline, server->probe.at);
    if (server->probe.waits)
        deadline = MIN(deadline, server->probe.deadline);
    if (server->probe.waits && server->retry_at != G_MININT64)
        deadline = MIN(deadline, server->retry_at);
    return deadline;
}
