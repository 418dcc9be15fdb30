/*
 * Mailboxes: the same messages in any pieces, those that a plain reading line by line gives, and what is
 * written as mboxrd comes back as it was.
 */
#include "mail/mbox.h"

#include <string.h>

#include "split.h"

static void on_octets(const char *octets, gsize length, gpointer user_data)
{
    g_assert(length > 0);
    g_string_append_len(user_data, octets, (gssize)length);
}

/* A message behind its length. */
static void add_message(GString *all, GString *message)
{
    g_string_append_printf(all, "%zu:", message->len);
    g_string_append_len(all, message->str, (gssize)message->len);
    g_string_truncate(message, 0);
}

/* All of them. */
static GString *read_all(const char *data, gsize size, guint32 seed)
{
    GString *all = g_string_new(NULL), *message = g_string_new(NULL);
    Split split = split_new(data, size, seed);
    PosternMbox mbox;
    char *piece;
    gsize length;

    postern_mbox_init(&mbox);
    while ((piece = split_next(&split, &length)) != NULL) {
        for (gsize at = 0; at < length;) {
            gboolean ended = FALSE;
            gsize taken = postern_mbox_feed(&mbox, piece + at, length - at, on_octets, message, &ended);

            g_assert(taken > 0 && taken <= length - at && (ended || taken == length - at));
            at += taken;
            if (ended)
                add_message(all, message);
        }
        g_free(piece);
    }
    if (postern_mbox_finish(&mbox, on_octets, message))
        add_message(all, message);
    g_string_free(message, TRUE);
    return all;
}

static gboolean is_empty(const char *line, gsize length)
{
    return (length == 1 && line[0] == '\n') || (length == 2 && line[0] == '\r' && line[1] == '\n');
}

/* The same, of whole lines. */
static GString *read_lines(const char *data, gsize size)
{
    GString *all = g_string_new(NULL), *message = g_string_new(NULL);
    const char *empty = NULL, *end = data + size;
    gsize empty_length = 0;
    gboolean begun = FALSE, separates = TRUE;

    for (const char *line = data, *next; line < end; line = next) {
        const char *newline = memchr(line, '\n', (gsize)(end - line));
        gsize quotes = 0;

        next = newline ? newline + 1 : end;
        while (line + quotes < next && line[quotes] == '>')
            quotes++;
        gboolean mark = next - line - (gssize)quotes >= 5 && memcmp(line + quotes, "From ", 5) == 0;

        if (mark && quotes == 0 && separates) {
            if (begun)
                add_message(all, message);
            begun = TRUE;
            empty_length = 0;
            separates = FALSE;
            continue;
        }
        g_string_append_len(message, empty, (gssize)empty_length);
        empty_length = 0;
        separates = is_empty(line, (gsize)(next - line));
        if (separates) {
            empty = line;
            empty_length = (gsize)(next - line);
        } else {
            gsize skipped = mark && quotes > 0;

            g_string_append_len(message, line + skipped, next - line - (gssize)skipped);
        }
        if (!begun) {
            g_string_truncate(message, 0);
            empty_length = 0;
        }
    }
    if (begun)
        add_message(all, message);
    g_string_free(message, TRUE);
    return all;
}

/* One message as mboxrd writes it. */
static void check_written(const char *data, gsize size)
{
    GString *file = g_string_new("From a\n"), *all, *expected = g_string_new(NULL);

    for (gsize at = 0; at < size;) {
        const char *newline = memchr(data + at, '\n', size - at);
        gsize length = newline ? (gsize)(newline - data) + 1 - at : size - at, quotes = 0;

        while (quotes < length && data[at + quotes] == '>')
            quotes++;
        if (length - quotes >= 5 && memcmp(data + at + quotes, "From ", 5) == 0)
            g_string_append_c(file, '>');
        g_string_append_len(file, data + at, (gssize)length);
        at += length;
    }
    if (size > 0 && data[size - 1] != '\n')
        g_string_append_c(file, '\n');
    g_string_append_printf(expected, "%zu:", file->len > 7 && data[size - 1] != '\n' ? size + 1 : size);
    g_string_append_len(expected, data, (gssize)size);
    if (size > 0 && data[size - 1] != '\n')
        g_string_append_c(expected, '\n');
    g_string_append_c(file, '\n');
    all = read_all(file->str, file->len, 0);
    g_assert(g_string_equal(all, expected));
    g_string_free(all, TRUE);
    g_string_free(expected, TRUE);
    g_string_free(file, TRUE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data + 1;
    GString *whole, *cut, *lines;

    if (size < 1)
        return 0;
    whole = read_all(text, size - 1, 0);
    cut = read_all(text, size - 1, data[0] + 1u);
    lines = read_lines(text, size - 1);
    g_assert(g_string_equal(whole, cut));
    g_assert(g_string_equal(whole, lines));
    check_written(text, size - 1);
    g_string_free(whole, TRUE);
    g_string_free(cut, TRUE);
    g_string_free(lines, TRUE);
    return 0;
}
