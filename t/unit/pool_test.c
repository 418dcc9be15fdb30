#include "pool_harness.h"

static void test_limit(void)
{
    g_autoptr(PosternPool) pool = usable_pool(2);
    for (guint waiter = 1; waiter <= 4; waiter++)
        want(pool, waiter, waiter, 0);
    expect_actions(pool, "open 1, open 2");
    g_assert_cmpuint(postern_pool_used(pool), ==, 2);
    g_assert_cmpuint(postern_pool_waiting(pool), ==, 4);
    opened(pool, 2, 1);
    expect_actions(pool, "assign 2 to 1");
    opened(pool, 1, 2);
    expect_actions(pool, "assign 1 to 2");
    postern_pool_returned(pool, 1, TRUE, 3);
    expect_actions(pool, "assign 1 to 3");
    postern_pool_returned(pool, 2, TRUE, 3);
    expect_actions(pool, "assign 2 to 4");
    postern_pool_returned(pool, 2, TRUE, 4);
    postern_pool_returned(pool, 1, TRUE, 5);
    expect_actions(pool, "");
    want(pool, 5, 5, 6); /* the last used is the freshest */
    expect_actions(pool, "assign 1 to 5");
    g_assert_cmpuint(postern_pool_used(pool), ==, 2);
}

/* A slot is not free while the back-end may still count it. */
static void test_slot_is_free_on_close(void)
{
    g_autoptr(PosternPool) pool = busy_pool(1);
    want(pool, 9, 9, 0);
    postern_pool_returned(pool, 1, FALSE, 1);
    expect_actions(pool, "quit 1");
    g_assert_cmpuint(postern_pool_used(pool), ==, 1);
    opened(pool, 1, 1); /* out of turn: nothing */
    postern_pool_returned(pool, 1, TRUE, 1);
    expect_actions(pool, "");
    postern_pool_closed(pool, 1, NULL, 2);
    expect_actions(pool, "open 2");
    postern_pool_closed(pool, 1, NULL, 2); /* twice: nothing */
    expect_actions(pool, "");
    g_assert_cmpuint(postern_pool_used(pool), ==, 1);
}

static void test_deadline(void)
{
    g_autoptr(PosternPool) pool = busy_pool(1);
    want(pool, 7, 7, 10);
    want(pool, 8, 8, 20);
    g_assert_cmpint(postern_pool_deadline(pool), ==, 10 + WAIT_MS);
    postern_pool_timer(pool, 10 + WAIT_MS - 1);
    expect_actions(pool, "");
    postern_pool_timer(pool, 10 + WAIT_MS);
    expect_actions(pool, "refuse 7 (no connection to the back-end became free in time)");
    g_assert_cmpint(postern_pool_deadline(pool), ==, 20 + WAIT_MS);
    postern_pool_returned(pool, 1, TRUE, 1015);
    expect_actions(pool, "assign 1 to 8");
    g_assert_cmpint(postern_pool_deadline(pool), ==, PROBE_AGAIN_MS);
}

static void test_idle_ends(void)
{
    g_autoptr(PosternPool) pool = busy_pool(2);
    postern_pool_returned(pool, 1, TRUE, 100);
    postern_pool_returned(pool, 2, TRUE, 200);
    g_assert_cmpint(postern_pool_deadline(pool), ==, 100 + IDLE_MS);
    postern_pool_timer(pool, 100 + IDLE_MS);
    expect_actions(pool, "quit 1");
    g_assert_cmpint(postern_pool_deadline(pool), ==, 200 + IDLE_MS);
    postern_pool_closed(pool, 2, NULL, 300); /* the back-end was quicker */
    expect_actions(pool, "");
    g_assert_cmpint(postern_pool_deadline(pool), ==, PROBE_AGAIN_MS);
    g_assert_cmpuint(postern_pool_used(pool), ==, 1);
}

static void test_cancel(void)
{
    g_autoptr(PosternPool) pool = busy_pool(1);
    want(pool, 7, 7, 0);
    want(pool, 8, 8, 0);
    postern_pool_cancel(pool, 7, 0); /* while it waits */
    g_assert_cmpuint(postern_pool_waiting(pool), ==, 1);
    postern_pool_returned(pool, 1, TRUE, 1);
    postern_pool_cancel(pool, 8, 1); /* its ASSIGN is not out yet */
    expect_actions(pool, "");
    want(pool, 9, 9, 2);
    want(pool, 10, 10, 2);
    postern_pool_cancel(pool, 9, 2); /* the next in turn gets it */
    expect_actions(pool, "assign 1 to 10");
    want(pool, 11, 11, 3);
    postern_pool_timer(pool, 3 + WAIT_MS);
    postern_pool_cancel(pool, 11, 3 + WAIT_MS); /* its REFUSE is not out yet */
    expect_actions(pool, "");
    postern_pool_cancel(pool, 12, 0); /* nobody */
    postern_pool_cancel(pool, 10, 0); /* too late: it has it */
    expect_actions(pool, "");
    g_assert_cmpuint(postern_pool_used(pool), ==, 1);
}

