#include "base/counters.h"

#include <string.h>

#include "base/limits.h"

#define THREADS 8
#define TIMES 20000

static gpointer count(gpointer data)
{
    PosternCounters *counters = data;
    for (guint i = 0; i < TIMES; i++) {
        postern_counters_add(counters, "messages", i % 2 == 0 ? "accept" : "reject", 1);
        postern_counters_add(counters, "octets", NULL, 1000);
    }
    return NULL;
}

static void test_threads(void)
{
    g_autoptr(PosternCounters) counters = postern_counters_new();
    GThread *threads[THREADS];
    for (guint i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("count", count, counters);
    for (guint i = 0; i < THREADS; i++)
        g_thread_join(threads[i]);
    g_assert_cmpuint(postern_counters_read(counters, "messages", "accept"), ==, THREADS * TIMES / 2);
    g_assert_cmpuint(postern_counters_read(counters, "messages", "reject"), ==, THREADS * TIMES / 2);
    g_assert_cmpuint(postern_counters_read(counters, "octets", NULL), ==,
                     G_GUINT64_CONSTANT(1000) * THREADS * TIMES);
    g_assert_cmpuint(postern_counters_read(counters, "messages", NULL), ==, 0);
    g_assert_cmpuint(postern_counters_read(counters, "octets", "accept"), ==, 0);
}

static void write_down(const char *name, const char *label, guint64 sum, gpointer user_data)
{
    g_string_append_printf(user_data, "%s %s %" G_GUINT64_FORMAT "\n", name, label, sum);
}

static void test_each(void)
{
    g_autoptr(PosternCounters) counters = postern_counters_new();
    g_autoptr(GString) text = g_string_new(NULL);
    char name[] = "b";
    postern_counters_add(counters, name, "y", 1);
    postern_counters_add(counters, name, NULL, 2);
    postern_counters_add(counters, name, "x", 3);
    postern_counters_add(counters, "a", "z", 0);
    postern_counters_add(counters, name, "y", G_MAXUINT32);
    name[0] = '?'; /* it was copied */
    postern_counters_each(counters, write_down, text);
    g_assert_cmpstr(text->str, ==, "a z 0\nb  2\nb x 3\nb y 4294967296\n");
    postern_counters_add(NULL, "a", "z", 1);
}

/* A place is its counter's, and stays it. */
static void test_places(void)
{
    g_autoptr(PosternCounters) counters = postern_counters_new();
    guint place = postern_counters_place(counters, "b", "x");
    g_assert_cmpuint(place, <, POSTERN_COUNTERS_MAX);
    postern_counters_add(counters, "b", "x", 3);
    postern_counters_add_at(counters, place, 2);
    postern_counters_add_at(counters, place, (guint64)-1);
    g_assert_cmpuint(postern_counters_place(counters, "b", "x"), ==, place);
    g_assert_cmpuint(postern_counters_place(counters, "b", NULL), !=, place);
    g_assert_cmpuint(postern_counters_read(counters, "b", "x"), ==, 4);
    g_assert_cmpuint(postern_counters_read(counters, "b", NULL), ==, 0);
    postern_counters_add_at(counters, POSTERN_COUNTERS_MAX, 1);
    postern_counters_add_at(NULL, place, 1);
    g_assert_cmpuint(postern_counters_read(counters, "b", "x"), ==, 4);
}

static void note_most(const char *name, const char *label, guint64 sum, gpointer user_data)
{
    guint *found = user_data;
    *found += g_str_equal(name, "many") && sum == strlen(label);
}

/* More than there may be: those that are there stay right. */
static void test_full(void)
{
    g_autoptr(PosternCounters) counters = postern_counters_new();
    guint found = 0;
    for (guint i = 1; i < 3 * POSTERN_COUNTERS_MAX; i++) {
        g_autofree char *label = g_strnfill(i, 'x');
        postern_counters_add(counters, "many", label, i);
    }
    postern_counters_each(counters, note_most, &found);
    g_assert_cmpuint(found, ==, POSTERN_COUNTERS_MAX);
    g_assert_cmpuint(postern_counters_place(counters, "more", NULL), ==, POSTERN_COUNTERS_MAX);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/counters/threads", test_threads);
    g_test_add_func("/counters/each", test_each);
    g_test_add_func("/counters/places", test_places);
    g_test_add_func("/counters/full", test_full);
    return g_test_run();
}
