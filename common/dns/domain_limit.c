#include "dns/domain_limit.h"

#include <libpsl.h>
#include <string.h>

#include "base/limits.h"

typedef struct {
    char *name;
    GQueue under_way;        /* of PosternResolverTurn *, the oldest first */
    PosternFairQueue *aside; /* those that stand aside */
    GList ready_link;        /* its data is NULL while it is not in ready */
} Domain;

struct PosternDomainLimit {
    GTree *domains;   /* name to Domain *; whoever sends mail chooses names: no hash without a key */
    GQueue ready;     /* of Domain * with somebody aside, and perhaps room */
    GQueue departing; /* of PosternResolverTurn *, under way since the last look */
    PosternFairQueue *clients;
};

static void domain_free(gpointer data)
{
    Domain *domain = data;

    postern_fair_queue_free(domain->aside);
    g_free(domain->name);
    g_free(domain);
}

static gint compare_names(gconstpointer a, gconstpointer b, gpointer data)
{
    (void)data;
    return strcmp(a, b);
}

PosternDomainLimit *postern_domain_limit_new(void)
{
    PosternDomainLimit *turns = g_new0(PosternDomainLimit, 1);

    turns->domains = g_tree_new_full(compare_names, NULL, NULL, domain_free);
    turns->clients = postern_fair_queue_new(POSTERN_RESOLVER_UNDER_WAY_MAX);
    return turns;
}

void postern_domain_limit_free(PosternDomainLimit *turns)
{
    if (turns == NULL)
        return;
    g_tree_unref(turns->domains);
    postern_fair_queue_free(turns->clients);
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

static Domain *domain_of(PosternDomainLimit *turns, const char *name)
{
    const char *owner = owner_of(name);
    Domain *domain = g_tree_lookup(turns->domains, owner);

    if (domain == NULL) {
        domain = g_new0(Domain, 1);
        domain->name = g_strdup(owner);
        g_queue_init(&domain->under_way);
        domain->aside = postern_fair_queue_new(G_MAXUINT);
        g_tree_insert(turns->domains, domain->name, domain);
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

static void set_ready(PosternDomainLimit *turns, Domain *domain, gboolean ready)
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

static void drop_if_empty(PosternDomainLimit *turns, Domain *domain)
{
    if (domain->under_way.length > 0 || postern_fair_queue_waiting(domain->aside) > 0)
        return;
    set_ready(turns, domain, FALSE);
    g_tree_remove(turns->domains, domain->name);
}

static void go(PosternDomainLimit *turns, Domain *domain, PosternResolverTurn *turn, gint64 now)
{
    turn->under_way = TRUE;
    turn->started = now;
    turn->domain = domain;
    g_queue_push_tail_link(&domain->under_way, &turn->link);
    turn->departing_link.data = turn;
    g_queue_push_tail_link(&turns->departing, &turn->departing_link);
}

/* Those whose clients' turns have come go, or stand aside. */
static void admit(PosternDomainLimit *turns, gint64 now)
{
    PosternFairPlace *place;

    while ((place = postern_fair_queue_admit(turns->clients)) != NULL) {
        PosternResolverTurn *turn = place->data;
        Domain *domain = domain_of(turns, turn->name);

        if (has_room(domain, now)) {
            go(turns, domain, turn, now);
            continue;
        }
        postern_fair_queue_leave(turns->clients, place);
        turn->domain = domain;
        postern_fair_queue_wait(domain->aside, place, turn->client, POSTERN_FAIR_TURN_LAST);
    }
}

static void take_departing(PosternDomainLimit *turns, PosternResolverTurn *turn)
{
    if (turn->departing_link.data != NULL)
        g_queue_unlink(&turns->departing, &turn->departing_link);
    turn->departing_link.data = NULL;
}

gboolean postern_domain_limit_begin(PosternDomainLimit *turns, PosternResolverTurn *turn, const char *name,
                                    guint64 client, gint64 now)
{
    turn->name = name;
    turn->client = client;
    turn->link.data = turn->place.data = turn;
    postern_fair_queue_wait(turns->clients, &turn->place, client, POSTERN_FAIR_TURN_LAST);
    admit(turns, now);
    take_departing(turns, turn);
    return turn->under_way;
}

void postern_domain_limit_end(PosternDomainLimit *turns, PosternResolverTurn *turn)
{
    Domain *domain = turn->domain;
    gboolean aside = domain != NULL && !turn->under_way;

    if (turn->place.state == POSTERN_FAIR_PLACE_NONE)
        return;
    take_departing(turns, turn);
    postern_fair_queue_leave(aside ? domain->aside : turns->clients, &turn->place);
    turn->domain = NULL;
    if (domain == NULL)
        return;
    if (turn->under_way)
        g_queue_unlink(&domain->under_way, &turn->link);
    turn->under_way = FALSE;
    set_ready(turns, domain, postern_fair_queue_waiting(domain->aside) > 0);
    drop_if_empty(turns, domain);
}

/* One more of each client that stands aside is let back into its client's line, as long as there is room: who
 * has no turn there takes none from the others. TRUE if one of them went. */
static gboolean let_some_back(PosternDomainLimit *turns, Domain *domain, gint64 now)
{
    gboolean went = FALSE;

    for (guint left = postern_fair_queue_lines(domain->aside); left > 0 && has_room(domain, now); left--) {
        PosternFairPlace *place = postern_fair_queue_admit(domain->aside);
        PosternResolverTurn *turn = place->data;

        postern_fair_queue_leave(domain->aside, place);
        turn->domain = NULL;
        postern_fair_queue_wait(turns->clients, place, turn->client, POSTERN_FAIR_TURN_FIRST);
        admit(turns, now);
        went = went || turn->under_way;
    }
    return went;
}

PosternResolverTurn *postern_domain_limit_next(PosternDomainLimit *turns, gint64 now)
{
    for (Domain *domain; (domain = g_queue_peek_head(&turns->ready)) != NULL;) {
        set_ready(turns, domain, FALSE);
        while (let_some_back(turns, domain, now))
            ;
        drop_if_empty(turns, domain);
    }
    admit(turns, now);
    PosternResolverTurn *turn = g_queue_peek_head(&turns->departing);

    if (turn != NULL)
        take_departing(turns, turn);
    return turn;
}