/* The connection opens for nobody and is kept; the next to come has it. */
static void test_cancel_while_opening(void)
{
    g_autoptr(PosternPool) pool = usable_pool(2);
    want(pool, 1, 1, 0);
    expect_actions(pool, "open 1");
    postern_pool_cancel(pool, 1, 1);
    want(pool, 2, 2, 2);
    expect_actions(pool, ""); /* the one that opens is enough */
    postern_pool_cancel(pool, 2, 3);
    opened(pool, 1, 4);
    expect_actions(pool, "");
    want(pool, 3, 3, 5);
    expect_actions(pool, "assign 1 to 3");
}

/* Given, but lost before the action was taken: the waiter must not be forgotten, nor lose its place. */
static void test_given_and_lost(void)
{
    g_autoptr(PosternPool) pool = usable_pool(1);
    want(pool, 1, 1, 0);
    want(pool, 2, 2, 5);
    expect_actions(pool, "open 1");
    opened(pool, 1, 10);
    postern_pool_closed(pool, 1, NULL, 10);
    expect_actions(pool, "open 2");
    g_assert_cmpuint(postern_pool_waiting(pool), ==, 2);
    g_assert_cmpint(postern_pool_deadline(pool), ==, WAIT_MS);
    opened(pool, 2, 20);
    expect_actions(pool, "assign 2 to 1");
    postern_pool_returned(pool, 2, TRUE, 30);
    postern_pool_closed(pool, 2, NULL, 30);
    postern_pool_cancel(pool, 2, 30); /* its ASSIGN was dropped: there is no connection to take back */
    expect_actions(pool, "open 3");
    postern_pool_closed(pool, 3, NULL, 31);
    expect_actions(pool, "");
    g_assert_cmpuint(postern_pool_used(pool), ==, 0);
}

static void test_quit_and_lost(void)
{
    g_autoptr(PosternPool) pool = busy_pool(1);
    postern_pool_returned(pool, 1, FALSE, 0);
    postern_pool_closed(pool, 1, NULL, 0);
    expect_actions(pool, "");
}

static void test_probe_is_first(void)
{
    g_autoptr(PosternServer) server = NULL;
    g_autoptr(PosternPool) pool = new_pool(2, &server);
    want(pool, 1, 1, 0);
    want(pool, 2, 2, 100);
    expect_actions(pool, ""); /* not proved: nothing is opened for clients */
    postern_pool_request_probe(pool, server, 200);
    expect_actions(pool, "open 1");
    g_assert_cmpint(postern_pool_deadline(pool), ==, WAIT_MS);
    opened(pool, 1, 300);
    expect_actions(pool, "assign 1 to the probe");
    postern_pool_mark_up(pool, server, PROBE_AGAIN_MS, 400);
    expect_actions(pool, "open 2");
    postern_pool_returned(pool, 1, TRUE, 400);
    expect_actions(pool, "assign 1 to 1");
    opened(pool, 2, 401);
    expect_actions(pool, "assign 2 to 2");
    want(pool, 3, 3, 500);
    postern_pool_request_probe(pool, server, 600);
    postern_pool_returned(pool, 1, TRUE, 700);
    expect_actions(pool, "assign 1 to the probe");
    postern_pool_closed(pool, 1, NULL, 710); /* lost in the probe's hands */
    expect_actions(pool, "open 3");
}

static void test_unknown(void)
{
    g_autoptr(PosternServer) server = NULL;
    g_autoptr(PosternPool) pool = new_pool(2, &server);
    g_assert_false(postern_pool_is_up(pool, server));
    want(pool, 1, 1, 0);
    postern_pool_timer(pool, WAIT_MS);
    expect_actions(pool, "refuse 1 (the back-end has not been proved to refuse relaying yet)");
    g_assert_cmpint(postern_pool_deadline(pool), ==, G_MAXINT64);
}

