#include "base/budget.h"

#define THREADS 8
#define ROUNDS 20000

static void test_bounds(void)
{
    g_autoptr(PosternBudget) budget = postern_budget_new(100);
    g_assert_true(postern_budget_reserve(budget, 0));
    g_assert_true(postern_budget_reserve(budget, 60));
    g_assert_false(postern_budget_reserve(budget, 41));
    g_assert_cmpuint(postern_budget_used(budget), ==, 60);
    g_assert_false(postern_budget_reserve(budget, G_MAXUINT64));
    g_assert_true(postern_budget_reserve(budget, 40));
    g_assert_false(postern_budget_reserve(budget, 1));
    postern_budget_release(budget, 100);
    g_assert_cmpuint(postern_budget_used(budget), ==, 0);
    g_assert_true(postern_budget_reserve(budget, 100));
}

static void test_share(void)
{
    g_autoptr(PosternBudget) whole = postern_budget_new(100);
    g_autoptr(PosternBudget) share = postern_budget_new_share(whole, 60, 60);
    g_autoptr(PosternBudget) other = postern_budget_new_share(whole, 60, 60);
    g_assert_true(postern_budget_reserve(share, 50));
    g_assert_cmpuint(postern_budget_used(whole), ==, 50);
    g_assert_false(postern_budget_reserve(share, 11)); /* over the share */
    g_assert_true(postern_budget_reserve(other, 50));
    g_assert_false(postern_budget_reserve(other, 1)); /* over the whole: nothing is taken of either */
    g_assert_cmpuint(postern_budget_used(other), ==, 50);
    g_assert_cmpuint(postern_budget_used(whole), ==, 100);
    postern_budget_release(share, 50);
    g_assert_cmpuint(postern_budget_used(share), ==, 0);
    g_assert_cmpuint(postern_budget_used(whole), ==, 50);
    g_assert_true(postern_budget_reserve(other, 10));
    postern_budget_release(other, 60);
    g_assert_cmpuint(postern_budget_used(whole), ==, 0);
}

/* What is promised may be taken before it is given back. */
static void test_promise(void)
{
    g_autoptr(PosternBudget) whole = postern_budget_new(100);
    g_autoptr(PosternBudget) share = postern_budget_new_share(whole, 60, 60);
    g_assert_true(postern_budget_reserve(whole, 90));
    g_assert_false(postern_budget_reserve(share, 50));
    g_assert_true(postern_budget_may_hold(share, 60));
    g_assert_false(postern_budget_may_hold(share, 61));
    g_assert_true(postern_budget_promise(share, 90));
    g_assert_false(postern_budget_promise(whole, 1)); /* more than a quarter is promised */
    g_assert_true(postern_budget_reserve(share, 50));
    g_assert_false(postern_budget_reserve(share, 11)); /* over the share */
    postern_budget_keep_promise(whole, 90);
    g_assert_false(postern_budget_reserve(whole, 1));
    postern_budget_release(whole, 90);
    g_assert_true(postern_budget_reserve(whole, 50));
    g_assert_false(postern_budget_reserve(whole, 1));
    g_assert_true(postern_budget_promise(whole, 20));
    g_assert_false(postern_budget_promise(whole, 6));
    g_assert_true(postern_budget_promise(whole, 5));
}

