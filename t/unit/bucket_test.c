#include "proxy/screen/bucket.h"

#define NOW 5000
#define THREADS 4
#define ROUNDS 50000

/* A second's worth at once, and then as fast as the rate. */
static void test_rate(void)
{
    PosternBucket bucket = {0};
    g_assert_cmpint(postern_bucket_take(&bucket, 1000, 1000, NOW), ==, 0);
    g_assert_cmpint(postern_bucket_take(&bucket, 1, 1000, NOW), ==, 1);
    g_assert_cmpint(postern_bucket_take(&bucket, 499, 1000, NOW), ==, 500);
    g_assert_cmpint(postern_bucket_take(&bucket, 0, 1000, NOW), ==, 500);
    g_assert_cmpint(postern_bucket_take(&bucket, 0, 1000, NOW + 500), ==, 0);
    g_assert_cmpint(postern_bucket_take(&bucket, 2048, 1000, NOW + 500), ==, 2048);
    g_assert_cmpint(postern_bucket_take(&bucket, 1500, 1000, NOW + 100000), ==, 500); /* no more than that */
    g_assert_cmpint(postern_bucket_take(&bucket, 1 << 30, 0, NOW), ==, 0);
}

/* Whatever is taken over an hour, by whom, comes at the rate. */
static void test_long_run(void)
{
    PosternBucket bucket = {0};
    gint64 now = NOW;
    guint64 taken = 0;
    while (now < NOW + 3600 * 1000) {
        guint octets = (guint)g_test_rand_int_range(1, 70000);
        taken += octets;
        now += postern_bucket_take(&bucket, octets, 12345, now);
        now += g_test_rand_int_range(0, 10);
    }
    g_assert_cmpuint(taken, <=, 12345 * 3601 + 70000);
    g_assert_cmpuint(taken, >=, 12345 * 3590);
}

static gpointer take(gpointer bucket)
{
    for (guint i = 0; i < ROUNDS; i++)
        (void)postern_bucket_take(bucket, 100, 1000, NOW);
    return NULL;
}

static void test_threads(void)
{
    PosternBucket bucket = {0};
    GThread *threads[THREADS];
    for (guint i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("take", take, &bucket);
    for (guint i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
    g_assert_cmpint(postern_bucket_take(&bucket, 0, 1000, NOW), ==, THREADS * ROUNDS * 100 - 1000);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/bucket/rate", test_rate);
    g_test_add_func("/bucket/long-run", test_long_run);
    g_test_add_func("/bucket/threads", test_threads);
    return g_test_run();
}
