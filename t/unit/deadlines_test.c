#include "base/deadlines.h"

#define COUNT 300

static PosternDeadline *pop(PosternDeadlines *deadlines, gint64 now)
{
    PosternDeadline *passed = postern_deadlines_passed(deadlines, now);
    if (passed != NULL)
        postern_deadlines_set(deadlines, passed, G_MAXINT64);
    return passed;
}

/* Against a table that is searched: what is next, and in which order they pass, however they are set. */
static void test_model(void)
{
    g_autofree PosternDeadline *all = g_new0(PosternDeadline, COUNT);
    g_autoptr(PosternDeadlines) deadlines = postern_deadlines_new();
    gint64 model[COUNT];
    gint64 now = 0;
    for (guint i = 0; i < COUNT; i++)
        model[i] = G_MAXINT64;
    for (guint round = 0; round < 30000; round++) {
        guint which = (guint)g_test_rand_int_range(0, COUNT);
        gint kind = g_test_rand_int_range(0, 10);
        if (kind < 7) {
            model[which] = kind == 0 ? G_MAXINT64 : now + g_test_rand_int_range(-5, 50);
            postern_deadlines_set(deadlines, &all[which], model[which]);
        } else {
            now += kind - 7;
            for (PosternDeadline *passed; (passed = pop(deadlines, now)) != NULL;) {
                g_assert_cmpint(model[passed - all], <=, now);
                model[passed - all] = G_MAXINT64;
            }
        }
        gint64 next = G_MAXINT64;
        for (guint i = 0; i < COUNT; i++)
            next = MIN(next, model[i]);
        g_assert_cmpint(postern_deadlines_next(deadlines), ==, next);
        g_assert_cmpint(all[which].place != 0, ==, model[which] != G_MAXINT64);
    }
}

static void test_order(void)
{
    PosternDeadline all[4] = {{0}};
    g_autoptr(PosternDeadlines) deadlines = postern_deadlines_new();
    const gint64 times[] = {30, 10, 40, 20};
    g_assert_null(pop(deadlines, G_MAXINT64));
    for (guint i = 0; i < G_N_ELEMENTS(all); i++)
        postern_deadlines_set(deadlines, &all[i], times[i]);
    g_assert_null(pop(deadlines, 9));
    postern_deadlines_set(deadlines, &all[2], 5);
    g_assert_true(pop(deadlines, 20) == &all[2]);
    g_assert_true(pop(deadlines, 20) == &all[1]);
    g_assert_true(pop(deadlines, 20) == &all[3]);
    g_assert_null(pop(deadlines, 20));
    g_assert_cmpint(postern_deadlines_next(deadlines), ==, 30);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/deadlines/model", test_model);
    g_test_add_func("/deadlines/order", test_order);
    return g_test_run();
}
