#include "mail/lines.h"

#include <string.h>

#include "base/limits.h"

struct PosternLines {
    PosternMessage *message; /* NULL: nothing yet, or failed */
    guint64 size;
    GError *error;
    char last;
    gsize held; /* octets in buffer */
    char buffer[POSTERN_MESSAGE_CHUNK_OCTETS];
};

PosternLines *postern_lines_new(void)
{
    return g_new0(PosternLines, 1);
}

void postern_lines_free(PosternLines *lines)
{
    if (lines == NULL)
        return;
    postern_message_unref(lines->message);
    g_clear_error(&lines->error);
    g_free(lines);
}

guint64 postern_lines_size(const PosternLines *lines)
{
    return lines->size;
}

static void flush(PosternLines *lines)
{
    if (lines->error == NULL && lines->message == NULL)
        lines->message = postern_message_new(POSTERN_MESSAGE_MAX_OCTETS, NULL, &lines->error);
    if (lines->error == NULL &&
        !postern_message_append(lines->message, lines->buffer, lines->held, &lines->error))
        g_clear_pointer(&lines->message, postern_message_unref);
    lines->held = 0;
}

static void put(PosternLines *lines, const char *octets, gsize length)
{
    while (length > 0) {
        gsize part = MIN(length, sizeof lines->buffer - lines->held);
        memcpy(lines->buffer + lines->held, octets, part);
        lines->held += part;
        octets += part;
        length -= part;
        if (lines->held == sizeof lines->buffer)
            flush(lines);
    }
}

void postern_lines_add(PosternLines *lines, const char *octets, gsize length)
{
    const char *start = octets;
    const char *end = octets + length;
    while (start < end && lines->error == NULL) {
        const char *newline = memchr(start, '\n', (gsize)(end - start));
        const char *stop = newline != NULL ? newline : end;
        char before = stop > start ? stop[-1] : lines->last;
        gsize added = newline == NULL ? 0 : before == '\r' ? 1 : 2;
        put(lines, start, (gsize)(stop - start));
        put(lines, added == 1 ? "\n" : "\r\n", added);
        lines->size += (gsize)(stop - start) + added;
        lines->last = newline != NULL ? '\n' : before;
        start = newline != NULL ? newline + 1 : end;
    }
}

PosternMessage *postern_lines_end(PosternLines *lines, GError **error)
{
    flush(lines);
    g_autoptr(PosternMessage) message = g_steal_pointer(&lines->message);
    gboolean whole = lines->error == NULL;
    if (!whole)
        g_propagate_error(error, g_steal_pointer(&lines->error));
    lines->size = 0;
    lines->last = '\0';
    return whole && postern_message_seal(message, error) ? g_steal_pointer(&message) : NULL;
}
