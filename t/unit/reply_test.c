#include "wire/reply.h"

#include <string.h>

#include <glib.h>

#include "base/limits.h"
#include "trickle.h"

typedef struct {
    PosternReplyParser parser;
    GString *replies; /* each on the wire, behind one another */
    guint count;
    int result;
} Parsing;

static gboolean feed_parser(const char *piece, gsize length, gpointer user)
{
    Parsing *parsing = user;

    while (length > 0 && parsing->result >= 0) {
        g_autoptr(PosternReply) reply = NULL;
        const char *problem = NULL;
        gsize consumed = 0;

        parsing->result =
            postern_reply_parser_next(&parsing->parser, piece, length, &consumed, &reply, &problem);
        g_assert_cmpint(problem != NULL, ==, parsing->result < 0);
        if (parsing->result == 0)
            g_assert_cmpuint(consumed, ==, length);
        if (parsing->result == 1) {
            g_autofree char *wire = postern_reply_to_wire(reply);

            g_string_append(parsing->replies, wire);
            parsing->count++;
        }
        piece += consumed;
        length -= consumed;
    }
    return parsing->result >= 0;
}

static void parse(Parsing *parsing, const char *input, gsize length, gsize piece)
{
    *parsing = (Parsing){.replies = g_string_new(NULL)};
    postern_reply_parser_init(&parsing->parser);
    trickle(input, length, piece, feed_parser, parsing);
}

static void parsing_clear(Parsing *parsing)
{
    postern_reply_parser_clear(&parsing->parser);
    g_string_free(parsing->replies, TRUE);
}

static void test_replies(void)
{
    static const struct {
        const char *input;
        const char *wire;
        guint count;
    } rows[] = {
        {"", "", 0},
        {"250 Ok", "", 0},
        {"250 Ok\r", "", 0},
        {"250-a\r\n", "", 0},
        {"250 Ok\r\n", "250 Ok\r\n", 1},
        {"250\r\n", "250 \r\n", 1},
        {"250 \r\n", "250 \r\n", 1},
        {"250-\r\n250 \r\n", "250-\r\n250 \r\n", 1},
        {"250-a\r\n250-b\r\n250 c\r\n", "250-a\r\n250-b\r\n250 c\r\n", 1},
        {"250-a\r\n250\r\n", "250-a\r\n250 \r\n", 1},
        {"354 Go\r\n250 Ok\r\n", "354 Go\r\n250 Ok\r\n", 2},
        {"220 a\n250-b\n250 c\n", "220 a\r\n250-b\r\n250 c\r\n", 2},
        {"550 5.7.1  two  spaces \r\n", "550 5.7.1  two  spaces \r\n", 1},
        {"550-a-b\r\n550 -c\r\n", "550-a-b\r\n550 -c\r\n", 1},
        {"200 a\r\n599 b\r\n", "200 a\r\n599 b\r\n", 2},
        {"250 \033[2J\303\244\t\r\n", "250 ?[2J???\r\n", 1},
        {"250 a\rb\r\n", "250 a?b\r\n", 1},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(trickle_pieces); j++) {
            Parsing parsing;

            parse(&parsing, rows[i].input, strlen(rows[i].input), trickle_pieces[j]);
            g_assert_cmpint(parsing.result, >=, 0);
            g_assert_cmpuint(parsing.count, ==, rows[i].count);
            g_assert_cmpstr(parsing.replies->str, ==, rows[i].wire);
            parsing_clear(&parsing);
        }
}

static void test_problems(void)
{
    static const char *const inputs[] = {
        "\r\n",
        "25\r\n",
        "2500 a\r\n",
        "250x\r\n",
        "250_a\r\n",
        "25a b\r\n",
        " 250 a\r\n",
        "150 a\r\n",
        "199 a\r\n",
        "600 a\r\n",
        "999 a\r\n",
        "000 a\r\n",
        "HTTP/1.1 200 OK\r\n",
        "SSH-2.0-x\r\n",
        "250-a\r\n251 b\r\n",
        "250-a\r\n550-b\r\n550 c\r\n",
        "250-a\r\nfree text\r\n250 b\r\n",
        "250-a\r\n\r\n",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(inputs); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(trickle_pieces); j++) {
            Parsing parsing;

            parse(&parsing, inputs[i], strlen(inputs[i]), trickle_pieces[j]);
            g_assert_cmpint(parsing.result, ==, -1);
            g_assert_cmpuint(parsing.count, ==, 0);
            parsing_clear(&parsing);
        }
}

static void test_nul(void)
{
    static const char input[] = "250 a\0b\r\n";

    for (gsize j = 0; j < G_N_ELEMENTS(trickle_pieces); j++) {
        Parsing parsing;

        parse(&parsing, input, sizeof(input) - 1, trickle_pieces[j]);
        g_assert_cmpint(parsing.result, ==, -1);
        parsing_clear(&parsing);
    }
}

