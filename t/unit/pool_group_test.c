#include "pool_harness.h"

#define POOLS 4

/* The pools of several threads, and whether each was woken since it last looked. */
typedef struct {
    PosternServerGroup *group;
    GPtrArray *settings;
    PosternServer *servers[2];
    PosternPool *pools[POOLS];
    gboolean woken[POOLS];
} Fixture;

static void on_wake(gpointer data)
{
    *(gboolean *)data = TRUE;
}

/* All servers are UP. */
static void fixture_init(Fixture *fixture, guint servers, guint limit)
{
    PosternPoolAction action;
    guint count = 0;
    *fixture = (Fixture){.settings = server_settings_of(servers, limit)};
    fixture->group = new_group(fixture->settings);
    for (guint i = 0; i < POOLS; i++)
        fixture->pools[i] = postern_pool_new(fixture->group, WAIT_MS, IDLE_MS, on_wake, &fixture->woken[i]);
    postern_pool_timer(fixture->pools[0], 0);
    while (postern_pool_next_action(fixture->pools[0], &action)) {
        g_assert_cmpint(action.kind, ==, POSTERN_POOL_PROBE);
        fixture->servers[count++] = postern_server_ref(action.server);
    }
    g_assert_cmpuint(count, ==, servers);
    for (guint i = 0; i < servers; i++)
        postern_pool_mark_up(fixture->pools[0], fixture->servers[i], PROBE_AGAIN_MS, 0);
}

static void fixture_clear(Fixture *fixture)
{
    for (guint i = 0; i < POOLS; i++)
        postern_pool_free(fixture->pools[i]);
    postern_server_unref(fixture->servers[0]);
    postern_server_unref(fixture->servers[1]);
    postern_server_group_unref(fixture->group);
    g_ptr_array_unref(fixture->settings);
}

/* Only a thread that was woken looks. */
static void expect_woken(Fixture *fixture, guint pool, const char *expected)
{
    g_assert_true(fixture->woken[pool]);
    fixture->woken[pool] = FALSE;
    expect_actions(fixture->pools[pool], expected);
}

static void test_one_thread_uses_all(void)
{
    Fixture fixture;
    fixture_init(&fixture, 1, 5);
    for (guint i = 1; i < POOLS; i++) { /* the others have one each, unused; connections 1 to 3 */
        g_autofree char *expected = g_strdup_printf("open %u, assign %u to 1", i, i);
        want(fixture.pools[i], 1, i, i);
        opened(fixture.pools[i], i, i);
        expect_actions(fixture.pools[i], expected);
        postern_pool_returned(fixture.pools[i], i, TRUE, i);
        fixture.woken[i] = FALSE;
    }
    for (guint waiter = 1; waiter <= 5; waiter++)
        want(fixture.pools[0], waiter, 10 + waiter, 100);
    expect_actions(fixture.pools[0], "open 4, open 5");
    for (guint i = 1; i < POOLS; i++) {
        g_autofree char *expected = g_strdup_printf("quit %u", i);
        expect_woken(&fixture, i, expected);
        g_assert_cmpuint(postern_server_group_used(fixture.group), ==, 5);
    }
    fixture.woken[0] = FALSE;
    for (guint i = 1; i < POOLS; i++) {
        g_autofree char *expected = g_strdup_printf("open %u", 5 + i);
        postern_pool_closed(fixture.pools[i], i, NULL, 101);
        expect_woken(&fixture, 0, expected);
        g_assert_cmpuint(postern_server_group_used(fixture.group), ==, 5);
    }
    g_assert_cmpuint(postern_pool_used(fixture.pools[0]), ==, 5);
    want(fixture.pools[1], 9, 30, 102); /* the sixth waits */
    expect_actions(fixture.pools[1], "");
    fixture_clear(&fixture);
}

