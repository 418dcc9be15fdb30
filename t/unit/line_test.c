#include "wire/line.h"

#include <string.h>

#include <glib.h>

#include "trickle.h"

#define MAXIMUM 12

typedef struct {
    const char *text;
    gsize length; /* 0: of text as a string */
    PosternLineStatus status;
} Expected;

typedef struct {
    const char *input;
    gsize length; /* 0: of input as a string */
    Expected lines[4];
    guint count;
} Case;

static const Case cases[] = {
    {"", 0, {{0}}, 0},
    {"NOOP", 0, {{0}}, 0},
    {"NOOP\r", 0, {{0}}, 0},
    {"NOOP\r\n", 0, {{"NOOP", 0, POSTERN_LINE_OK}}, 1},
    {"\r\n", 0, {{"", 0, POSTERN_LINE_OK}}, 1},
    {"a\r\nb\r\nc", 0, {{"a", 0, POSTERN_LINE_OK}, {"b", 0, POSTERN_LINE_OK}}, 2},
    {"a\nb\r\n", 0, {{"a", 0, POSTERN_LINE_BARE}, {"b", 0, POSTERN_LINE_OK}}, 2},
    {"\n\r\n", 0, {{"", 0, POSTERN_LINE_BARE}, {"", 0, POSTERN_LINE_OK}}, 2},
    {"a\rb\r\nc\r\n", 0, {{"a\rb", 0, POSTERN_LINE_BARE}, {"c", 0, POSTERN_LINE_OK}}, 2},
    {"a\rb\nc\r\n", 0, {{"a\rb", 0, POSTERN_LINE_BARE}, {"c", 0, POSTERN_LINE_OK}}, 2},
    {"a\r\r\n", 0, {{"a\r", 0, POSTERN_LINE_BARE}}, 1},
    {"\r\r\r\n", 0, {{"\r\r", 0, POSTERN_LINE_BARE}}, 1},
    {"a\0b\r\nc\r\n", 8, {{"a\0b", 3, POSTERN_LINE_BARE}, {"c", 0, POSTERN_LINE_OK}}, 2},
    {"0123456789\r\n", 0, {{"0123456789", 0, POSTERN_LINE_OK}}, 1},
    {"0123456789a\r\nb\r\n", 0, {{"0123456789", 0, POSTERN_LINE_TOO_LONG}, {"b", 0, POSTERN_LINE_OK}}, 2},
    {"0123456789abcdefghijklm\r\n", 0, {{"0123456789", 0, POSTERN_LINE_TOO_LONG}}, 1},
    {"0123456789a\nb\r\n", 0, {{"0123456789", 0, POSTERN_LINE_BARE}, {"b", 0, POSTERN_LINE_OK}}, 2},
    {"0123456789\rab\r\nb\r\n", 0, {{"0123456789", 0, POSTERN_LINE_BARE}, {"b", 0, POSTERN_LINE_OK}}, 2},
};

typedef struct {
    PosternLineReader reader;
    const Case *row;
    guint seen;
} Reading;

static gboolean feed_reader(const char *piece, gsize length, gpointer user)
{
    Reading *reading = user;

    while (length > 0) {
        PosternLineStatus status;
        const char *line;
        gsize line_length, consumed;
        int result = postern_line_reader_next(&reading->reader, piece, length, &consumed, &line, &line_length,
                                              &status);
        const Expected *expected = &reading->row->lines[reading->seen];

        g_assert_cmpuint(consumed, >, 0);
        piece += consumed;
        length -= consumed;
        if (result == 0) {
            g_assert_cmpuint(length, ==, 0);
            continue;
        }
        g_assert_cmpuint(reading->seen, <, reading->row->count);
        g_assert_cmpmem(line, line_length, expected->text,
                        expected->length ? expected->length : strlen(expected->text));
        g_assert_cmpint(line[line_length], ==, '\0');
        g_assert_cmpint(status, ==, expected->status);
        reading->seen++;
    }
    return TRUE;
}

static void test_cases(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(trickle_pieces); j++) {
            Reading reading = {.row = &cases[i]};
            gsize length = cases[i].length ? cases[i].length : strlen(cases[i].input);

            postern_line_reader_init(&reading.reader, MAXIMUM);
            trickle(cases[i].input, length, trickle_pieces[j], feed_reader, &reading);
            g_assert_cmpuint(reading.seen, ==, cases[i].count);
            postern_line_reader_clear(&reading.reader);
        }
}

static void test_memory_is_bounded(void)
{
    PosternLineReader reader;
    PosternLineStatus status;
    const char *line;
    gsize length, consumed;

    postern_line_reader_init(&reader, MAXIMUM);
    for (int i = 0; i < 10000; i++)
        g_assert_cmpint(
            postern_line_reader_next(&reader, "0123456789", 10, &consumed, &line, &length, &status), ==, 0);
    g_assert_cmpuint(reader.partial->len, ==, MAXIMUM - 2);
    g_assert_true(reader.too_long);
    postern_line_reader_clear(&reader);
}

static void test_line_is_let_go(void)
{
    PosternLineReader reader;
    PosternLineStatus status;
    const char *line;
    gsize length, consumed;

    postern_line_reader_init(&reader, MAXIMUM);
    g_assert_cmpint(postern_line_reader_next(&reader, "QUIT\r\n", 6, &consumed, &line, &length, &status), ==,
                    1);
    g_assert_nonnull(reader.partial);
    g_assert_cmpint(postern_line_reader_next(&reader, NULL, 0, &consumed, &line, &length, &status), ==, 0);
    g_assert_cmpuint(consumed, ==, 0);
    g_assert_null(reader.partial);
    postern_line_reader_clear(&reader);
}

static void test_clear_begins_anew(void)
{
    PosternLineReader reader;
    PosternLineStatus status;
    const char *line;
    gsize length, consumed;

    postern_line_reader_init(&reader, MAXIMUM);
    postern_line_reader_next(&reader, "a\rb\r", 4, &consumed, &line, &length, &status);
    postern_line_reader_clear(&reader);
    g_assert_cmpint(postern_line_reader_next(&reader, "\nc", 2, &consumed, &line, &length, &status), ==, 1);
    g_assert_cmpint(status, ==, POSTERN_LINE_BARE);
    g_assert_cmpstr(line, ==, "");
    postern_line_reader_clear(&reader);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/line/cases", test_cases);
    g_test_add_func("/wire/line/memory-is-bounded", test_memory_is_bounded);
    g_test_add_func("/wire/line/line-is-let-go", test_line_is_let_go);
    g_test_add_func("/wire/line/clear-begins-anew", test_clear_begins_anew);
    return g_test_run();
}
