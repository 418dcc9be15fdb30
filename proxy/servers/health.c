#include "base/limits.h"
#include "proxy/servers/group_private.h"

#define PROBE_HURRY_MS 10000 /* a probe is asked for at once no more often */

static gboolean is_same_ehlo(const PosternEhlo *a, const PosternEhlo *b)
{
    return a->capabilities == b->capabilities && a->size == b->size &&
           a->xclient_attributes == b->xclient_attributes && a->xforward_attributes == b->xforward_attributes;
}

void postern_group_note_announced(PosternServerGroup *group, PosternServer *server, const PosternEhlo *ehlo)
{
    if (server->announces && is_same_ehlo(&server->announced, ehlo))
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
        if (!known) {
            *ret_ehlo = *ehlo;
        } else {
            ret_ehlo->capabilities &= ehlo->capabilities;
            ret_ehlo->xclient_attributes &= ehlo->xclient_attributes;
            ret_ehlo->xforward_attributes &= ehlo->xforward_attributes;
            if (ret_ehlo->size == 0 || (ehlo->size > 0 && ehlo->size < ret_ehlo->size))
                ret_ehlo->size = ehlo->size;
        }
        known = TRUE;
    }
    postern_pool_leave(pool);
    return known;
}

void postern_group_never_opened(PosternServerGroup *group, PosternServer *server, const char *reason,
                                gboolean hopeless, gint64 now)
{
    gboolean another = FALSE;
    server->retry_at = now + POSTERN_BACKEND_RETRY_MS;
    for (guint i = 0; i < group->servers->len; i++) {
        const PosternServer *other = g_ptr_array_index(group->servers, i);
        another = another ||
                  (other != server && other->health == POSTERN_SERVER_UP && other->retry_at == G_MININT64);
    }
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
        const char *down = postern_group_down_reason(pool->group);
        if (down != NULL)
            postern_group_refuse_all(pool->group, down);
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

const char *postern_group_reason_for_none(const PosternServerGroup *group)
{
    guint used = 0;
    guint ending = 0;
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
    gint64 deadline = server->probe.at;
    if (server->probe.waits)
        deadline = MIN(deadline, server->probe.deadline);
    if (server->probe.waits && server->retry_at != G_MININT64)
        deadline = MIN(deadline, server->retry_at);
    return deadline;
}