/* A thread that never stops using what it has gives one up for another thread that has none. */
static void test_busy_thread_starves_nobody(void)
{
    Fixture fixture;
    guint64 next = 3;
    fixture_init(&fixture, 1, 2);
    fill(fixture.pools[0], 2);
    want(fixture.pools[1], 1, 100, 1);
    for (guint i = 0; i <= POSTERN_FAIR_QUEUE_PASSED_EMPTY_MAX; i++, next++) {
        g_autoptr(GString) text = g_string_new(NULL);
        PosternPoolAction action;
        want(fixture.pools[0], next, next, 2);
        postern_pool_returned(fixture.pools[0], 1, TRUE, 3);
        while (postern_pool_next_action(fixture.pools[0], &action))
            append_action(text, &action);
        if (i == POSTERN_FAIR_QUEUE_PASSED_EMPTY_MAX)
            g_assert_cmpstr(text->str, ==, "quit 1");
        else
            g_assert_true(g_str_has_prefix(text->str, "assign 1 to "));
    }
    postern_pool_closed(fixture.pools[0], 1, NULL, 4);
    expect_woken(&fixture, 1, "open 3");
    expect_actions(fixture.pools[0], "");
    opened(fixture.pools[1], 3, 5);
    expect_actions(fixture.pools[1], "assign 3 to 1");
    fixture_clear(&fixture);
}

/* The probe comes before those who wait on the threads that have all connections. */
static void test_probe_is_first(void)
{
    Fixture fixture;
    fixture_init(&fixture, 1, 2);
    want(fixture.pools[1], 1, 1, 0);
    want(fixture.pools[1], 2, 2, 0);
    opened(fixture.pools[1], 1, 0);
    opened(fixture.pools[1], 2, 0);
    want(fixture.pools[1], 3, 3, 0);
    want(fixture.pools[1], 4, 4, 0);
    expect_actions(fixture.pools[1], "open 1, open 2, assign 1 to 1, assign 2 to 2");
    postern_pool_request_probe(fixture.pools[0], fixture.servers[0], 1);
    expect_actions(fixture.pools[0], "");
    postern_pool_returned(fixture.pools[1], 1, TRUE, 2);
    postern_pool_returned(fixture.pools[1], 2, TRUE, 2); /* one is enough */
    expect_actions(fixture.pools[1], "quit 1, assign 2 to 3");
    postern_pool_closed(fixture.pools[1], 1, NULL, 3);
    expect_woken(&fixture, 0, "open 3");
    opened(fixture.pools[0], 3, 4);
    expect_actions(fixture.pools[0], "assign 3 to the probe");
    postern_pool_returned(fixture.pools[0], 3, TRUE, 5);
    expect_actions(fixture.pools[0], "quit 3"); /* for the one that waits still */
    fixture_clear(&fixture);
}

/* What one thread's slow client has is recalled for a client of another thread. */
static void test_recall_for_another_thread(void)
{
    Fixture fixture;
    fixture_init(&fixture, 1, 2);
    fill(fixture.pools[0], 2);
    postern_pool_offer(fixture.pools[0], 2, 1);
    expect_actions(fixture.pools[0], "");
    want(fixture.pools[3], 1, 50, 2);
    expect_woken(&fixture, 0, "recall 2 of 2");
    postern_pool_returned(fixture.pools[0], 2, TRUE, 3);
    expect_actions(fixture.pools[0], "quit 2");
    postern_pool_closed(fixture.pools[0], 2, NULL, 4);
    expect_woken(&fixture, 3, "open 3");
    fixture_clear(&fixture);
}

/* The turn is another thread's, which cannot open a connection now: what is unused here is used here. */
static void test_unused_while_none_opens(void)
{
    Fixture fixture;
    fixture_init(&fixture, 1, 2);
    want(fixture.pools[0], 1, 1, 0);
    opened(fixture.pools[0], 1, 0);
    postern_pool_returned(fixture.pools[0], 1, TRUE, 0);
    expect_actions(fixture.pools[0], "open 1, assign 1 to 1");
    want(fixture.pools[1], 1, 10, 1);
    postern_pool_closed(fixture.pools[1], 2, "421 too many", 2);
    want(fixture.pools[1], 2, 11, 3);
    expect_actions(fixture.pools[1], "open 2");
    want(fixture.pools[0], 2, 12, 4);
    expect_actions(fixture.pools[0], "assign 1 to 2");
    g_assert_cmpint(postern_pool_deadline(fixture.pools[1]), ==,
                    MIN(1 + WAIT_MS, 2 + POSTERN_BACKEND_RETRY_MS));
    fixture_clear(&fixture);
}

