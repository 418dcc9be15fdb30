/* The window that threads share, beside the one that they do not. */
#include "proxy/screen/shared_rate.h"

#define NOW 1000000
#define THREADS 8
#define ROUNDS 20000
#define LIMIT 1234
#define WINDOW_MS 60000

static const guint windows[] = {1000, 1001, 1007, 60000, 3600000};

/* Bursts, steady traffic, and silences of up to three windows. */
static gint64 next_time(gint64 now, guint window_ms)
{
    static const double parts[] = {0, 0, 0.001, 0.01, 0.1, 1, 3};
    double part = parts[g_test_rand_int_range(0, G_N_ELEMENTS(parts))];
    return now + (gint64)g_test_rand_double_range(0, window_ms * part + 1);
}

/* One thread: the same numbers; what did not happen is not there any more. */
static void test_same(void)
{
    for (guint trace = 0; trace < 500; trace++) {
        const guint window_ms = windows[trace % G_N_ELEMENTS(windows)];
        PosternSharedRate shared = {0};
        PosternRate rate = {0};
        gint64 now = g_test_rand_int_range(0, G_MAXINT32);
        for (guint i = 0; i < 400; i++) {
            now = next_time(now, window_ms);
            g_assert_cmpuint(postern_shared_rate_value(&shared, now, window_ms), ==,
                             postern_rate_value(&rate, now, window_ms));
            guint number = (guint)g_test_rand_int_range(1, 5);
            postern_shared_rate_add(&shared, number, now, window_ms);
            postern_rate_add(&rate, number, now, window_ms);
            if (!postern_shared_rate_take(&shared, postern_rate_value(&rate, now, window_ms) + 1, now,
                                          window_ms))
                g_assert_not_reached();
            postern_shared_rate_give_back(&shared, now, window_ms);
        }
    }
}

/* A limit holds in each window, and is reached. */
static void test_limit(void)
{
    for (guint trace = 0; trace < 200; trace++) {
        const guint window_ms = windows[trace % G_N_ELEMENTS(windows)];
        const guint64 limit = (guint64)g_test_rand_int_range(0, 40);
        g_autoptr(GArray) taken = g_array_new(FALSE, FALSE, sizeof(gint64));
        PosternSharedRate shared = {0};
        gint64 now = g_test_rand_int_range(0, G_MAXINT32);
        for (guint i = 0; i < 400; i++) {
            now = next_time(now, window_ms);
            guint in_window = 0, in_longest = 0;
            for (guint j = 0; j < taken->len; j++) {
                in_window += g_array_index(taken, gint64, j) > now - window_ms;
                in_longest += g_array_index(taken, gint64, j) > now - window_ms / 8 * 9 - 9;
            }
            g_assert_cmpuint(in_window, <=, limit);
            gboolean allowed = postern_shared_rate_take(&shared, limit, now, window_ms);
            g_assert_false(allowed && in_window >= limit);
            g_assert_true(allowed || in_longest >= limit);
            if (allowed)
                g_array_append_val(taken, now);
        }
    }
}

typedef struct {
    PosternSharedRate *rate;
    gint *allowed;
} Asking;

static gpointer ask(gpointer data)
{
    const Asking *asking = data;
    for (guint i = 0; i < ROUNDS; i++)
        if (postern_shared_rate_take(asking->rate, LIMIT, NOW + i / 100, WINDOW_MS))
            g_atomic_int_inc(asking->allowed);
    return NULL;
}

/* As many as the limit says, whatever the threads, and whoever's clock is ahead. */
static void test_threads(void)
{
    GThread *threads[THREADS];
    PosternSharedRate rate = {0};
    gint allowed = 0;
    Asking asking = {&rate, &allowed};
    for (guint i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("asking", ask, &asking);
    for (guint i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
    g_assert_cmpint(allowed, <=, LIMIT);
    g_assert_cmpint(allowed, >=, LIMIT - THREADS);
    while (postern_shared_rate_take(&rate, LIMIT, NOW + ROUNDS / 100, WINDOW_MS))
        allowed++;
    g_assert_cmpint(allowed, ==, LIMIT);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shared-rate/same", test_same);
    g_test_add_func("/shared-rate/limit", test_limit);
    g_test_add_func("/shared-rate/threads", test_threads);
    return g_test_run();
}
