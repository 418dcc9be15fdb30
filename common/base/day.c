#include "base/day.h"

#include <string.h>

#define FORM "0000-00-00"

GDateTime *postern_day_parse(const char *text, GTimeZone *zone)
{
    gboolean yesterday = g_str_equal(text, "yesterday");
    if (yesterday || g_str_equal(text, "today")) {
        g_autoptr(GDateTime) now = g_date_time_new_now(zone);
        g_autoptr(GDateTime) start =
            g_date_time_new(zone, g_date_time_get_year(now), g_date_time_get_month(now),
                            g_date_time_get_day_of_month(now), 0, 0, 0);
        return yesterday ? g_date_time_add_days(start, -1) : g_steal_pointer(&start);
    }
    for (gsize i = 0; i <= strlen(FORM); i++) /* ISO 8601 has others, such as weeks */
        if (FORM[i] == '0' ? !g_ascii_isdigit(text[i]) : text[i] != FORM[i])
            return NULL;
    g_autofree char *moment = g_strconcat(text, "T00:00:00", NULL);
    return g_date_time_new_from_iso8601(moment, zone);
}