/* However many take all they can, one in one octet or in large pieces: the next finds room. */
static void test_something_is_left(void)
{
    enum { WHOLE = 12000 };
    static const guint64 pieces[] = {1, 7, 1000};
    for (guint greedy = 1; greedy <= 20; greedy++) {
        guint64 piece = pieces[greedy % G_N_ELEMENTS(pieces)];
        g_autoptr(PosternBudget) whole = postern_budget_new(WHOLE);
        g_autoptr(GPtrArray) shares = g_ptr_array_new_with_free_func((GDestroyNotify)postern_budget_unref);
        for (guint i = 0; i < greedy; i++)
            g_ptr_array_add(shares, postern_budget_new_share(whole, WHOLE, 10));
        for (guint taken = 1; taken > 0;) {
            taken = 0;
            for (guint i = 0; i < greedy; i++)
                taken += postern_budget_reserve(g_ptr_array_index(shares, i), piece);
        }
        guint64 left = WHOLE - postern_budget_used(whole);
        g_assert_cmpuint(left, >=, WHOLE / (greedy + 1));
        g_autoptr(PosternBudget) good = postern_budget_new_share(whole, WHOLE, 10);
        g_assert_true(postern_budget_reserve(good, left / 2));
        postern_budget_release(good, left / 2);
        g_assert_cmpuint(postern_budget_used(whole), ==, WHOLE - left);
        for (guint i = 0; i < greedy; i++) {
            PosternBudget *share = g_ptr_array_index(shares, i);
            postern_budget_release(share, postern_budget_used(share));
        }
        g_assert_cmpuint(postern_budget_used(whole), ==, 0);
    }
}

/* What is assured is there for one that is the only one, and as far as there is any for many. */
static void test_assured(void)
{
    g_autoptr(PosternBudget) whole = postern_budget_new(100);
    g_autoptr(PosternBudget) share = postern_budget_new_share(whole, 100, 90);
    g_autoptr(PosternBudget) other = postern_budget_new_share(whole, 100, 90);
    g_assert_true(postern_budget_reserve(share, 90));
    g_assert_false(postern_budget_reserve(share, 1));
    g_assert_false(postern_budget_reserve(other, 11));
    g_assert_true(postern_budget_reserve(other, 10));
    postern_budget_release(share, 90);
    postern_budget_release(other, 10);
}

static void test_extremes(void)
{
    g_autoptr(PosternBudget) none = postern_budget_new(0);
    g_assert_true(postern_budget_reserve(none, 0));
    g_assert_false(postern_budget_reserve(none, 1));

    g_autoptr(PosternBudget) all = postern_budget_new(G_MAXUINT64);
    g_assert_true(postern_budget_reserve(all, G_MAXUINT64));
    g_assert_false(postern_budget_reserve(all, 1));
}

static void test_release_of_what_was_not_taken(void)
{
    g_autoptr(PosternBudget) budget = postern_budget_new(10);
    g_assert_true(postern_budget_reserve(budget, 3));
    g_test_expect_message("postern", G_LOG_LEVEL_CRITICAL, "*octets <= used*");
    postern_budget_release(budget, 4);
    g_test_assert_expected_messages();
    g_assert_cmpuint(postern_budget_used(budget), ==, 3);
}

static gpointer use(gpointer data)
{
    g_autoptr(PosternBudget) budget = data;
    guint taken = 0;
    for (guint i = 0; i < ROUNDS; i++) {
        if (postern_budget_reserve(budget, 3)) {
            taken++;
            g_assert_cmpuint(postern_budget_used(budget), <=, 10);
            postern_budget_release(budget, 3);
        }
    }
    return GUINT_TO_POINTER(taken);
}

static void test_threads(void)
{
    g_autoptr(PosternBudget) budget = postern_budget_new(10);
    GThread *threads[THREADS];
    guint taken = 0;

    for (guint i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("budget", use, postern_budget_ref(budget));
    for (guint i = 0; i < THREADS; i++)
        taken += GPOINTER_TO_UINT(g_thread_join(threads[i]));
    g_assert_cmpuint(taken, >, 0);
    g_assert_cmpuint(postern_budget_used(budget), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/budget/bounds", test_bounds);
    g_test_add_func("/budget/share", test_share);
    g_test_add_func("/budget/promise", test_promise);
    g_test_add_func("/budget/something-is-left", test_something_is_left);
    g_test_add_func("/budget/assured", test_assured);
    g_test_add_func("/budget/extremes", test_extremes);
    g_test_add_func("/budget/release-of-what-was-not-taken", test_release_of_what_was_not_taken);
    g_test_add_func("/budget/threads", test_threads);
    return g_test_run();
}
