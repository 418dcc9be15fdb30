#include "checks/content/boundaries.h"

#include <string.h>

GArray *postern_boundaries_find(const char *octets, gsize length)
{
    GArray *dashes = g_array_new(FALSE, FALSE, sizeof(gsize));
    const char *end = octets + length;
    const char *at = octets;
    while (at < end && (at = memchr(at, '-', (gsize)(end - at))) != NULL) {
        gsize place = (gsize)(at - octets);
        gboolean begins = place == 0 || octets[place - 1] == '\n' || octets[place - 1] == '\r';
        if (begins && end - at >= 2 && at[1] == '-')
            g_array_append_val(dashes, place);
        while (at < end && *at == '-')
            at++;
    }
    return dashes;
}

guint postern_boundaries_behind(const GArray *dashes, gsize place)
{
    guint low = 0, high = dashes->len;
    while (low < high) {
        guint middle = low + (high - low) / 2;
        if (g_array_index(dashes, gsize, middle) < place)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

gsize postern_boundaries_before_line_end(const char *octets, gsize start, gsize place)
{
    gsize end = place;
    if (end > start && octets[end - 1] == '\n')
        end--;
    if (end > start && octets[end - 1] == '\r')
        end--;
    return end;
}

/* What stands behind the boundary in its line. TRUE: nothing but what may. */
static gboolean read_rest(const char *octets, gsize at, gsize end, PosternBoundary *line)
{
    line->closes = end - at >= 2 && octets[at] == '-' && octets[at + 1] == '-';
    at += line->closes ? 2 : 0;
    while (at < end && (octets[at] == ' ' || octets[at] == '\t'))
        at++;
    gboolean strict =
        at == end || octets[at] == '\n' || (end - at >= 2 && octets[at] == '\r' && octets[at + 1] == '\n');
    const char *newline = memchr(octets + at, '\n', end - at);
    gsize line_end = newline != NULL ? (gsize)(newline - octets) : end;
    const char *bare = memchr(octets + at, '\r', line_end - at);
    gsize bare_end = bare != NULL ? (gsize)(bare - octets) : line_end;
    line->next = MIN(bare_end + 1 < line_end ? bare_end + 1 : line_end + 1, end);
    return strict;
}

GArray *postern_boundaries_of(const char *octets, gsize start, gsize end, const GArray *dashes,
                              const char *boundary, gboolean loose, gboolean *ret_loose, guint64 *work)
{
    GArray *found = g_array_new(FALSE, FALSE, sizeof(PosternBoundary));
    gsize length = strlen(boundary);
    *ret_loose = FALSE;
    for (guint i = postern_boundaries_behind(dashes, start); i < dashes->len; i++) {
        gsize place = g_array_index(dashes, gsize, i);
        gsize behind = place + 2 + length;
        ++*work;
        if (behind > end)
            break;
        if (memcmp(octets + place + 2, boundary, length) != 0)
            continue;
        PosternBoundary line = {.end = postern_boundaries_before_line_end(octets, start, place)};
        gboolean strict =
            read_rest(octets, behind, end, &line) && (place == start || octets[place - 1] == '\n');
        *ret_loose = *ret_loose || !strict;
        if (strict || loose)
            g_array_append_val(found, line);
    }
    return found;
}
