#include "dns/resolver_turns.h"

#include "base/limits.h"

#define SLOW_US (POSTERN_RESOLVER_SLOW_MS * 1000)

static PosternResolverTurn *begin(PosternResolverTurns *turns, const char *name, gint64 now)
{
    PosternResolverTurn *turn = g_new0(PosternResolverTurn, 1);

    turn->data = turn;
    postern_resolver_turns_begin(turns, turn, name, now);
    return turn;
}

static void end(PosternResolverTurns *turns, PosternResolverTurn *turn)
{
    postern_resolver_turns_end(turns, turn);
    g_free(turn);
}

static GPtrArray *begin_many(PosternResolverTurns *turns, const char *format, guint count, gint64 now)
{
    GPtrArray *list = g_ptr_array_new();

    for (guint i = 0; i < count; i++) {
        g_autofree char *name = g_strdup_printf("n%u.%s", i, format);
        g_ptr_array_add(list, begin(turns, name, now));
    }
    return list;
}

static guint count_under_way(const GPtrArray *list)
{
    guint count = 0;

    for (guint i = 0; i < list->len; i++)
        count += ((const PosternResolverTurn *)g_ptr_array_index(list, i))->under_way ? 1 : 0;
    return count;
}

static void end_all(PosternResolverTurns *turns, GPtrArray *list)
{
    for (guint i = 0; i < list->len; i++)
        end(turns, g_ptr_array_index(list, i));
    g_ptr_array_unref(list);
}

/* A domain has its share, and what it has over it waits; others do not notice. */
static void test_share(void)
{
    PosternResolverTurns *turns = postern_resolver_turns_new();
    GPtrArray *dead = begin_many(turns, "dead.test", 10000, 0);
    PosternResolverTurn *live = begin(turns, "www.live.test", 1);

    g_assert_cmpuint(count_under_way(dead), ==, POSTERN_RESOLVER_DOMAIN_MAX);
    g_assert_true(live->under_way);
    g_assert_null(postern_resolver_turns_next(turns, 2));
    end(turns, live);
    g_assert_null(postern_resolver_turns_next(turns, 2));
    end_all(turns, dead);
    g_assert_null(postern_resolver_turns_next(turns, 3));
    postern_resolver_turns_free(turns);
}

/* Those in line go in order, one for each that is answered. */
static void test_order(void)
{
    PosternResolverTurns *turns = postern_resolver_turns_new();
    GPtrArray *list = begin_many(turns, "order.test", POSTERN_RESOLVER_DOMAIN_MAX + 3, 0);
    PosternResolverTurn *given_up = g_ptr_array_remove_index(list, POSTERN_RESOLVER_DOMAIN_MAX);

    end(turns, given_up);
    for (guint i = 0; i < 2; i++) {
        end(turns, g_ptr_array_remove_index(list, 0));
        PosternResolverTurn *next = postern_resolver_turns_next(turns, 1);
        g_assert_true(next == g_ptr_array_index(list, POSTERN_RESOLVER_DOMAIN_MAX - 1));
        g_assert_true(next->under_way);
        g_assert_null(postern_resolver_turns_next(turns, 1));
    }
    end_all(turns, list);
    postern_resolver_turns_free(turns);
}

/* A domain that does not answer keeps a small share; one that answers again gets the large one back. */
static void test_slow(void)
{
    PosternResolverTurns *turns = postern_resolver_turns_new();
    GPtrArray *old = begin_many(turns, "slow.test", POSTERN_RESOLVER_DOMAIN_SLOW_MAX, 0);
    GPtrArray *more = begin_many(turns, "slow.test", 40, SLOW_US + 1);

    g_assert_cmpuint(count_under_way(old), ==, POSTERN_RESOLVER_DOMAIN_SLOW_MAX);
    g_assert_cmpuint(count_under_way(more), ==, 0);
    end_all(turns, old);
    for (guint i = 0; i < 40; i++)
        g_assert_true(postern_resolver_turns_next(turns, SLOW_US + 2) == g_ptr_array_index(more, i));
    end_all(turns, more);
    postern_resolver_turns_free(turns);
}

/* All shares together have a bound, and what comes free goes round. */
static void test_bound(void)
{
    PosternResolverTurns *turns = postern_resolver_turns_new();
    guint domains = 2 * POSTERN_RESOLVER_UNDER_WAY_MAX / POSTERN_RESOLVER_DOMAIN_MAX;
    g_autoptr(GPtrArray) lists = g_ptr_array_new();
    guint total = 0;

    for (guint i = 0; i < domains; i++) {
        g_autofree char *name = g_strdup_printf("domain%u.test", i);
        g_ptr_array_add(lists, begin_many(turns, name, POSTERN_RESOLVER_DOMAIN_MAX, 0));
        total += count_under_way(g_ptr_array_index(lists, i));
    }
    g_assert_cmpuint(total, ==, POSTERN_RESOLVER_UNDER_WAY_MAX);
    g_assert_null(postern_resolver_turns_next(turns, 1));
    GPtrArray *first = g_ptr_array_index(lists, 0);
    for (guint i = 0; i < 2; i++)
        end(turns, g_ptr_array_remove_index(first, 0));
    PosternResolverTurn *one = postern_resolver_turns_next(turns, 1);
    PosternResolverTurn *two = postern_resolver_turns_next(turns, 1);
    g_assert_true(one != NULL && two != NULL && one->domain != two->domain);
    g_assert_null(postern_resolver_turns_next(turns, 1));
    for (guint i = 0; i < domains; i++)
        end_all(turns, g_ptr_array_index(lists, i));
    postern_resolver_turns_free(turns);
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
        PosternResolverTurns *turns = postern_resolver_turns_new();
        PosternResolverTurn *one = begin(turns, pairs[i].one, 0);
        PosternResolverTurn *two = begin(turns, pairs[i].two, 0);
        g_assert_cmpint(one->domain == two->domain, ==, pairs[i].same);
        end(turns, one);
        end(turns, two);
        postern_resolver_turns_free(turns);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/resolver-turns/share", test_share);
    g_test_add_func("/resolver-turns/order", test_order);
    g_test_add_func("/resolver-turns/slow", test_slow);
    g_test_add_func("/resolver-turns/bound", test_bound);
    g_test_add_func("/resolver-turns/owners", test_owners);
    return g_test_run();
}
