#include "dns/resolver_turns.h"

#include <libpsl.h>
#include <string.h>

#include "base/limits.h"

typedef struct {
    char *name;
    GQueue under_way; /* of PosternResolverTurn *, the oldest first */
    GQueue waiting;
    GList ready_link; /* its data is NULL while it is not in ready */
} Domain;

struct PosternResolverTurns {
    GHashTable *domains; /* name to Domain * */
    GQueue ready;        /* of Domain * that have somebody waiting, and may let him go */
    guint under_way;
};

static void domain_free(gpointer data)
{
    Domain *domain = data;

    g_free(domain->name);
    g_free(domain);
}

PosternResolverTurns *postern_resolver_turns_new(void)
{
    PosternResolverTurns *turns = g_new0(PosternResolverTurns, 1);

    turns->domains = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, domain_free);
    return turns;
}

void postern_resolver_turns_free(PosternResolverTurns *turns)
{
    if (turns == NULL)
        return;
    g_hash_table_unref(turns->domains);
    g_free(turns);
}

static const char *last_labels(const char *name, guint count)
{
    const char *start = name + strlen(name);

    for (; start > name; start--)
        if (start[-1] == '.' && --count == 0)
            break;
    return start;
}

/* Whom a name belongs to: of reverse names a network of 16 or 32 bits, else the domain below a public suffix.
 * A suffix itself, and what is below none, stands for itself. */
static const char *owner_of(const char *name)
{
    const char *two = last_labels(name, 2);

    if (strcmp(two, "in-addr.arpa") == 0)
        return last_labels(name, 4);
    if (strcmp(two, "ip6.arpa") == 0)
        return last_labels(name, 10);
    const char *registered = psl_registrable_domain(psl_builtin(), name);

    return registered != NULL ? registered : two;
}

static Domain *domain_of(PosternResolverTurns *turns, const char *name)
{
    const char *owner = owner_of(name);
    Domain *domain = g_hash_table_lookup(turns->domains, owner);

    if (domain == NULL) {
        domain = g_new0(Domain, 1);
        domain->name = g_strdup(owner);
        g_queue_init(&domain->under_way);
        g_queue_init(&domain->waiting);
        g_hash_table_insert(turns->domains, domain->name, domain);
    }
    return domain;
}

/* What is answered quickly may come often; of what is slow there are few. */
static gboolean has_room(const Domain *domain, gint64 now)
{
    const PosternResolverTurn *oldest = g_queue_peek_head((GQueue *)(guintptr)&domain->under_way);
    gboolean slow = oldest != NULL && now - oldest->started > POSTERN_RESOLVER_SLOW_MS * 1000;

    return domain->under_way.length < (slow ? POSTERN_RESOLVER_DOMAIN_SLOW_MAX : POSTERN_RESOLVER_DOMAIN_MAX);
}

static void go(PosternResolverTurns *turns, Domain *domain, PosternResolverTurn *turn, gint64 now)
{
    turn->under_way = TRUE;
    turn->started = now;
    g_queue_push_tail_link(&domain->under_way, &turn->link);
    turns->under_way++;
}

static void set_ready(PosternResolverTurns *turns, Domain *domain, gboolean ready)
{
    if (ready == (domain->ready_link.data != NULL))
        return;
    if (ready) {
        domain->ready_link.data = domain;
        g_queue_push_tail_link(&turns->ready, &domain->ready_link);
    } else {
        g_queue_unlink(&turns->ready, &domain->ready_link);
        domain->ready_link.data = NULL;
    }
}

gboolean postern_resolver_turns_begin(PosternResolverTurns *turns, PosternResolverTurn *turn,
                                      const char *name, gint64 now)
{
    Domain *domain = domain_of(turns, name);
    gboolean room = has_room(domain, now);

    turn->domain = domain;
    turn->link.data = turn;
    if (room && domain->waiting.length == 0 && turns->under_way < POSTERN_RESOLVER_UNDER_WAY_MAX) {
        go(turns, domain, turn, now);
        return TRUE;
    }
    g_queue_push_tail_link(&domain->waiting, &turn->link);
    if (room)
        set_ready(turns, domain, TRUE);
    return FALSE;
}

void postern_resolver_turns_end(PosternResolverTurns *turns, PosternResolverTurn *turn)
{
    Domain *domain = turn->domain;

    if (domain == NULL)
        return;
    turn->domain = NULL;
    g_queue_unlink(turn->under_way ? &domain->under_way : &domain->waiting, &turn->link);
    if (turn->under_way)
        turns->under_way--;
    set_ready(turns, domain, domain->waiting.length > 0);
    if (domain->under_way.length == 0 && domain->waiting.length == 0)
        g_hash_table_remove(turns->domains, domain->name);
}

PosternResolverTurn *postern_resolver_turns_next(PosternResolverTurns *turns, gint64 now)
{
    while (turns->under_way < POSTERN_RESOLVER_UNDER_WAY_MAX) {
        Domain *domain = g_queue_peek_head(&turns->ready);

        if (domain == NULL)
            return NULL;
        set_ready(turns, domain, FALSE);
        if (!has_room(domain, now))
            continue;

        PosternResolverTurn *turn = g_queue_pop_head_link(&domain->waiting)->data;

        go(turns, domain, turn, now);
        set_ready(turns, domain, domain->waiting.length > 0);
        return turn;
    }
    return NULL;
}