/* A client has one share, whatever threads its sessions are on. */
static void test_share_over_threads(void)
{
    Fixture fixture;
    fixture_init(&fixture, 1, 4);
    want(fixture.pools[0], 1, 7, 0);
    want(fixture.pools[1], 1, 7, 0);
    want(fixture.pools[2], 1, 7, 0);
    want(fixture.pools[3], 1, 7, 0);
    g_assert_cmpuint(postern_server_group_used(fixture.group), ==, 2);
    want(fixture.pools[3], 2, 8, 0);
    g_assert_cmpuint(postern_server_group_used(fixture.group), ==, 3);
    expect_actions(fixture.pools[3], "open 3");
    fixture_clear(&fixture);
}

/* One thread probes; what it finds out, and what the server announces, holds for all. */
static void test_one_probe_for_all(void)
{
    Fixture fixture;
    PosternPoolAction action;
    PosternEhlo ehlo;
    fixture_init(&fixture, 1, 4);
    postern_pool_mark_down(fixture.pools[0], fixture.servers[0], "it relays", PROBE_AGAIN_MS, 0);
    want(fixture.pools[2], 1, 1, 0);
    expect_actions(fixture.pools[2], "refuse 1 (it relays)");
    g_assert_cmpint(postern_pool_deadline(fixture.pools[2]), ==, G_MAXINT64);
    postern_pool_request_probe(fixture.pools[0], fixture.servers[0], 1);
    expect_actions(fixture.pools[0], "open 1");
    g_assert_false(postern_pool_announced(fixture.pools[2], &ehlo));
    opened(fixture.pools[0], 1, 2);
    expect_actions(fixture.pools[0], "assign 1 to the probe");
    g_assert_true(fixture.woken[2]);
    g_assert_true(postern_pool_next_action(fixture.pools[2], &action));
    g_assert_cmpint(action.kind, ==, POSTERN_POOL_ANNOUNCE);
    g_assert_true(postern_pool_announced(fixture.pools[2], &ehlo));
    g_assert_cmpuint(ehlo.capabilities, ==, POSTERN_CAPABILITY_PIPELINING);
    /* Another thread hurries it: the first one is woken, and not too often. */
    postern_pool_mark_up(fixture.pools[0], fixture.servers[0], PROBE_AGAIN_MS, 3);
    fixture.woken[0] = FALSE;
    postern_pool_probe_soon(fixture.pools[1], fixture.servers[0], 20);
    g_assert_true(fixture.woken[0]);
    g_assert_cmpint(postern_pool_deadline(fixture.pools[0]), ==, 20);
    postern_pool_timer(fixture.pools[0], 20);
    expect_actions(fixture.pools[0], "probe");
    postern_pool_mark_up(fixture.pools[0], fixture.servers[0], PROBE_AGAIN_MS, 30);
    postern_pool_probe_soon(fixture.pools[1], fixture.servers[0], 40);
    g_assert_cmpint(postern_pool_deadline(fixture.pools[0]), >, 40 + WAIT_MS);
    fixture_clear(&fixture);
}

static void announce(Fixture *fixture, guint64 connection, guint capabilities, guint64 size)
{
    const PosternEhlo ehlo = {.capabilities = capabilities, .size = size};
    postern_pool_opened(fixture->pools[0], connection, &ehlo, 1);
}

