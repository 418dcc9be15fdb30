#include "dns/domain_limit.h"

#include <string.h>

#include "base/limits.h"

#define SLOW_US (POSTERN_RESOLVER_SLOW_MS * 1000)

static char *strcpy_after(PosternResolverTurn *turn, const char *name)
{
    return memcpy(turn + 1, name, strlen(name) + 1);
}

/* The name is the turn's own, behind it. */
static PosternResolverTurn *begin_for(PosternDomainLimit *turns, guint64 client, const char *name, gint64 now)
{
    PosternResolverTurn *turn = g_malloc0(sizeof *turn + strlen(name) + 1);
    char *copy = strcpy_after(turn, name);

    turn->data = turn;
    postern_domain_limit_begin(turns, turn, copy, client, now);
    return turn;
}

static PosternResolverTurn *begin(PosternDomainLimit *turns, const char *name, gint64 now)
{
    return begin_for(turns, POSTERN_FAIR_QUEUE_NOBODY, name, now);
}

static void end(PosternDomainLimit *turns, PosternResolverTurn *turn)
{
    postern_domain_limit_end(turns, turn);
    g_free(turn);
}

static GPtrArray *begin_many_for(PosternDomainLimit *turns, guint64 client, const char *format, guint count,
                                 gint64 now)
{
    GPtrArray *list = g_ptr_array_new();

    for (guint i = 0; i < count; i++) {
        g_autofree char *name = g_strdup_printf("n%u.%s", i, format);
        g_ptr_array_add(list, begin_for(turns, client, name, now));
    }
    return list;
}

static GPtrArray *begin_many(PosternDomainLimit *turns, const char *format, guint count, gint64 now)
{
    return begin_many_for(turns, POSTERN_FAIR_QUEUE_NOBODY, format, count, now);
}

static guint count_under_way(const GPtrArray *list)
{
    guint count = 0;

    for (guint i = 0; i < list->len; i++)
        count += ((const PosternResolverTurn *)g_ptr_array_index(list, i))->under_way ? 1 : 0;
    return count;
}

static void end_all(PosternDomainLimit *turns, GPtrArray *list)
{
    for (guint i = 0; i < list->len; i++)
        end(turns, g_ptr_array_index(list, i));
    g_ptr_array_unref(list);
}

/* A domain has its share, and what it has over it waits; others do not notice. */
static void test_share(void)
{
    PosternDomainLimit *turns = postern_domain_limit_new();
    GPtrArray *dead = begin_many(turns, "dead.test", 10000, 0);
    PosternResolverTurn *live = begin(turns, "www.live.test", 1);

    g_assert_cmpuint(count_under_way(dead), ==, POSTERN_RESOLVER_DOMAIN_MAX);
    g_assert_true(live->under_way);
    g_assert_null(postern_domain_limit_next(turns, 2));
    end(turns, live);
    g_assert_null(postern_domain_limit_next(turns, 2));
    end_all(turns, dead);
    g_assert_null(postern_domain_limit_next(turns, 3));
    postern_domain_limit_free(turns);
}

/* Those in line go in order, one for each that is answered. */
static void test_order(void)
{
    PosternDomainLimit *turns = postern_domain_limit_new();
    GPtrArray *list = begin_many(turns, "order.test", POSTERN_RESOLVER_DOMAIN_MAX + 3, 0);
    PosternResolverTurn *given_up = g_ptr_array_remove_index(list, POSTERN_RESOLVER_DOMAIN_MAX);

    end(turns, given_up);
    for (guint i = 0; i < 2; i++) {
        end(turns, g_ptr_array_remove_index(list, 0));
        PosternResolverTurn *next = postern_domain_limit_next(turns, 1);
        g_assert_true(next == g_ptr_array_index(list, POSTERN_RESOLVER_DOMAIN_MAX - 1));
        g_assert_true(next->under_way);
        g_assert_null(postern_domain_limit_next(turns, 1));
    }
    end_all(turns, list);
    postern_domain_limit_free(turns);
}

/* A domain that does not answer keeps a small share; one that answers again gets the large one back. */
static void test_slow(void)
{
    PosternDomainLimit *turns = postern_domain_limit_new();
    GPtrArray *old = begin_many(turns, "slow.test", POSTERN_RESOLVER_DOMAIN_SLOW_MAX, 0);
    GPtrArray *more = begin_many(turns, "slow.test", 40, SLOW_US + 1);

    g_assert_cmpuint(count_under_way(old), ==, POSTERN_RESOLVER_DOMAIN_SLOW_MAX);
    g_assert_cmpuint(count_under_way(more), ==, 0);
    end_all(turns, old);
    for (guint i = 0; i < 40; i++)
        g_assert_true(postern_domain_limit_next(turns, SLOW_US + 2) == g_ptr_array_index(more, i));
    end_all(turns, more);
    postern_domain_limit_free(turns);
}

