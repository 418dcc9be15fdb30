/* The sliding window beside a model of it: the list of all time stamps. */
#include "base/limits.h"
#include "proxy/screen/rate.h"

typedef struct {
    gint64 at;
    guint number;
} Event;

/* What happened in the last window_ms, exactly. */
static guint64 exact(const GArray *events, gint64 now, guint window_ms)
{
    guint64 number = 0;
    for (guint i = events->len; i > 0 && g_array_index(events, Event, i - 1).at > now - window_ms; i--)
        number += g_array_index(events, Event, i - 1).number;
    return number;
}

static guint longest(guint window_ms)
{
    return window_ms + window_ms / POSTERN_RATE_SLOTS + POSTERN_RATE_SLOTS + 1;
}

static void happen(GArray *events, PosternRate *rate, gint64 now, guint number, guint window_ms)
{
    const Event event = {now, number};
    g_array_append_val(events, event);
    postern_rate_add(rate, number, now, window_ms);
}

/* Bursts, steady traffic, and silences of up to three windows. */
static gint64 next_time(gint64 now, guint window_ms)
{
    static const double parts[] = {0, 0, 0.001, 0.01, 0.1, 1, 3};
    double part = parts[g_test_rand_int_range(0, G_N_ELEMENTS(parts))];
    return now + (gint64)g_test_rand_double_range(0, window_ms * part + 1);
}

static const guint windows[] = {1000, 1001, 1007, 60000, 3600000};

static gint64 begin(void)
{
    return g_test_rand_int_range(0, G_MAXINT32);
}

/* Never less than was in the window, and no more than was in one that is an eighth longer. */
static void test_bounds(void)
{
    for (guint trace = 0; trace < 500; trace++) {
        const guint window_ms = windows[trace % G_N_ELEMENTS(windows)];
        g_autoptr(GArray) events = g_array_new(FALSE, FALSE, sizeof(Event));
        PosternRate rate = {0};
        gint64 now = begin();
        for (guint i = 0; i < 400; i++) {
            now = next_time(now, window_ms);
            guint value = postern_rate_value(&rate, now, window_ms);
            g_assert_cmpuint(value, >=, exact(events, now, window_ms));
            g_assert_cmpuint(value, <=, exact(events, now, longest(window_ms)));
            if (g_test_rand_int_range(0, 3) > 0)
                happen(events, &rate, now, (guint)g_test_rand_int_range(1, 5), window_ms);
        }
    }
}

/* Whoever takes all that it may have never has one more than the limit in any window, and is refused only
 * what it would be refused an eighth of a window later. */
static void test_limit(void)
{
    for (guint trace = 0; trace < 500; trace++) {
        const guint window_ms = windows[trace % G_N_ELEMENTS(windows)];
        const guint limit = (guint)g_test_rand_int_range(1, 50);
        g_autoptr(GArray) events = g_array_new(FALSE, FALSE, sizeof(Event));
        PosternRate rate = {0};
        gint64 now = begin();
        guint most = 0;
        for (guint i = 0; i < 1000; i++) {
            now = next_time(now, window_ms / 4);
            if (postern_rate_value(&rate, now, window_ms) + 1 <= limit)
                happen(events, &rate, now, 1, window_ms);
            else
                g_assert_cmpuint(exact(events, now, longest(window_ms)), >=, limit);
            most = MAX(most, (guint)exact(events, now, window_ms));
        }
        g_assert_cmpuint(most, <=, limit);
    }
}

/* The clocks of threads differ by a moment. */
static void test_clock_of_before(void)
{
    PosternRate rate = {0};
    postern_rate_add(&rate, 5, 2000, 1000);
    postern_rate_add(&rate, 7, 1990, 1000);
    g_assert_cmpuint(postern_rate_value(&rate, 1000, 1000), ==, 12);
    g_assert_cmpuint(postern_rate_value(&rate, 3000, 1000), ==, 12);
    g_assert_cmpuint(postern_rate_value(&rate, 3125, 1000), ==, 0);
}