static void test_down(void)
{
    g_autoptr(PosternServer) server = NULL;
    g_autoptr(PosternPool) pool = new_pool(2, &server);
    postern_pool_mark_up(pool, server, PROBE_AGAIN_MS, 0);
    fill(pool, 2);
    want(pool, 7, 7, 0);
    want(pool, 8, 8, 0);
    postern_pool_timer(pool, WAIT_MS); /* a reason each, whatever happens before they are told */
    want(pool, 9, 9, WAIT_MS);
    postern_pool_mark_down(pool, server, "it relays", PROBE_AGAIN_MS, WAIT_MS);
    expect_actions(pool,
                   "refuse 7 (no connection to the back-end became free in time), refuse 8 (no connection to "
                   "the back-end became free in time), refuse 9 (it relays)");
    postern_pool_returned(pool, 1, TRUE, WAIT_MS);
    postern_pool_request_probe(pool, server, WAIT_MS);
    expect_actions(pool, "assign 1 to the probe");
    postern_pool_request_probe(pool, server, WAIT_MS);
    postern_pool_timer(pool, 2 * WAIT_MS);
    expect_actions(pool, "refuse the probe (no connection to the back-end became free in time)");
    want(pool, 10, 10, 2 * WAIT_MS);
    expect_actions(pool, "refuse 10 (it relays)");
    postern_pool_mark_up(pool, server, PROBE_AGAIN_MS, 2 * WAIT_MS);
    want(pool, 11, 11, 2 * WAIT_MS);
    postern_pool_returned(pool, 2, TRUE, 2 * WAIT_MS);
    expect_actions(pool, "assign 2 to 11");
}

/* A back-end that said 421 while idle and has not closed yet: nobody is given it, its slot is taken. */
static void test_ending(void)
{
    g_autoptr(PosternPool) pool = busy_pool(2);
    postern_pool_returned(pool, 1, TRUE, 0);
    postern_pool_ending(pool, 1, NULL, 1);
    want(pool, 7, 7, 1);
    expect_actions(pool, "");
    g_assert_cmpuint(postern_pool_used(pool), ==, 2);
    postern_pool_closed(pool, 1, NULL, 2);
    expect_actions(pool, "open 3");
    opened(pool, 3, 3);
    postern_pool_ending(pool, 3, NULL, 3); /* given already, and not taken yet: the waiter waits on */
    expect_actions(pool, "");
    postern_pool_closed(pool, 3, NULL, 4);
    expect_actions(pool, "open 4");
}

/* A back-end that takes connections and says nothing: nobody waits for it longer than for its time-out. */
static void test_ending_before_it_opened(void)
{
    g_autoptr(PosternPool) pool = usable_pool(2);
    want(pool, 1, 1, 0);
    want(pool, 2, 2, 0);
    expect_actions(pool, "open 1, open 2");
    postern_pool_ending(pool, 1, "silent", 1);
    expect_actions(pool, ""); /* the other may open */
    postern_pool_ending(pool, 2, "silent", 2);
    expect_actions(pool, "refuse 1 (silent), refuse 2 (silent)");
    want(pool, 3, 3, 2 + POSTERN_BACKEND_RETRY_MS);
    expect_actions(pool, ""); /* both slots are still taken */
    g_assert_cmpuint(postern_pool_used(pool), ==, 2);
    postern_pool_closed(pool, 1, NULL, 3 + POSTERN_BACKEND_RETRY_MS);
    expect_actions(pool, "open 3");
}

static void test_end_idle(void)
{
    g_autoptr(PosternPool) pool = busy_pool(4);
    postern_pool_returned(pool, 1, TRUE, 0);
    postern_pool_returned(pool, 2, TRUE, 0);
    postern_pool_end_idle(pool, NULL, 1);
    expect_actions(pool, "quit 2, quit 1");
    want(pool, 7, 7, 1); /* their slots are taken until they are closed */
    expect_actions(pool, "");
    postern_pool_closed(pool, 1, NULL, 2);
    expect_actions(pool, "open 5");
    opened(pool, 5, 3);
    expect_actions(pool, "assign 5 to 7");
}

static void test_drain(void)
{
    g_autoptr(PosternPool) pool = busy_pool(4);
    postern_pool_returned(pool, 1, TRUE, 0);
    postern_pool_returned(pool, 2, TRUE, 0);
    want(pool, 7, 7, 0);
    postern_pool_returned(pool, 3, FALSE, 0); /* ends already */
    expect_actions(pool, "assign 2 to 7, quit 3");
    postern_pool_drain(pool, 1);
    postern_pool_drain(pool, 1);
    expect_actions(pool, "quit 1");
    want(pool, 8, 8, 2);
    postern_pool_returned(pool, 4, TRUE, 2);
    expect_actions(pool,
                   "refuse 8 (the proxy is stopping, or a reload has removed this group of servers), quit 4");
    for (guint i = 1; i <= 4; i++)
        postern_pool_closed(pool, i, NULL, 3);
    expect_actions(pool, "");
    g_assert_cmpuint(postern_pool_used(pool), ==, 0);
    g_assert_cmpint(postern_pool_deadline(pool), ==, G_MAXINT64);
}