/* Each of two has its own limit, health and pause; what they announce is what both can. */
static void test_two_servers(void)
{
    Fixture fixture;
    PosternEhlo ehlo;
    fixture_init(&fixture, 2, 2);
    PosternPool *pool = fixture.pools[0];
    for (guint waiter = 1; waiter <= 5; waiter++)
        want(pool, waiter, waiter, 0);
    PosternPoolAction action;
    for (guint i = 0; i < 4; i++) { /* in turn, as both have as much in use */
        g_assert_true(postern_pool_next_action(pool, &action));
        g_assert_cmpint(action.kind, ==, POSTERN_POOL_OPEN);
        g_assert_true(action.server == fixture.servers[i % 2]);
    }
    announce(&fixture, 1, POSTERN_CAPABILITY_PIPELINING | POSTERN_CAPABILITY_SIZE, 0);
    announce(&fixture, 2, POSTERN_CAPABILITY_PIPELINING | POSTERN_CAPABILITY_SIZE | POSTERN_CAPABILITY_DSN,
             900);
    g_assert_true(postern_pool_announced(pool, &ehlo));
    g_assert_cmpuint(ehlo.capabilities, ==, POSTERN_CAPABILITY_PIPELINING | POSTERN_CAPABILITY_SIZE);
    g_assert_cmpuint(ehlo.size, ==, 900);
    expect_actions(pool, "assign 1 to 1, assign 2 to 2");
    /* One cannot be reached: the other may yet serve those who wait. */
    postern_pool_closed(pool, 4, "refused", 2);
    expect_actions(pool, "");
    postern_pool_mark_down(pool, fixture.servers[1], "it relays", PROBE_AGAIN_MS, 3);
    expect_actions(pool, "");
    postern_pool_returned(pool, 2, TRUE, 3); /* of the one that is down: for nobody */
    expect_actions(pool, "");
    opened(pool, 3, 4);
    expect_actions(pool, "assign 3 to 3");
    postern_pool_mark_down(pool, fixture.servers[0], "it is full", PROBE_AGAIN_MS, 5);
    expect_actions(pool, "refuse 4 (it is full), refuse 5 (it is full)");
    postern_pool_mark_up(pool, fixture.servers[1], PROBE_AGAIN_MS, 6);
    want(pool, 6, 6, 7);
    expect_actions(pool, "assign 2 to 6");
    fixture_clear(&fixture);
}

static void test_weight(void)
{
    Fixture fixture;
    PosternPoolAction action;
    guint second = 0;
    fixture_init(&fixture, 2, 100);
    ((PosternServerSettings *)g_ptr_array_index(fixture.settings, 1))->weight = 3;
    reload_pool(fixture.pools[0], fixture.settings, 1, 1, 0);
    for (guint i = 0; i < 2; i++)
        postern_pool_mark_up(fixture.pools[0], fixture.servers[i], PROBE_AGAIN_MS, 0);
    for (guint waiter = 1; waiter <= 40; waiter++)
        want(fixture.pools[0], waiter, waiter, 0);
    while (postern_pool_next_action(fixture.pools[0], &action))
        second += action.kind == POSTERN_POOL_OPEN && action.server == fixture.servers[1];
    g_assert_cmpuint(second, ==, 30);
    fixture_clear(&fixture);
}

/* Who waits on another thread for a server that is to be proved is served, though the thread that was to do
 * it ends. */
static void test_prober_is_drained(void)
{
    PosternPoolAction action;
    gboolean woken[2] = {FALSE};
    g_autoptr(GPtrArray) settings = server_settings_of(1, 5);
    g_autoptr(PosternServerGroup) group = new_group(settings);
    g_autoptr(PosternPool) first = postern_pool_new(group, WAIT_MS, IDLE_MS, on_wake, &woken[0]);
    g_autoptr(PosternPool) second = postern_pool_new(group, WAIT_MS, IDLE_MS, on_wake, &woken[1]);
    postern_pool_timer(first, 0);
    g_assert_true(postern_pool_next_action(first, &action));
    g_assert_cmpint(action.kind, ==, POSTERN_POOL_PROBE);
    g_autoptr(PosternServer) server = postern_server_ref(action.server);
    postern_pool_request_probe(first, server, 0);
    expect_actions(first, "open 1");
    want(second, 7, 7, 1);
    expect_actions(second, "");
    postern_pool_drain(first, 2);
    expect_actions(first, "refuse the probe (gone)");
    g_assert_true(woken[1]);
    woken[1] = FALSE;
    expect_actions(second, "");
    postern_pool_retry_later(first, server, 1, 2); /* as the probe does then */
    g_assert_true(woken[1]);
    g_assert_cmpint(postern_pool_deadline(second), ==, 3);
    postern_pool_timer(second, 3);
    expect_actions(second, "probe");
    postern_pool_mark_up(second, server, PROBE_AGAIN_MS, 4);
    expect_actions(second, "open 2");
    postern_pool_drain(second, 5);
    postern_pool_timer(first, 10); /* nobody probes any more */
    expect_actions(first, "");
}

