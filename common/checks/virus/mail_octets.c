#include "checks/virus/mail_octets.h"

#include <string.h>

/* Its signatures for mail libclamav looks for in what begins with a field that it knows; this it does. */
static const char mark[] = "Received: by localhost\r\n";

/* What is cut is longer than mark: mail that is no shorter than the message has all of it. */
#define RUN_MAX_OCTETS (POSTERN_VIRUS_BASE64_BEGIN_OCTETS + POSTERN_VIRUS_BASE64_END_OCTETS + sizeof mark)

static gboolean is_base64(const char *line, gsize length)
{
    static const guint8 other[G_MAXUINT8 + 1] = {
        [0 ... '+' - 1] = 1,       ['+' + 1 ... '/' - 1] = 1, ['9' + 1 ... '=' - 1] = 1,
        ['=' + 1 ... 'A' - 1] = 1, ['Z' + 1 ... 'a' - 1] = 1, ['z' + 1 ... G_MAXUINT8] = 1,
    };
    guint8 found = 0;
    if (length > 0 && line[length - 1] == '\r')
        length--;
    if (length == 0)
        return FALSE;
    for (gsize i = 0; i < length; i++)
        found |= other[(guchar)line[i]];
    return found == 0;
}

/* The end of the run of base64 lines that begins at start, which is start if there is none. Its lines end. */
static gsize end_of_run(const char *octets, gsize length, gsize start)
{
    for (;;) {
        const char *newline = memchr(octets + start, '\n', length - start);
        if (newline == NULL || !is_base64(octets + start, (gsize)(newline - octets) - start))
            return start;
        start = (gsize)(newline - octets) + 1;
    }
}

GBytes *postern_virus_mail_octets(const char *octets, gsize length, gboolean cut)
{
    gsize used = strlen(mark), copied = 0;
    char *out = g_try_malloc(used + length);
    if (out == NULL)
        return NULL;
    memcpy(out, mark, used);
    for (gsize at = 0; cut && length - at > RUN_MAX_OCTETS;) {
        gsize end = end_of_run(octets, length, at);
        if (end - at > RUN_MAX_OCTETS) {
            gsize kept = at + POSTERN_VIRUS_BASE64_BEGIN_OCTETS - copied;
            memcpy(out + used, octets + copied, kept);
            used += kept;
            copied = end - POSTERN_VIRUS_BASE64_END_OCTETS;
        }
        const char *newline = memchr(octets + end, '\n', length - end);
        at = newline != NULL ? (gsize)(newline - octets) + 1 : length;
    }
    memcpy(out + used, octets + copied, length - copied);
    return g_bytes_new_take(out, used + length - copied);
}