/* Those who wait would wait for nothing; a ASSIGN that is taken back ends its connection. */
static void test_drain_lets_nobody_wait(void)
{
    g_autoptr(PosternPool) pool = busy_pool(1);
    want(pool, 7, 7, 0);
    postern_pool_drain(pool, 1);
    expect_actions(pool, "refuse 7 (the proxy is stopping, or a reload has removed this group of servers)");

    g_autoptr(PosternPool) given = busy_pool(1);
    want(given, 7, 7, 0);
    postern_pool_returned(given, 1, TRUE, 0);
    postern_pool_drain(given, 1);
    postern_pool_cancel(given, 7, 1);
    expect_actions(given, "quit 1");

    g_autoptr(PosternPool) lost = busy_pool(1);
    want(lost, 7, 7, 0);
    postern_pool_returned(lost, 1, TRUE, 0);
    postern_pool_drain(lost, 1);
    postern_pool_closed(lost, 1, NULL, 1);
    expect_actions(lost, "refuse 7 (the proxy is stopping, or a reload has removed this group of servers)");

    g_autoptr(PosternPool) opening = usable_pool(1);
    want(opening, 7, 7, 0);
    expect_actions(opening, "open 1");
    postern_pool_drain(opening, 1);
    opened(opening, 1, 2);
    expect_actions(opening,
                   "refuse 7 (the proxy is stopping, or a reload has removed this group of servers), quit 1");
}

/* What is used slowly is recalled for who waits, the first offered first, and one for one. */
static void test_recall(void)
{
    g_autoptr(PosternPool) pool = busy_pool(3);
    postern_pool_offer(pool, 2, 0);
    postern_pool_offer(pool, 2, 0);
    postern_pool_offer(pool, 3, 0);
    postern_pool_offer(pool, 9, 0); /* there is none */
    expect_actions(pool, "");
    want(pool, 7, 7, 1);
    expect_actions(pool, "recall 2 of 2");
    postern_pool_offer(pool, 2, 1);
    expect_actions(pool, "");
    want(pool, 8, 8, 2);
    want(pool, 9, 9, 2);
    expect_actions(pool, "recall 3 of 3");
    postern_pool_offer(pool, 1, 3); /* while somebody waits */
    expect_actions(pool, "recall 1 of 1");
    postern_pool_returned(pool, 2, TRUE, 4);
    expect_actions(pool, "assign 2 to 7");
    postern_pool_offer(pool, 2, 5);
    expect_actions(pool, ""); /* two wait, and two are on their way */
    want(pool, 10, 10, 6);
    postern_pool_returned(pool, 2, TRUE, 6); /* before its RECALL is out: that is dropped */
    expect_actions(pool, "assign 2 to 8");
}

/* A connection that is lost or ends while it is recalled. */
static void test_recalled_and_lost(void)
{
    g_autoptr(PosternPool) pool = busy_pool(1);
    postern_pool_offer(pool, 1, 0);
    want(pool, 7, 7, 0);
    postern_pool_ending(pool, 1, NULL, 0);
    expect_actions(pool, "");
    postern_pool_closed(pool, 1, NULL, 1);
    expect_actions(pool, "open 2");
    opened(pool, 2, 2);
    expect_actions(pool, "assign 2 to 7");
    postern_pool_offer(pool, 2, 3);
    postern_pool_closed(pool, 2, NULL, 3);
    want(pool, 8, 8, 4);
    expect_actions(pool, "open 3");
}

/* Slots that are not free yet, and a back-end that lets none more in, are no reason to let others wait. */
static void test_recall_beside_lost_slots(void)
{
    g_autoptr(PosternPool) pool = busy_pool(2);
    postern_pool_offer(pool, 1, 0);
    postern_pool_ending(pool, 2, NULL, 0);
    want(pool, 7, 7, 1);
    expect_actions(pool, "recall 1 of 1");

    g_autoptr(PosternPool) refused = usable_pool(2);
    want(refused, 1, 1, 0);
    opened(refused, 1, 0);
    expect_actions(refused, "open 1, assign 1 to 1");
    postern_pool_offer(refused, 1, 0);
    want(refused, 2, 2, 1);
    expect_actions(refused, "open 2");
    postern_pool_closed(refused, 2, "421 too many", 2);
    expect_actions(refused, "recall 1 of 1");
}

