#include "wire/line.h"

#include <string.h>

#define LINE_OCTETS 64 /* that most are shorter than */

void postern_line_reader_init(PosternLineReader *reader, gsize maximum)
{
    *reader = (PosternLineReader){.maximum = maximum};
}

void postern_line_reader_clear(PosternLineReader *reader)
{
    if (reader->partial != NULL)
        g_string_free(reader->partial, TRUE);
    postern_line_reader_init(reader, reader->maximum);
}

gboolean postern_line_reader_is_between_lines(const PosternLineReader *reader)
{
    return reader->partial == NULL || reader->ended;
}

static void append(PosternLineReader *reader, const char *octets, gsize length)
{
    gsize capacity = reader->maximum > 2 ? reader->maximum - 2 : 0;
    gsize room = capacity > reader->partial->len ? capacity - reader->partial->len : 0;

    if (length > room) {
        reader->too_long = TRUE;
        length = room;
    }
    if (memchr(octets, '\0', length) != NULL)
        reader->bare = TRUE;
    g_string_append_len(reader->partial, octets, (gssize)length);
}

/* How far ahead an end is looked for: hostile octets must not have the same ones read again and again. */
#define AHEAD_MAX_OCTETS 512

/* The octets before the first CR or LF, at most AHEAD_MAX_OCTETS. */
static gsize text_run(const char *data, gsize length)
{
    gsize ahead = MIN(length, AHEAD_MAX_OCTETS);
    const char *end = memchr(data, '\n', ahead);

    ahead = end != NULL ? (gsize)(end - data) : ahead;
    end = memchr(data, '\r', ahead);
    return end != NULL ? (gsize)(end - data) : ahead;
}

/* Takes octets up to the end of the line; TRUE if that was met. */
static gboolean take(PosternLineReader *reader, const char *data, gsize length, gsize *ret_consumed)
{
    gsize at = 0;

    while (at < length) {
        if (data[at] == '\n') {
            reader->newline = reader->newline || !reader->carriage;
            *ret_consumed = at + 1;
            return TRUE;
        }
        if (reader->carriage) {
            append(reader, "\r", 1);
            reader->newline = TRUE;
        }
        reader->carriage = data[at] == '\r';
        if (reader->carriage) {
            at++;
        } else {
            gsize run = text_run(data + at, length - at);

            append(reader, data + at, run);
            at += run;
        }
    }
    *ret_consumed = at;
    return FALSE;
}

static PosternLineStatus status(const PosternLineReader *reader)
{
    if (reader->bare || reader->newline)
        return POSTERN_LINE_BARE;
    return reader->too_long ? POSTERN_LINE_TOO_LONG : POSTERN_LINE_OK;
}

int postern_line_reader_next(PosternLineReader *reader, const char *data, gsize length, gsize *ret_consumed,
                             const char **ret_line, gsize *ret_length, PosternLineStatus *ret_status)
{
    *ret_consumed = 0;
    if (reader->ended && length == 0)
        postern_line_reader_clear(reader);
    if (length == 0)
        return 0;
    if (reader->ended) {
        g_string_truncate(reader->partial, 0);
        reader->carriage = reader->too_long = reader->bare = reader->newline = reader->ended = FALSE;
    }
    if (reader->partial == NULL)
        reader->partial = g_string_sized_new(LINE_OCTETS);
    if (!take(reader, data, length, ret_consumed))
        return 0;

    reader->ended = TRUE;
    *ret_line = reader->partial->str;
    *ret_length = reader->partial->len;
    *ret_status = status(reader);
    return 1;
}