/* What a server of before says is not remembered of those of after the reload, also if its connection was
 * assigned, and its thread has not looked yet. */
static void test_assigned_before_reload(void)
{
    Fixture fixture;
    PosternPoolAction action;
    g_autoptr(GPtrArray) others = server_settings_of(2, 2);
    fixture_init(&fixture, 1, 2);
    g_ptr_array_remove_index(others, 0);
    PosternRefusals *refusals = postern_server_group_refusals(fixture.group);
    fill(fixture.pools[1], 1);
    postern_pool_returned(fixture.pools[1], 1, TRUE, 1);
    want(fixture.pools[1], 7, 7, 2);
    guint before = postern_refusals_generation(refusals);
    reload_pool(fixture.pools[0], others, 1, 1, 3);
    g_assert_true(postern_pool_next_action(fixture.pools[1], &action));
    g_assert_cmpint(action.kind, ==, POSTERN_POOL_ASSIGN);
    g_assert_cmpuint(action.refusals, ==, before);
    g_assert_cmpuint(postern_refusals_generation(refusals), !=, before);
    fixture_clear(&fixture);
}

/* A server that stays keeps its slots; one that is gone is let go; each thread follows in its own time. */
static void test_reload(void)
{
    Fixture fixture;
    g_autoptr(GPtrArray) others = server_settings_of(2, 3);
    fixture_init(&fixture, 1, 2);
    g_ptr_array_remove_index(others, 0); /* 192.0.2.2 in place of 192.0.2.1 */
    fill(fixture.pools[0], 2);
    postern_pool_request_probe(fixture.pools[0], fixture.servers[0], 1);
    expect_actions(fixture.pools[0], "");
    reload_pool(fixture.pools[0], others, 1, 1, 2);
    expect_actions(fixture.pools[0], "refuse the probe (gone)");
    postern_pool_returned(fixture.pools[0], 1, TRUE, 2);
    expect_actions(fixture.pools[0], "quit 1");
    postern_pool_mark_up(fixture.pools[0], fixture.servers[0], PROBE_AGAIN_MS, 3); /* of no use */
    want(fixture.pools[0], 7, 7, 3);
    expect_actions(fixture.pools[0], ""); /* the new one is UNKNOWN */
    postern_pool_timer(fixture.pools[0], 3);
    PosternPoolAction action;
    g_assert_true(postern_pool_next_action(fixture.pools[0], &action));
    g_assert_cmpint(action.kind, ==, POSTERN_POOL_PROBE);
    g_assert_cmpstr(postern_server_name(action.server), ==, "192.0.2.2:25");
    g_autoptr(PosternServer) new = postern_server_ref(action.server);
    want(fixture.pools[1], 1, 1, 4);
    postern_pool_mark_up(fixture.pools[0], new, PROBE_AGAIN_MS, 4);
    expect_actions(fixture.pools[0], "open 3");
    expect_actions(fixture.pools[1], ""); /* it goes by the old settings still */
    postern_pool_mark_down(fixture.pools[1], new, "said by the old", PROBE_AGAIN_MS, 5);
    g_assert_true(postern_pool_is_up(fixture.pools[1], new));
    reload_pool(fixture.pools[1], others, 1, 1, 6);
    expect_actions(fixture.pools[1], "open 4");
    postern_pool_returned(fixture.pools[0], 2, TRUE, 7);
    expect_actions(fixture.pools[0], "quit 2");

    /* The same server under other demands: what is open still counts. */
    reload_pool(fixture.pools[0], others, 2, 2, 8);
    postern_pool_mark_up(fixture.pools[0], new, PROBE_AGAIN_MS, 8);
    want(fixture.pools[0], 8, 8, 8);
    want(fixture.pools[0], 9, 9, 8);
    expect_actions(fixture.pools[0], "open 5");
    g_assert_cmpuint(postern_server_group_used(fixture.group), ==, 3);
    opened(fixture.pools[0], 3, 9); /* opened by the demands of before */
    expect_actions(fixture.pools[0], "quit 3");
    fixture_clear(&fixture);
}