static void test_maximum(void)
{
    PosternRate rate = {0};
    for (guint i = 0; i < 3; i++)
        postern_rate_add(&rate, G_MAXUINT, 5000 + i * 300, 1000);
    g_assert_cmpuint(postern_rate_value(&rate, 5600, 1000), ==, G_MAXUINT);
    g_assert_cmpuint(postern_rate_value(&rate, G_GINT64_CONSTANT(5600) + 70000000, 1000), ==, 0);
}

/* Silences of about a window, of so many slots that their number is told apart by more than 32 bits, and of
 * all between: what was counted long ago never comes back. */
static void test_long_silence(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(windows); i++) {
        const guint window_ms = windows[i];
        const gint64 slot_ms = (window_ms + POSTERN_RATE_SLOTS - 1) / POSTERN_RATE_SLOTS;
        for (guint bits = 0; bits < 44; bits++)
            for (gint64 more = -(gint64)POSTERN_RATE_SLOTS - 2; more <= POSTERN_RATE_SLOTS + 2; more++) {
                const gint64 start = 5 * (gint64)window_ms + 1;
                const gint64 now = start + MAX(((G_GINT64_CONSTANT(1) << bits) + more) * slot_ms, 0);
                PosternRate rate = {0};
                postern_rate_add(&rate, 7, start, window_ms);
                guint value = postern_rate_value(&rate, now, window_ms);
                g_assert_cmpuint(value, ==, now - start < POSTERN_RATE_SLOTS * slot_ms ? 7 : value);
                g_assert_true(now - start < longest(window_ms) || value == 0);
                postern_rate_add(&rate, 1, now, window_ms);
                g_assert_cmpuint(postern_rate_value(&rate, now, window_ms), ==, value + 1);
            }
    }
}

/* A clock that steps: back, it stands still until it has caught up; ahead, all is over. */
static void test_clock_steps(void)
{
    PosternRate rate = {0};
    const gint64 day = G_GINT64_CONSTANT(86400000);
    postern_rate_add(&rate, 5, 100 * day, 60000);
    g_assert_cmpuint(postern_rate_value(&rate, 0, 60000), ==, 5);
    postern_rate_add(&rate, 1, 0, 60000);
    g_assert_cmpuint(postern_rate_value(&rate, 100 * day + 59999, 60000), ==, 6);
    g_assert_cmpuint(postern_rate_value(&rate, 100 * day + 60000 + 7500, 60000), ==, 0);
    postern_rate_add(&rate, 3, 30000 * day, 60000);
    g_assert_cmpuint(postern_rate_value(&rate, 30000 * day, 60000), ==, 3);
    g_assert_cmpuint(postern_rate_value(&rate, G_MAXINT64, 60000), ==, 0);
    g_assert_cmpuint(postern_rate_value(&rate, G_MAXINT64, 1), ==, 0);
}

/* A machine that has been up for longer than its first slot: the first window is as exact as any. */
static void test_first_use(void)
{
    for (guint bits = 0; bits < 62; bits++) {
        const gint64 now = G_GINT64_CONSTANT(1) << bits;
        PosternRate rate = {0};
        g_assert_cmpuint(postern_rate_value(&rate, now, 1000), ==, 0);
        postern_rate_add(&rate, 2, now, 1000);
        g_assert_cmpuint(postern_rate_value(&rate, now, 1000), ==, 2);
        g_assert_cmpuint(postern_rate_value(&rate, now + 999, 1000), ==, 2);
        g_assert_cmpuint(postern_rate_value(&rate, now + 1125, 1000), ==, 0);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rate/bounds", test_bounds);
    g_test_add_func("/rate/limit", test_limit);
    g_test_add_func("/rate/clock-of-before", test_clock_of_before);
    g_test_add_func("/rate/maximum", test_maximum);
    g_test_add_func("/rate/long-silence", test_long_silence);
    g_test_add_func("/rate/clock-steps", test_clock_steps);
    g_test_add_func("/rate/first-use", test_first_use);
    return g_test_run();
}
