#include "checks/virus/uuencode.h"

#include <string.h>

static const char begin[] = "begin ";
#define DATA_MAX_OCTETS 62 /* that one line holds; more libclamav takes for none */

static gboolean begins_file(const char *line, gsize length)
{
    return length > strlen(begin) && line[0] == begin[0] &&
           g_ascii_strncasecmp(line, begin, strlen(begin)) == 0;
}

/* A first letter that says how many octets there are, and letters for as many. */
static gboolean is_data(const char *line, gsize length)
{
    guint octets = length > 0 ? ((guchar)line[0] - ' ') & 0x3f : 0;
    while (length > 0 && line[length - 1] == '\r')
        length--;
    return octets > 0 && octets <= DATA_MAX_OCTETS && length > octets && !begins_file(line, length);
}

static gsize line_length(const char *octets, gsize length)
{
    const char *newline = memchr(octets, '\n', length);
    return newline != NULL ? (gsize)(newline - octets) : length;
}

void postern_virus_uuencode_hide(char *octets, gsize length, guint64 *work)
{
    char *waiting = NULL; /* the line before, which begins a file */
    for (gsize at = 0; at < length;) {
        gsize line = line_length(octets + at, length - at);
        if (waiting != NULL && !is_data(octets + at, line))
            *waiting = 'B';
        waiting = begins_file(octets + at, line) ? octets + at : NULL;
        at += line + 1;
    }
    if (waiting != NULL)
        *waiting = 'B';
    if (work != NULL)
        *work += length;
}
