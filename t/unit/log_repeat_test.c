#include "base/log_repeat.h"

#include "base/limits.h"

#define WINDOW_MS (POSTERN_LOG_REPEAT_WINDOW_SECONDS * 1000)

static guint64 next(PosternLogRepeats *repeats, gint64 now, const char *key)
{
    guint64 count = 0;
    g_autofree char *found = postern_log_repeats_next(repeats, now, &count);
    g_assert_cmpstr(found, ==, key);
    return count;
}

static void test_few_are_written(void)
{
    g_autoptr(PosternLogRepeats) repeats = postern_log_repeats_new();
    for (guint i = 0; i < POSTERN_LOG_REPEAT_LINES_MAX; i++)
        g_assert_true(postern_log_repeats_admit(repeats, "a", 0));
    next(repeats, WINDOW_MS, NULL);
}

static void test_many_are_counted(void)
{
    g_autoptr(PosternLogRepeats) repeats = postern_log_repeats_new();
    guint written = 0;
    for (guint i = 0; i < 1000; i++)
        written += postern_log_repeats_admit(repeats, "a", i);
    g_assert_true(postern_log_repeats_admit(repeats, "b", 1000));
    g_assert_cmpuint(written, ==, POSTERN_LOG_REPEAT_LINES_MAX);
    next(repeats, WINDOW_MS - 1, NULL);
    g_assert_cmpuint(next(repeats, WINDOW_MS, "a"), ==, 1000 - POSTERN_LOG_REPEAT_LINES_MAX);
    next(repeats, WINDOW_MS, NULL);
    g_assert_true(postern_log_repeats_admit(repeats, "a", WINDOW_MS));
}

/* A flood of different keys costs a bounded number of lines, and a bounded table. */
static void test_all_together(void)
{
    g_autoptr(PosternLogRepeats) repeats = postern_log_repeats_new();
    const guint keys = 10 * POSTERN_LOG_REPEAT_KEYS_MAX;
    guint64 written = 0;
    guint64 told = 0;
    guint lines = 0;
    for (guint i = 0; i < keys; i++) {
        g_autofree char *key = g_strdup_printf("refused client=2001:db8::%x", i);
        written += (guint64)postern_log_repeats_admit(repeats, key, 5);
    }
    for (;; lines++) {
        guint64 count = 0;
        g_autofree char *key = postern_log_repeats_next(repeats, 5 + WINDOW_MS, &count);
        if (key == NULL)
            break;
        told += count;
    }
    g_assert_cmpuint(written, ==, POSTERN_LOG_REPEAT_ALL_MAX);
    g_assert_cmpuint(written + told, ==, keys);
    g_assert_cmpuint(lines, <=, POSTERN_LOG_REPEAT_KEYS_MAX + 1);
}

/* Nobody asks: what waits does not grow for ever. */
static void test_nobody_asks(void)
{
    g_autoptr(PosternLogRepeats) repeats = postern_log_repeats_new();
    guint lines = 0;
    for (guint window = 0; window < 20; window++)
        for (guint i = 0; i < 20 * POSTERN_LOG_REPEAT_KEYS_MAX / 10; i++) {
            g_autofree char *key = g_strdup_printf("%u", i / 10);
            postern_log_repeats_admit(repeats, key, window * WINDOW_MS);
        }
    for (guint64 count = 0;; lines++) {
        g_autofree char *key = postern_log_repeats_next(repeats, 20 * WINDOW_MS, &count);
        if (key == NULL)
            break;
    }
    g_assert_cmpuint(lines, <=, POSTERN_LOG_REPEAT_KEYS_MAX + 1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/log-repeat/few-are-written", test_few_are_written);
    g_test_add_func("/log-repeat/many-are-counted", test_many_are_counted);
    g_test_add_func("/log-repeat/all-together", test_all_together);
    g_test_add_func("/log-repeat/nobody-asks", test_nobody_asks);
    return g_test_run();
}
