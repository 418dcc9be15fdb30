#include "screen_fixture.h"

/* What was accepted makes good: what is remembered is forgotten, and only new deeds count. */
static void test_good(void)
{
    Fixture fixture;
    start(&fixture, "[screen]\npause = unknown\ngreeting_pause = 4s\n");
    connect_as(&fixture, "192.0.2.1");
    g_assert_cmpuint(postern_screen_greeting_pause(&fixture.screen), ==, 4000);
    postern_screen_note(&fixture.screen, POSTERN_REASON_EARLY_TALKER, 1, NOW);
    g_assert_true(postern_screen_is_suspect(&fixture.screen));
    postern_screen_praise(&fixture.screen, NOW);
    g_assert_false(postern_screen_is_suspect(&fixture.screen));
    leave(&fixture);
    connect_as(&fixture, "192.0.2.1");
    g_assert_cmpuint(postern_screen_greeting_pause(&fixture.screen), ==, 0);
    leave(&fixture);
    finish(&fixture);
}

/* What no wanted client does ends that, also for its next connections; until mail is accepted again. */
static void test_good_is_lost(void)
{
    const guint ends = 1U << POSTERN_REASON_EARLY_TALKER | 1U << POSTERN_REASON_EARLY_DATA |
                       1U << POSTERN_REASON_PIPELINING | 1U << POSTERN_REASON_HELO_OURS |
                       1U << POSTERN_REASON_REFUSED_MESSAGE;
    for (guint reason = 0; reason < POSTERN_REASONS; reason++) {
        Fixture fixture;
        gboolean good = (ends & 1U << reason) == 0;
        start(&fixture, "[screen]\npause = unknown\ngreeting_pause = 4s\n");
        connect_as(&fixture, "192.0.2.1");
        postern_screen_praise(&fixture.screen, NOW);
        postern_screen_note(&fixture.screen, reason, 1, NOW);
        g_assert_cmpint(postern_screen_history(&fixture.screen).good, ==, good);
        leave(&fixture);
        connect_as(&fixture, "192.0.2.1");
        g_assert_cmpuint(postern_screen_greeting_pause(&fixture.screen), ==, good ? 0 : 4000);
        postern_screen_praise(&fixture.screen, NOW);
        g_assert_true(postern_screen_is_good(&fixture.screen));
        leave(&fixture);
        finish(&fixture);
    }
}

/* Whatever points a reason has. */
static void test_good_is_lost_without_points(void)
{
    Fixture fixture;
    start(&fixture, "[screen]\npoints = refused_message=0\n");
    connect_as(&fixture, "192.0.2.1");
    postern_screen_praise(&fixture.screen, NOW);
    postern_screen_note(&fixture.screen, POSTERN_REASON_REFUSED_MESSAGE, 1, NOW);
    g_assert_false(postern_screen_is_good(&fixture.screen));
    g_assert_null(postern_screen_reasons(&fixture.screen));
    g_assert_cmpuint(postern_screen_points(&fixture.screen), ==, 0);
    leave(&fixture);
    finish(&fixture);
}

/* What one connection of a client does holds for its others, from their next message on. */
static void test_other_connections(void)
{
    Fixture fixture;
    PosternScreenRefusal refusal;
    start(&fixture, "[screen]\nslow_from = 3\n");
    connect_as(&fixture, "192.0.2.1");
    postern_screen_praise(&fixture.screen, NOW);
    PosternScreen first = fixture.screen;
    connect_as(&fixture, "192.0.2.1");
    g_assert_true(postern_screen_is_good(&fixture.screen));
    postern_screen_note(&first, POSTERN_REASON_REFUSED_MESSAGE, 1, NOW);
    g_assert_false(postern_screen_refuses(&fixture.screen, POSTERN_COUNT_MESSAGES, NOW, &refusal));
    g_assert_false(postern_screen_is_good(&fixture.screen));
    g_assert_true(postern_screen_is_slowed(&fixture.screen));
    g_autofree char *reasons = postern_screen_reasons(&fixture.screen);
    g_assert_cmpstr(reasons, ==, "refused_message");
    postern_screen_praise(&first, NOW);
    g_assert_false(postern_screen_refuses(&fixture.screen, POSTERN_COUNT_RECIPIENTS, NOW, &refusal));
    g_assert_true(postern_screen_is_good(&fixture.screen) && !postern_screen_is_slowed(&fixture.screen));
    postern_screen_ends(&first, &fixture.peer, NOW);
    leave(&fixture);
    finish(&fixture);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/screen-standing/good", test_good);
    g_test_add_func("/screen-standing/good-is-lost", test_good_is_lost);
    g_test_add_func("/screen-standing/good-is-lost-without-points", test_good_is_lost_without_points);
    g_test_add_func("/screen-standing/other-connections", test_other_connections);
    return g_test_run();
}
