/*
 * Days as people write them on a command line.
 */
#pragma once

#include <glib.h>

#define POSTERN_DAY_FORM "YYYY-MM-DD, today or yesterday"

/* The start, in zone, of the day that text names: POSTERN_DAY_FORM. NULL: it is none. The caller unrefs it.
 */
GDateTime *postern_day_parse(const char *text, GTimeZone *zone);
