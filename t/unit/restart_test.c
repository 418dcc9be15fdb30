#include "daemon/restart.h"

#include "base/limits.h"

#define SECOND ((gint64)G_USEC_PER_SEC)

/* It ends as soon as it is started: pauses grow to their maximum, and only the changes are told. */
static void test_keeps_ending(void)
{
    PosternRestart restart = {0};
    gint64 now = 100 * SECOND, before = 0;
    g_autoptr(GPtrArray) told = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < 30; i++) {
        postern_restart_note_start(&restart, now);
        char *text = postern_restart_note_end(&restart, "badly", now);
        if (text != NULL)
            g_ptr_array_add(told, text);
        gint64 pause = restart.not_before - now;
        g_assert_cmpint(pause, >=, before);
        g_assert_cmpint(pause, <=, (gint64)POSTERN_RESTART_PAUSE_MAX_MS * 1000);
        g_assert_true(postern_restart_is_due(&restart, now + pause));
        g_assert_true(pause == 0 || !postern_restart_is_due(&restart, now + pause - 1));
        before = pause;
        now += pause;
    }
    g_assert_cmpint(before, ==, (gint64)POSTERN_RESTART_PAUSE_MAX_MS * 1000);
    g_assert_cmpuint(told->len, ==, 2);
    g_assert_cmpstr(told->pdata[0], ==, "badly");
    g_assert_true(g_str_has_prefix(told->pdata[1], "badly; it keeps ending"));
}

/* One that has run for long is started at once, and told of. */
static void test_runs_in_between(void)
{
    PosternRestart restart = {0};
    gint64 now = 100 * SECOND;
    for (guint i = 0; i < 5; i++) {
        postern_restart_note_start(&restart, now);
        now += (gint64)POSTERN_RESTART_PAUSE_MAX_MS * 1000;
        g_autofree char *text = postern_restart_note_end(&restart, "badly", now);
        g_assert_cmpstr(text, ==, "badly");
        g_assert_true(postern_restart_is_due(&restart, now));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/restart/keeps-ending", test_keeps_ending);
    g_test_add_func("/restart/runs-in-between", test_runs_in_between);
    return g_test_run();
}