/* kept: octets that are handed on; 0: it is none. */
static void check_limit(const char *input, gsize kept)
{
    for (gsize j = 0; j < G_N_ELEMENTS(trickle_pieces); j++) {
        Parsing parsing;

        parse(&parsing, input, strlen(input), trickle_pieces[j]);
        g_assert_cmpint(parsing.result, ==, kept > 0 ? 1 : -1);
        g_assert_cmpuint(parsing.count, ==, kept > 0 ? 1 : 0);
        g_assert_cmpuint(parsing.replies->len, ==, kept);
        g_assert_true(kept == 0 || g_str_has_prefix(parsing.replies->str, "550"));
        parsing_clear(&parsing);
    }
}

static char *lines(guint count, gsize octets)
{
    GString *input = g_string_new(NULL);
    g_autofree char *text = g_strnfill(octets - strlen("550-\r\n"), 'a');

    for (guint i = 0; i < count; i++)
        g_string_append_printf(input, "550%c%s\r\n", i + 1 < count ? '-' : ' ', text);
    return g_string_free(input, FALSE);
}

static void test_limits(void)
{
    static const struct {
        guint lines;
        gsize octets; /* of each, with CRLF */
        gsize kept;
    } rows[] = {
        {1, POSTERN_REPLY_LINE_MAX_OCTETS, POSTERN_REPLY_LINE_MAX_OCTETS},
        {1, POSTERN_REPLY_LINE_MAX_OCTETS + 1, POSTERN_REPLY_LINE_MAX_OCTETS},
        {1, 500000, POSTERN_REPLY_LINE_MAX_OCTETS},
        {POSTERN_REPLY_LINES_MAX, 10, POSTERN_REPLY_LINES_MAX * 10},
        {POSTERN_REPLY_LINES_MAX + 1, 10, POSTERN_REPLY_LINES_MAX * 10},
        {10000, 10, POSTERN_REPLY_LINES_MAX * 10},
        {8, POSTERN_REPLY_LINE_MAX_OCTETS, 8 * POSTERN_REPLY_LINE_MAX_OCTETS},
        {9, POSTERN_REPLY_LINE_MAX_OCTETS, 8 * POSTERN_REPLY_LINE_MAX_OCTETS},
        {60, 10000, 8 * POSTERN_REPLY_LINE_MAX_OCTETS},
        {1, POSTERN_REPLY_SKIPPED_MAX_OCTETS, POSTERN_REPLY_LINE_MAX_OCTETS},
        {1, POSTERN_REPLY_SKIPPED_MAX_OCTETS + 1, 0},
        {120000, 10, 0},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *input = lines(rows[i].lines, rows[i].octets);

        check_limit(input, rows[i].kept);
    }
}

static void test_endless_line_ends(void)
{
    g_autofree char *input = g_strnfill(POSTERN_REPLY_LINE_MAX_OCTETS, '2');

    check_limit(input, 0);
}

static void test_parser_is_used_again(void)
{
    g_autoptr(GString) input = g_string_new(NULL);
    Parsing parsing;

    for (int i = 0; i < 1000; i++)
        g_string_append(input, "250-0123456789\r\n250 Ok\r\n");
    parse(&parsing, input->str, input->len, G_MAXSSIZE);
    g_assert_cmpuint(parsing.count, ==, 1000);
    g_assert_true(postern_line_reader_is_between_lines(&parsing.parser.line));
    parsing_clear(&parsing);
}

static void test_forms(void)
{
    g_autoptr(PosternReply) reply = postern_reply_new(550, "5.7.1 No\r\n250 Ok");
    g_autofree char *wire = postern_reply_to_wire(reply);
    g_autofree char *text = NULL;

    g_assert_cmpstr(wire, ==, "550 5.7.1 No??250 Ok\r\n");
    g_assert_cmpuint(postern_reply_class(reply), ==, 5);
    postern_reply_add(&reply, "5.7.1 See\tthere", strlen("5.7.1 See\tthere"));
    text = postern_reply_to_text(reply);
    g_assert_cmpstr(text, ==, "550 5.7.1 No??250 Ok 5.7.1 See?there");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/reply/replies", test_replies);
    g_test_add_func("/wire/reply/problems", test_problems);
    g_test_add_func("/wire/reply/nul", test_nul);
    g_test_add_func("/wire/reply/limits", test_limits);
    g_test_add_func("/wire/reply/endless-line-ends", test_endless_line_ends);
    g_test_add_func("/wire/reply/parser-is-used-again", test_parser_is_used_again);
    g_test_add_func("/wire/reply/forms", test_forms);
    return g_test_run();
}
