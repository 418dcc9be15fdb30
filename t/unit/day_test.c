#include "base/day.h"

static void test_days(void)
{
    static const char *const none[] = {"",           "tomorrow",   "2026-12-1",           "2026-13-01",
                                       "2026-02-30", "12/01/2026", "2026-12-01T00:00:00", "Today",
                                       "2026-W49-2"};
    g_autoptr(GTimeZone) zone = g_time_zone_new_utc();
    g_autoptr(GTimeZone) other = g_time_zone_new_identifier("+02:00");
    g_autoptr(GDateTime) day = postern_day_parse("2026-12-01", zone);
    g_autoptr(GDateTime) elsewhere = postern_day_parse("2026-12-01", other);
    g_assert_cmpint(g_date_time_to_unix(day), ==, 1796083200);
    g_assert_cmpint(g_date_time_to_unix(elsewhere), ==, 1796083200 - 2 * 3600);
    for (gsize i = 0; i < G_N_ELEMENTS(none); i++)
        g_assert_null(postern_day_parse(none[i], zone));
}

static void test_relative_days(void)
{
    g_autoptr(GTimeZone) zone = g_time_zone_new_utc();
    gint64 before = g_get_real_time() / G_USEC_PER_SEC;
    g_autoptr(GDateTime) yesterday = postern_day_parse("yesterday", zone);
    g_autoptr(GDateTime) today = postern_day_parse("today", zone);
    gint64 after = g_get_real_time() / G_USEC_PER_SEC;
    g_assert_cmpint(g_date_time_to_unix(today) % 86400, ==, 0);
    g_assert_cmpint(g_date_time_to_unix(today), >=, before - 86400);
    g_assert_cmpint(g_date_time_to_unix(today), <=, after);
    if (before / 86400 == after / 86400)
        g_assert_cmpint(g_date_time_to_unix(today) - g_date_time_to_unix(yesterday), ==, 86400);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/day/days", test_days);
    g_test_add_func("/day/relative_days", test_relative_days);
    return g_test_run();
}