static guint count_all(const GPtrArray *lists)
{
    guint count = 0;

    for (guint i = 0; i < lists->len; i++)
        count += count_under_way(g_ptr_array_index(lists, i));
    return count;
}

/* Those of a list that are under way end, one after the other, until turn is the next to go. */
static guint ends_before(PosternDomainLimit *turns, GPtrArray *list, const PosternResolverTurn *turn)
{
    guint count = 0;

    for (guint i = 0; i < list->len && !turn->under_way;) {
        if (!((const PosternResolverTurn *)g_ptr_array_index(list, i))->under_way) {
            i++;
            continue;
        }
        end(turns, g_ptr_array_remove_index(list, i));
        count++;
        while (postern_domain_limit_next(turns, 2) != NULL)
            ;
    }
    return count;
}

/* One that asks of many domains, one that asks of many names in one, and so many of each: what another asks
 * is on its way at once, or as soon as it is its turn among those that have nothing under way. */
static void test_clients(void)
{
    static const struct {
        guint clients, domains, names;
        gboolean at_once;
    } crowds[] = {{1, 3000, 1, TRUE},  {4, 650, 1, TRUE}, {20, 100, 3, FALSE}, {4, 1, 2000, TRUE},
                  {200, 13, 1, FALSE}, {50, 1, 60, TRUE}, {990, 3, 1, FALSE}};

    for (gsize i = 0; i < G_N_ELEMENTS(crowds); i++) {
        PosternDomainLimit *turns = postern_domain_limit_new();
        g_autoptr(GPtrArray) lists = g_ptr_array_new();

        for (guint client = 1; client <= crowds[i].clients; client++)
            for (guint domain = 0; domain < crowds[i].domains; domain++) {
                g_autofree char *name = g_strdup_printf("lame%u.test", domain);
                g_ptr_array_add(lists, begin_many_for(turns, client, name, crowds[i].names, 0));
            }
        g_assert_cmpuint(count_all(lists), <=, POSTERN_RESOLVER_UNDER_WAY_MAX);
        PosternResolverTurn *good = begin_for(turns, 1000, "www.good.test", 1);
        g_assert_true(good->under_way || !crowds[i].at_once);
        guint ends = 0;
        for (guint list = 0; list < lists->len && !good->under_way; list++)
            ends += ends_before(turns, g_ptr_array_index(lists, list), good);
        g_assert_true(good->under_way);
        g_assert_cmpuint(ends, <=, crowds[i].clients);
        end(turns, good);
        for (guint list = 0; list < lists->len; list++)
            end_all(turns, g_ptr_array_index(lists, list));
        g_assert_null(postern_domain_limit_next(turns, 3));
        postern_domain_limit_free(turns);
    }
}

/* What a client over its share would ask of a good domain takes no room from who may. */
static void test_domain_is_not_hogged(void)
{
    PosternDomainLimit *turns = postern_domain_limit_new();
    g_autoptr(GPtrArray) lists = g_ptr_array_new();

    for (guint domain = 0; domain < POSTERN_RESOLVER_UNDER_WAY_MAX; domain++) {
        g_autofree char *name = g_strdup_printf("lame%u.test", domain);
        g_ptr_array_add(lists, begin_many_for(turns, 1, name, 1, 0));
    }
    GPtrArray *greedy = begin_many_for(turns, 1, "popular.test", 2 * POSTERN_RESOLVER_DOMAIN_MAX, 0);
    g_assert_cmpuint(count_under_way(greedy), ==, 0);
    GPtrArray *good = begin_many_for(turns, 2, "popular.test", POSTERN_RESOLVER_DOMAIN_MAX, SLOW_US * 2);
    g_assert_cmpuint(count_under_way(good), ==, POSTERN_RESOLVER_DOMAIN_MAX);
    end_all(turns, good);
    end_all(turns, greedy);
    for (guint list = 0; list < lists->len; list++)
        end_all(turns, g_ptr_array_index(lists, list));
    postern_domain_limit_free(turns);
}