static GHashTable *names_of_one(const char *name)
{
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
    g_hash_table_add(names, (gpointer)(guintptr)name);
    return names;
}

/* The connection that is opened for the probe serves it, and is not ended and opened again without end. */
static void test_drained_server_is_probed(void)
{
    Fixture fixture;
    g_autoptr(GHashTable) names = names_of_one("192.0.2.1:25");
    fixture_init(&fixture, 1, 2);
    postern_server_group_drain(fixture.group, names, 1);
    postern_pool_request_probe(fixture.pools[0], fixture.servers[0], 2);
    expect_actions(fixture.pools[0], "open 1");
    opened(fixture.pools[0], 1, 3);
    expect_actions(fixture.pools[0], "assign 1 to the probe");
    postern_pool_returned(fixture.pools[0], 1, TRUE, 4);
    expect_actions(fixture.pools[0], "quit 1");
    postern_pool_closed(fixture.pools[0], 1, NULL, 5);
    expect_actions(fixture.pools[0], "");
    fixture_clear(&fixture);
}

/* Nobody waits for what cannot come: all servers are drained, whichever thread's clients wait. */
static void test_all_drained(void)
{
    Fixture fixture;
    g_autoptr(GHashTable) names = names_of_one("192.0.2.1:25");
    fixture_init(&fixture, 2, 1);
    want(fixture.pools[1], 1, 1, 0);
    want(fixture.pools[1], 2, 2, 0);
    expect_actions(fixture.pools[1], "open 1, open 2");
    want(fixture.pools[1], 3, 3, 0);
    want(fixture.pools[2], 4, 4, 0);
    postern_server_group_drain(fixture.group, names, 1);
    expect_actions(fixture.pools[1], "");
    g_hash_table_add(names, (gpointer)(guintptr) "192.0.2.2:25");
    fixture.woken[1] = fixture.woken[2] = FALSE;
    postern_server_group_drain(fixture.group, names, 2);
    expect_woken(&fixture, 1,
                 "refuse 1 (the servers are drained), refuse 2 (the servers are drained), "
                 "refuse 3 (the servers are drained)");
    expect_woken(&fixture, 2, "refuse 4 (the servers are drained)");
    opened(fixture.pools[1], 1, 3);
    expect_actions(fixture.pools[1], "quit 1");
    fixture_clear(&fixture);
}

/* What the administrator drains does not hide why the other is down. */
static void test_one_drained_one_down(void)
{
    Fixture fixture;
    g_autoptr(GHashTable) names = names_of_one("192.0.2.1:25");
    fixture_init(&fixture, 2, 1);
    postern_server_group_drain(fixture.group, names, 1);
    postern_pool_mark_down(fixture.pools[0], fixture.servers[1], "it relays", PROBE_AGAIN_MS, 2);
    want(fixture.pools[3], 1, 1, 3);
    expect_actions(fixture.pools[3], "refuse 1 (it relays)");
    fixture_clear(&fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pool-group/one-thread-uses-all", test_one_thread_uses_all);
    g_test_add_func("/pool-group/busy-thread-starves-nobody", test_busy_thread_starves_nobody);
    g_test_add_func("/pool-group/probe-is-first", test_probe_is_first);
    g_test_add_func("/pool-group/recall-for-another-thread", test_recall_for_another_thread);
    g_test_add_func("/pool-group/unused-while-none-opens", test_unused_while_none_opens);
    g_test_add_func("/pool-group/share-over-threads", test_share_over_threads);
    g_test_add_func("/pool-group/one-probe-for-all", test_one_probe_for_all);
    g_test_add_func("/pool-group/two-servers", test_two_servers);
    g_test_add_func("/pool-group/weight", test_weight);
    g_test_add_func("/pool-group/reload", test_reload);
    g_test_add_func("/pool-group/prober-is-drained", test_prober_is_drained);
    g_test_add_func("/pool-group/assigned-before-reload", test_assigned_before_reload);
    g_test_add_func("/pool-group/drained-server-is-probed", test_drained_server_is_probed);
    g_test_add_func("/pool-group/all-drained", test_all_drained);
    g_test_add_func("/pool-group/one-drained-one-down", test_one_drained_one_down);
    return g_test_run();
}
