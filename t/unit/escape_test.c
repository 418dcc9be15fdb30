#include "base/escape.h"

#include <string.h>

static void test_escape(void)
{
    static const struct {
        const char *text;
        gsize length, maximum;
        const char *expected;
    } cases[] = {
        {"plain text", 10, 100, "plain text"},
        {"a\r\nb", 4, 100, "a\\x0d\\x0ab"},
        {"say \"hi\" \\ bye", 14, 100, "say \\\"hi\\\" \\\\ bye"},
        {"\x1b[2J", 4, 100, "\\x1b[2J"},
        {"\0z", 2, 100, "\\x00z"},
        {"\x7f\x80\xff ~", 5, 100, "\\x7f\\x80\\xff ~"},
        {"abcdef", 6, 3, "abc..."},
        {"abcdef", 6, 6, "abcdef"},
        {"abcdef", 3, 6, "abc"},
        {"\n\n\n", 3, 1, "\\x0a..."},
        {"abc", 3, 0, "..."},
        {"", 0, 0, ""},
        {NULL, 0, 10, ""},
        {NULL, 7, 10, ""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *escaped = postern_escape(cases[i].text, cases[i].length, cases[i].maximum);
        g_assert_cmpstr(escaped, ==, cases[i].expected);
    }
}

static void test_every_octet(void)
{
    for (guint octet = 0; octet < 256; octet++) {
        char text = (char)octet;
        g_autofree char *escaped = postern_escape(&text, 1, 1);
        for (const char *at = escaped; *at != '\0'; at++)
            g_assert_true(*at >= 0x20 && *at <= 0x7e);
        g_assert_cmpuint(strlen(escaped), >=, 1);
    }
}

static void test_append(void)
{
    g_autoptr(GString) out = g_string_new("x=");
    postern_escape_append(out, "1\t2", 3, 10);
    postern_escape_append(out, NULL, 3, 10);
    postern_escape_append(out, "3", 1, 10);
    g_assert_cmpstr(out->str, ==, "x=1\\x0923");
}

static void test_reply(void)
{
    char text[] = "ok \r\n\t\x01\x7f\xc3\xa4 ~end";
    g_assert_true(postern_escape_for_reply(text) == text);
    g_assert_cmpstr(text, ==, "ok ??????? ~end");
    char word[] = "=?utf-8?q?x=3B=22?= a==?b=\x01";
    g_assert_true(postern_escape_for_header(word) == word);
    g_assert_cmpstr(word, ==, "??utf-8?q?x=3B=22?= a=??b??");
    g_assert_null(postern_escape_for_header(NULL));
    char empty[] = "";
    g_assert_cmpstr(postern_escape_for_reply(empty), ==, "");
    g_assert_null(postern_escape_for_reply(NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/escape/text", test_escape);
    g_test_add_func("/escape/every-octet", test_every_octet);
    g_test_add_func("/escape/append", test_append);
    g_test_add_func("/escape/reply", test_reply);
    return g_test_run();
}