/* All go in the end, whoever asked of whatever, and none of the bounds is passed on the way. */
static void test_all_go(void)
{
    g_autoptr(GRand) random = g_rand_new_with_seed(3);
    for (guint world = 0; world < 20; world++) {
        PosternDomainLimit *turns = postern_domain_limit_new();
        g_autoptr(GPtrArray) list = g_ptr_array_new();
        gint64 now = 0;
        guint left = 4000;
        while (left > 0 || list->len > 0) {
            now += g_rand_int_range(random, 0, 100000);
            for (guint i = (guint)g_rand_int_range(random, 0, 300); i > 0 && left > 0; i--, left--) {
                g_autofree char *name = g_strdup_printf("n%u.d%d.test", left, g_rand_int_range(random, 0, 9));
                guint64 client = (guint64)g_rand_int_range(random, 0, 5);
                g_ptr_array_add(list, begin_for(turns, client, name, now));
            }
            while (postern_domain_limit_next(turns, now) != NULL)
                ;
            g_assert_cmpuint(count_under_way(list), <=, POSTERN_RESOLVER_UNDER_WAY_MAX);
            g_assert_true(list->len == 0 || count_under_way(list) > 0);
            for (guint i = 0; i < list->len;) {
                PosternResolverTurn *turn = g_ptr_array_index(list, i);
                if (g_rand_int_range(random, 0, 3) == 0 && (turn->under_way || left % 7 == 0))
                    end(turns, g_ptr_array_remove_index_fast(list, i));
                else
                    i++;
            }
        }
        postern_domain_limit_free(turns);
    }
}

/* All shares together have a bound, and what comes free goes round. */
static void test_bound(void)
{
    PosternDomainLimit *turns = postern_domain_limit_new();
    guint domains = 2 * POSTERN_RESOLVER_UNDER_WAY_MAX / POSTERN_RESOLVER_DOMAIN_MAX;
    g_autoptr(GPtrArray) lists = g_ptr_array_new();
    guint total = 0;

    for (guint i = 0; i < domains; i++) {
        g_autofree char *name = g_strdup_printf("domain%u.test", i);
        g_ptr_array_add(lists, begin_many_for(turns, 1 + i, name, POSTERN_RESOLVER_DOMAIN_MAX, 0));
        total += count_under_way(g_ptr_array_index(lists, i));
    }
    g_assert_cmpuint(total, <=, POSTERN_RESOLVER_UNDER_WAY_MAX);
    g_assert_cmpuint(total, >, POSTERN_RESOLVER_UNDER_WAY_MAX * 9 / 10);
    g_assert_null(postern_domain_limit_next(turns, 1));
    for (guint i = domains - 2; i < domains; i++)
        for (guint j = 0; j < 2; j++)
            end(turns, g_ptr_array_remove_index(g_ptr_array_index(lists, i - j * 2), 0));
    PosternResolverTurn *one = postern_domain_limit_next(turns, 1);
    PosternResolverTurn *two = postern_domain_limit_next(turns, 1);
    g_assert_true(one != NULL && two != NULL && one->domain != two->domain);
    for (guint i = 0; i < domains; i++)
        end_all(turns, g_ptr_array_index(lists, i));
    postern_domain_limit_free(turns);
}

/* Who shares a line. */
static void test_owners(void)
{
    static const struct {
        const char *one, *two;
        gboolean same;
    } pairs[] = {
        {"a.example.test", "b.c.example.test", TRUE},
        {"example.test", "a.example.test", TRUE},
        {"a.one.test", "a.two.test", FALSE},
        {"a.one.co.uk", "a.two.co.uk", FALSE},
        {"a.one.co.uk", "b.one.co.uk", TRUE},
        {"a.x.com", "b.x.com", TRUE},
        {"1.2.0.192.in-addr.arpa", "9.9.0.192.in-addr.arpa", TRUE},
        {"1.2.0.192.in-addr.arpa", "1.2.1.192.in-addr.arpa", FALSE},
        {"test", "test", TRUE},
        {"one", "two", FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
        PosternDomainLimit *turns = postern_domain_limit_new();
        PosternResolverTurn *one = begin(turns, pairs[i].one, 0);
        PosternResolverTurn *two = begin(turns, pairs[i].two, 0);
        g_assert_cmpint(one->domain == two->domain, ==, pairs[i].same);
        end(turns, one);
        end(turns, two);
        postern_domain_limit_free(turns);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/resolver-turns/share", test_share);
    g_test_add_func("/resolver-turns/order", test_order);
    g_test_add_func("/resolver-turns/slow", test_slow);
    g_test_add_func("/resolver-turns/bound", test_bound);
    g_test_add_func("/resolver-turns/clients", test_clients);
    g_test_add_func("/resolver-turns/domain-is-not-hogged", test_domain_is_not_hogged);
    g_test_add_func("/resolver-turns/all-go", test_all_go);
    g_test_add_func("/resolver-turns/owners", test_owners);
    return g_test_run();
}
