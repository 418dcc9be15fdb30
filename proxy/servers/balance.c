#include <math.h>

#include "proxy/servers/group_private.h"

#define WHOLE 256                                 /* parts of a weight */
#define SERVED_UNIT G_GUINT64_CONSTANT(0x1000000) /* many times the greatest weight */

/* The part of its weight that it has now, in WHOLE parts: it grows while it is started slowly. */
static guint64 weight_of(const PosternServerGroup *group, const PosternServer *server, gint64 now)
{
    gint64 since = server->up_since == G_MININT64 ? G_MAXINT64 : now - server->up_since;
    if (since >= (gint64)group->slow_start_ms)
        return (guint64)server->weight * WHOLE;
    guint64 part = MAX(WHOLE / 16, (guint64)since * WHOLE / group->slow_start_ms);
    return server->weight * part;
}

gboolean postern_server_is_in_service(const PosternServer *server)
{
    return server->health == POSTERN_SERVER_UP && server->retry_at == G_MININT64 && !server->drain;
}

/* One that has failed is no choice while another is; backups are if nothing else is; of others the lowest
 * priority. */
static guint rank_of(const PosternServer *server)
{
    return (server->suspect ? 1U << 17 : 0) + (server->backup ? 1U << 16 : 0) + server->priority;
}

static gboolean is_better(const PosternServer *server, const PosternServer *other)
{
    return rank_of(server) < rank_of(other);
}

/* Whether servers that are none of theirs are the choice: of the best rank that there is. */
static const PosternServer *best_rank(const PosternServerGroup *group)
{
    const PosternServer *best = NULL;
    for (guint i = 0; i < group->servers->len; i++) {
        const PosternServer *server = g_ptr_array_index(group->servers, i);
        /* What is not known yet may soon be of the first rank: a backup is not for that moment. */
        gboolean may_serve = postern_server_is_in_service(server) ||
                             (server->health == POSTERN_SERVER_UNKNOWN && !server->drain && !server->suspect);
        if (may_serve && (best == NULL || is_better(server, best)))
            best = server;
    }
    return best;
}

static gboolean is_of_rank(const PosternServer *server, const PosternServer *best)
{
    return postern_server_is_in_service(server) && !is_better(best, server);
}

gboolean postern_group_rejects(const PosternServerGroup *group, const PosternServer *server)
{
    const PosternServer *best = best_rank(group);
    return server->retired || best == NULL || !is_of_rank(server, best);
}

static gboolean has_room(const PosternServer *server)
{
    return server->busy + server->claimed + (server->ending - server->moving) < server->limit;
}

/* splitmix64, of Steele, Lea and Flood: every bit of the outcome hangs on every bit of number. */
static guint64 scatter(guint64 number)
{
    number += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15);
    number = (number ^ (number >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
    number = (number ^ (number >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
    return number ^ (number >> 31);
}

/* FNV-1a, of Fowler, Noll and Vo; 64 bits, so that no two servers or domains of anybody are the same. */
guint64 postern_balance_key(const char *name)
{
    guint64 hash = G_GUINT64_CONSTANT(0xcbf29ce484222325);
    for (const char *at = name; *at != '\0'; at++)
        hash = (hash ^ (guchar)*at) * G_GUINT64_CONSTANT(0x100000001b3);
    return scatter(hash);
}

/* Rendezvous hashing (Thaler and Ravishankar), weighted: a key moves only if its own server goes, or one that
 * comes takes it; servers are known by their names, in whatever order they stand. */
static double score_of(const PosternServer *server, guint64 key)
{
    guint64 drawn = scatter(key ^ server->key);
    double unit = ((double)(drawn >> 11) + 0.5) / 9007199254740992.0; /* 2^53 */
    return -(double)server->weight / log(unit);
}

/* When it is its turn, in the time that goes on by what is served: soon after the last if its weight is
 * great. Who was away has missed what it missed. */
static gint64 turn_of(const PosternServerGroup *group, const PosternServer *server, gint64 now)
{
    gint64 step = (gint64)(SERVED_UNIT * WHOLE / weight_of(group, server, now));
    return MAX(server->served + step, group->served);
}

/* TRUE if server is less loaded than other for its weight; among equals, if it is its turn. */
static gboolean is_less_loaded(const PosternServerGroup *group, const PosternServer *server,
                               const PosternServer *other, gint64 now)
{
    guint64 load = (server->busy + server->claimed) * weight_of(group, other, now);
    guint64 other_load = (other->busy + other->claimed) * weight_of(group, server, now);
    if (group->balance == POSTERN_BALANCE_LEAST_LOADED && load != other_load)
        return load < other_load;
    return turn_of(group, server, now) < turn_of(group, other, now);
}

static gboolean hashes(const PosternServerGroup *group)
{
    return group->balance >= POSTERN_BALANCE_CLIENT;
}

PosternServer *postern_group_choose(PosternServerGroup *group, guint64 key, gint64 now)
{
    const PosternServer *best = best_rank(group);
    PosternServer *chosen = NULL;
    double highest = 0;
    gint64 first = G_MAXINT64;
    for (guint i = 0; i < group->servers->len && best != NULL; i++) {
        PosternServer *server = g_ptr_array_index(group->servers, i);
        if (!is_of_rank(server, best) || !has_room(server))
            continue;
        first = MIN(first, turn_of(group, server, now));
        double score = hashes(group) ? score_of(server, key) : 0;
        if (chosen == NULL ||
            (hashes(group) ? score > highest : is_less_loaded(group, server, chosen, now))) {
            chosen = server;
            highest = score;
        }
    }
    if (chosen == NULL)
        return NULL;
    chosen->served = turn_of(group, chosen, now);
    group->served = MAX(group->served, first);
    return chosen;
}
