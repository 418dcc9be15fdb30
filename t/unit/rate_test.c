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

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rate/bounds", test_bounds);
    g_test_add_func("/rate/limit", test_limit);
    g_test_add_func("/rate/clock-of-before", test_clock_of_before);
    g_test_add_func("/rate/maximum", test_maximum);
    return g_test_run();
}
