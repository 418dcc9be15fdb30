#include "proxy/screen/pace.h"

#include <string.h>

#define NOW 1000

static const char text[] = "220 hello\r\n";
#define LENGTH (sizeof text - 1)

static char *last;

/* One octet each time, none too early, none twice. */
static void test_trickle(void)
{
    PosternPace *pace = postern_pace_new(text, LENGTH, NOW + 500, (PosternTrickle){100, 1}, &last);
    g_autoptr(GString) heard = g_string_new(NULL);
    gboolean done = FALSE;
    g_assert_cmpuint(postern_pace_due(pace, NOW), ==, 0);
    g_assert_cmpuint(postern_pace_due(pace, NOW + 499), ==, 0);
    for (gint64 now = NOW + 500; !done; now += 50) {
        gsize due = postern_pace_due(pace, now);
        g_assert_cmpuint(due, ==, (now - NOW) % 100 == 0 ? 1 : 0);
        g_string_append_len(heard, postern_pace_octets(pace), (gssize)due);
        if (due > 0)
            done = postern_pace_is_done_after(pace, due, now);
    }
    g_assert_cmpstr(heard->str, ==, text);
    postern_pace_free(pace);
}

/* Who could not take them in time does not get them at once then. */
static void test_late(void)
{
    PosternPace *pace = postern_pace_new(text, LENGTH, NOW, (PosternTrickle){100, 1}, &last);
    g_assert_cmpuint(postern_pace_due(pace, NOW + 350), ==, 4);
    g_assert_false(postern_pace_is_done_after(pace, 1, NOW + 350));
    g_assert_cmpuint(postern_pace_due(pace, NOW + 449), ==, 0);
    g_assert_cmpuint(postern_pace_due(pace, NOW + 450), ==, 1);
    g_assert_cmpuint(postern_pace_due(pace, NOW + 1000000), ==, LENGTH - 1);
    postern_pace_free(pace);
}

/* Some octets at a time, when all of it must not take so long. */
static void test_pieces(void)
{
    PosternPace *pace = postern_pace_new(text, LENGTH, NOW, (PosternTrickle){100, 4}, &last);
    g_assert_cmpuint(postern_pace_due(pace, NOW), ==, 4);
    g_assert_false(postern_pace_is_done_after(pace, 4, NOW));
    g_assert_cmpuint(postern_pace_due(pace, NOW + 99), ==, 0);
    g_assert_cmpuint(postern_pace_due(pace, NOW + 100), ==, 4);
    g_assert_false(postern_pace_is_done_after(pace, 3, NOW + 100));
    g_assert_cmpuint(postern_pace_due(pace, NOW + 199), ==, 0);
    g_assert_cmpuint(postern_pace_due(pace, NOW + 200), ==, 4);
    postern_pace_set(pace, (PosternTrickle){50, 1});
    g_assert_cmpuint(postern_pace_due(pace, NOW + 200), ==, 1);
    g_assert_true(postern_pace_is_done_after(pace, 4, NOW + 500));
    postern_pace_free(pace);
}

/* Nothing could leave at the very moment that it was due. */
static void test_stuck(void)
{
    PosternPace *pace = postern_pace_new(text, LENGTH, NOW, (PosternTrickle){100, 1}, &last);
    g_assert_cmpuint(postern_pace_due(pace, NOW), ==, 1);
    g_assert_false(postern_pace_is_done_after(pace, 0, NOW));
    g_assert_cmpint(pace->next, ==, NOW + 100);
    postern_pace_free(pace);
}

static void test_whole(void)
{
    PosternPace *pace = postern_pace_new(text, LENGTH, NOW + 5, (PosternTrickle){0, 1}, &last);
    g_assert_cmpuint(postern_pace_due(pace, NOW), ==, 0);
    g_assert_true(postern_pace_append(pace, text, LENGTH));
    g_assert_cmpuint(postern_pace_due(pace, NOW + 5), ==, 2 * LENGTH);
    g_assert_cmpmem(postern_pace_octets(pace) + LENGTH, LENGTH, text, LENGTH);
    g_assert_true(postern_pace_is_done_after(pace, 2 * LENGTH, NOW + 5));
    postern_pace_free(pace);
}

static void test_too_many(void)
{
    g_autofree char *many = g_strnfill(70000, 'x');
    g_assert_null(postern_pace_new(many, 70000, NOW, (PosternTrickle){1, 1}, &last));
    PosternPace *pace = postern_pace_new(many, 60000, NOW, (PosternTrickle){1, 1}, &last);
    g_assert_false(postern_pace_append(pace, many, 6000));
    g_assert_cmpuint(postern_pace_size(pace), ==, sizeof *pace);
    postern_pace_free(pace);
}

/* Those who hear the same share it, and it goes with the last of them. */
static void test_shared(void)
{
    g_autofree char *reply = g_strnfill(200, 'x');
    PosternPace *one = postern_pace_new(reply, 200, NOW, (PosternTrickle){10, 1}, &last);
    PosternPace *other = postern_pace_new(reply, 200, NOW, (PosternTrickle){10, 1}, &last);
    g_assert_true(postern_pace_octets(one) == postern_pace_octets(other));
    g_assert_cmpuint(postern_pace_size(one), ==, sizeof *one);
    gpointer memory[sizeof *one / sizeof(gpointer)];
    one = postern_pace_move(one, memory, TRUE);
    reply[0] = 'y';
    PosternPace *third = postern_pace_new(reply, 200, NOW, (PosternTrickle){10, 1}, &last);
    g_assert_cmpmem(postern_pace_octets(third), 200, reply, 200);
    reply[0] = 'x';
    g_assert_cmpmem(postern_pace_octets(one), 200, reply, 200);
    postern_pace_clear(one);
    postern_pace_free(third);
    g_assert_cmpmem(postern_pace_octets(other), 200, reply, 200);
    postern_pace_free(other);
    g_clear_pointer(&last, g_ref_string_release);
}

/* What is due at almost the same time is looked after at once, and nothing too early. */
static void test_deadline(void)
{
    for (gint64 now = NOW; now < NOW + 100; now++) {
        PosternPace *pace = postern_pace_new(text, LENGTH, now, (PosternTrickle){0, 1}, &last);
        g_assert_cmpint(postern_pace_deadline(pace), >=, now);
        g_assert_cmpint(postern_pace_deadline(pace), <, now + 20);
        g_assert_cmpint(postern_pace_deadline(pace) % 20, ==, 0);
        postern_pace_free(pace);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/pace/trickle", test_trickle);
    g_test_add_func("/pace/late", test_late);
    g_test_add_func("/pace/pieces", test_pieces);
    g_test_add_func("/pace/stuck", test_stuck);
    g_test_add_func("/pace/whole", test_whole);
    g_test_add_func("/pace/too-many", test_too_many);
    g_test_add_func("/pace/shared", test_shared);
    g_test_add_func("/pace/deadline", test_deadline);
    int status = g_test_run();
    g_clear_pointer(&last, g_ref_string_release);
    return status;
}
