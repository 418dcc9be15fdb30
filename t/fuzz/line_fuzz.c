#include "wire/line.h"

#include <string.h>

#include <glib.h>

#include "split.h"

#define MAXIMUM_OCTETS 24

/* Each line as its length, its status and its text, one behind the other. */
static GString *read_lines(const uint8_t *data, gsize size, guint32 seed)
{
    GString *lines = g_string_new(NULL);
    Split split = split_new(data, size, seed);
    PosternLineReader reader;
    gsize octets;
    char *piece;

    postern_line_reader_init(&reader, MAXIMUM_OCTETS);
    while ((piece = split_next(&split, &octets)) != NULL) {
        for (gsize at = 0; at < octets;) {
            PosternLineStatus status;
            const char *line;
            gsize length, consumed;
            int result = postern_line_reader_next(&reader, piece + at, octets - at, &consumed, &line, &length,
                                                  &status);

            g_assert_true(consumed > 0 && consumed <= octets - at);
            at += consumed;
            if (result == 0) {
                g_assert_cmpuint(at, ==, octets);
                break;
            }
            g_assert_cmpuint(length, <=, MAXIMUM_OCTETS - 2);
            g_assert_cmpint(line[length], ==, '\0');
            g_assert_null(memchr(line, '\n', length));
            if (status == POSTERN_LINE_OK)
                g_assert_true(strlen(line) == length && strchr(line, '\r') == NULL);
            g_string_append_printf(lines, "%" G_GSIZE_FORMAT " %d ", length, (int)status);
            g_string_append_len(lines, line, (gssize)length);
        }
        g_free(piece);
    }
    g_string_append_printf(lines, "%d %d", reader.too_long, reader.bare);
    postern_line_reader_clear(&reader);
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    GString *whole, *cut;

    if (size < 1)
        return 0;
    whole = read_lines(data + 1, size - 1, 0);
    cut = read_lines(data + 1, size - 1, data[0] + 1u);
    g_assert_true(g_string_equal(whole, cut));
    g_string_free(whole, TRUE);
    g_string_free(cut, TRUE);
    return 0;
}