/* One client can have half; behind its own it waits for itself, and its own are recalled for it alone. */
static void test_share(void)
{
    g_autoptr(PosternPool) pool = usable_pool(4);
    for (guint waiter = 1; waiter <= 4; waiter++)
        want(pool, waiter, 1, 0);
    expect_actions(pool, "open 1, open 2");
    want(pool, 5, 2, 0);
    expect_actions(pool, "open 3");
    opened(pool, 1, 1);
    opened(pool, 2, 1);
    opened(pool, 3, 1);
    expect_actions(pool, "assign 1 to 1, assign 2 to 2, assign 3 to 5");
    postern_pool_offer(pool, 3, 2);
    expect_actions(pool, "");
    postern_pool_offer(pool, 2, 2);
    expect_actions(pool, "recall 2 of 2");
    postern_pool_returned(pool, 2, TRUE, 3);
    expect_actions(pool, "assign 2 to 3");
    want(pool, 6, POSTERN_FAIR_QUEUE_NOBODY, 4);
    expect_actions(pool, "open 4");
}

/* One with many sessions and one with one: they take turns. */
static void test_turns(void)
{
    g_autoptr(PosternPool) pool = busy_pool(1);
    for (guint waiter = 10; waiter < 15; waiter++)
        want(pool, waiter, 10, 0);
    postern_pool_request(pool, 40, 40, 0, POSTERN_FAIR_TURN_LATER, 0);
    want(pool, 20, 20, 1);
    want(pool, 30, 30, 1);
    static const guint order[] = {10, 20, 40, 30, 11, 12, 13, 14};
    for (gsize i = 0; i < G_N_ELEMENTS(order); i++) {
        g_autofree char *expected = g_strdup_printf("assign 1 to %u", order[i]);
        postern_pool_returned(pool, 1, TRUE, 2);
        expect_actions(pool, expected);
    }
}

static void test_retry_pause(void)
{
    g_autoptr(PosternPool) pool = usable_pool(2);
    want(pool, 1, 1, 0);
    want(pool, 2, 2, 0);
    expect_actions(pool, "open 1, open 2");
    postern_pool_closed(pool, 1, "connection refused", 10);
    expect_actions(pool, ""); /* the other may yet open */
    g_assert_cmpint(postern_pool_deadline(pool), ==, MIN(WAIT_MS, 10 + POSTERN_BACKEND_RETRY_MS));
    postern_pool_closed(pool, 2, "connection refused", 20);
    expect_actions(pool, "refuse 1 (connection refused), refuse 2 (connection refused)");
    want(pool, 3, 3, 30);
    expect_actions(pool, "");
    g_assert_cmpint(postern_pool_deadline(pool), ==, 20 + POSTERN_BACKEND_RETRY_MS);
    postern_pool_timer(pool, 20 + POSTERN_BACKEND_RETRY_MS);
    expect_actions(pool, "open 3");
    opened(pool, 3, 1025);
    expect_actions(pool, "assign 3 to 3");
    want(pool, 4, 4, 1026); /* it opens again: no pause */
    expect_actions(pool, "open 4");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pool/limit", test_limit);
    g_test_add_func("/pool/slot-is-free-on-close", test_slot_is_free_on_close);
    g_test_add_func("/pool/deadline", test_deadline);
    g_test_add_func("/pool/idle-ends", test_idle_ends);
    g_test_add_func("/pool/ending", test_ending);
    g_test_add_func("/pool/ending-before-it-opened", test_ending_before_it_opened);
    g_test_add_func("/pool/end-idle", test_end_idle);
    g_test_add_func("/pool/cancel", test_cancel);
    g_test_add_func("/pool/cancel-while-opening", test_cancel_while_opening);
    g_test_add_func("/pool/given-and-lost", test_given_and_lost);
    g_test_add_func("/pool/quit-and-lost", test_quit_and_lost);
    g_test_add_func("/pool/probe-is-first", test_probe_is_first);
    g_test_add_func("/pool/unknown", test_unknown);
    g_test_add_func("/pool/down", test_down);
    g_test_add_func("/pool/drain", test_drain);
    g_test_add_func("/pool/drain-lets-nobody-wait", test_drain_lets_nobody_wait);
    g_test_add_func("/pool/retry-pause", test_retry_pause);
    g_test_add_func("/pool/recall", test_recall);
    g_test_add_func("/pool/recalled-and-lost", test_recalled_and_lost);
    g_test_add_func("/pool/recall-beside-lost-slots", test_recall_beside_lost_slots);
    g_test_add_func("/pool/share", test_share);
    g_test_add_func("/pool/turns", test_turns);
    return g_test_run();
}
