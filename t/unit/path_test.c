#include "wire/path.h"

#include <string.h>

#include "base/limits.h"

#define MAIL POSTERN_PATH_LIBERAL
#define RCPT (POSTERN_PATH_LIBERAL | POSTERN_PATH_RECIPIENT)
#define TAKEN (POSTERN_PATH_UTF8 | POSTERN_PATH_LIBERAL | POSTERN_PATH_TAKEN)
#define SAME "="

/* What becomes of a path: by RFC 5321, of a sender, of a recipient, behind a server that has taken it. NULL:
 * refused; SAME: as in the column before. */
static const struct {
    const char *text;
    const char *strict, *sender, *recipient, *taken;
} rows[] = {
    {"<a@x.example>", "a@x.example", SAME, SAME, SAME},
    {"<\"a b\"@x.example>", "\"a b\"@x.example", SAME, SAME, SAME},
    {"<\"a\"@x.example>", "\"a\"@x.example", SAME, SAME, SAME},
    {"<\"a\\b\"@x.example>", "\"a\\b\"@x.example", SAME, SAME, SAME},
    {"<@r.example,@s.example:a@x.example>", "a@x.example", SAME, SAME, SAME},
    {"<A@X.Example>", "A@X.Example", SAME, SAME, SAME},
    {"<a%y.example@x.example>", "a%y.example@x.example", SAME, SAME, SAME},
    {"<y.example!a@x.example>", "y.example!a@x.example", SAME, SAME, SAME},
    {"<a@[192.0.2.1]>", "a@[192.0.2.1]", SAME, SAME, SAME},
    {"<>", "", SAME, SAME, SAME},

    {"a@x.example", NULL, "a@x.example", SAME, SAME},
    {"\"a b\"@x.example", NULL, "\"a b\"@x.example", SAME, SAME},
    {"< a@x.example >", NULL, "a@x.example", NULL, "a@x.example"},
    {"<\ta@x.example\t>", NULL, "a@x.example", NULL, "a@x.example"},
    {"< >", NULL, "", NULL, ""},
    {"<a @ x. example>", NULL, "a@x.example", NULL, "a@x.example"},
    {"<a . b@x.example>", NULL, "a.b@x.example", NULL, "a.b@x.example"},
    {"<user..name@x.example>", NULL, "user..name@x.example", SAME, SAME},
    {"<.user@x.example>", NULL, ".user@x.example", SAME, SAME},
    {"<user.@x.example>", NULL, "user.@x.example", SAME, SAME},
    {"<..@x.example>", NULL, "..@x.example", SAME, SAME},
    {"<a@x.example.>", NULL, "a@x.example", SAME, SAME},
    {"<a.\"b\"@x.example>", NULL, "a.b@x.example", SAME, SAME},
    {"<\"a\".b@x.example>", NULL, "a.b@x.example", SAME, SAME},
    {"<a.\"b c\"@x.example>", NULL, "\"a.b c\"@x.example", SAME, SAME},
    {"<a.\"\\\"\"@x.example>", NULL, "\"a.\\\"\"@x.example", SAME, SAME},
    {"<\303\274@x.example>", NULL, "\303\274@x.example", SAME, SAME},
    {"<root>", NULL, "root", SAME, SAME},
    {"root", NULL, "root", SAME, SAME},
    {"<@r.example:user..name@x.example.>", NULL, "user..name@x.example", SAME, SAME},

    {"<a%y.example>", NULL, NULL, NULL, "a@y.example"},
    {"<y.example!a>", NULL, NULL, NULL, "a@y.example"},
    {"<\"a%y.example\">", NULL, NULL, NULL, "a@y.example"},
    {"<\"a@y.example\">", NULL, NULL, NULL, "a@y.example"},
    {"<a@b@x.example>", NULL, NULL, NULL, "\"a@b\"@x.example"},
    {"<a\\@b@x.example>", NULL, "\"a@b\"@x.example", SAME, SAME},
    {"<a\\b@x.example>", NULL, "ab@x.example", SAME, SAME},
    {"<a\\\\b@x.example>", NULL, "\"a\\\\b\"@x.example", SAME, SAME},
    {"<a\\%y.example>", NULL, NULL, NULL, "a@y.example"},
    {"<a(c)@x.example>", NULL, NULL, NULL, "a@x.example"},
    {"<((c)@y.example)a@x.example>", NULL, NULL, NULL, "a@x.example"},
    {"<a@x.example>(c)", "a@x.example", SAME, SAME, SAME},
    {"<<a@x.example>>", NULL, NULL, NULL, "a@x.example"},
    {"<a@x.example;>", NULL, NULL, NULL, "a@x.example"},
    {"<a:b@x.example>", NULL, NULL, NULL, "\"a:b\"@x.example"},
    {"<@:a@x.example>", NULL, NULL, NULL, "a@x.example"},
    {"<@r.example:@s.example:a@x.example>", NULL, NULL, NULL, "a@x.example"},
    {"<a\001b@x.example>", NULL, NULL, NULL, "\"a\001b\"@x.example"},
    {"<\374@x.example>", NULL, NULL, NULL, "\374@x.example"},
    {"<a@\303\274.example>", NULL, NULL, NULL, "a@\303\274.example"},
    {"<a@x!y.example>", NULL, NULL, NULL, "a@x!y.example"},

    {"", NULL, NULL, NULL, NULL},
    {"<", NULL, NULL, NULL, NULL},
    {">", NULL, NULL, NULL, NULL},
    {"<a@x.example", NULL, NULL, NULL, NULL},
    {"a@x.example>", NULL, NULL, NULL, "a@x.example"},
    {"<@x.example>", NULL, NULL, NULL, "\"\"@x.example"},
    {"<a@>", NULL, NULL, NULL, NULL},
    {"<a@.>", NULL, NULL, NULL, "a@."},
    {"<\"a@x.example>", NULL, NULL, NULL, NULL},
    {"<a@(x.example>", NULL, NULL, NULL, NULL},
    {"<\\", NULL, NULL, NULL, NULL},
    {"<a@x.example>junk", "a@x.example", SAME, SAME, SAME},
    {"<a b@x.example>", NULL, NULL, NULL, "\"a b\"@x.example"},
    {"<a@x.example..>", NULL, NULL, NULL, "a@x.example"},
    {"<a@x..example>", NULL, NULL, NULL, "a@x..example"},
    {"<\"a\"b@x.example>", NULL, NULL, NULL, "ab@x.example"},
    {"<a@\"x\".example>", NULL, NULL, NULL, "a@x.example"},
    {"<a>b@x.example>", NULL, "a", SAME, SAME}, /* the junk behind is seen by who asks */
    {"<a@[192.0.2.300]>", NULL, NULL, NULL, NULL},
};

static char *parse(const char *text, guint syntax)
{
    /* The octets alone: what is read behind them is seen by the sanitizer. */
    gsize length = strlen(text);
    g_autofree char *copy = g_memdup2(text, MAX(length, 1));
    gsize consumed = 0;
    char *path = NULL;
    const char *problem = postern_path_parse(copy, length, syntax, &consumed, &path);

    g_assert_true((problem == NULL) == (path != NULL));
    g_assert_cmpuint(consumed, <=, length);
    return path;
}

static void test_rows(void)
{
    static const guint syntaxes[] = {0, MAIL, RCPT, TAKEN};

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const columns[] = {rows[i].strict, rows[i].sender, rows[i].recipient, rows[i].taken};
        const char *expected = NULL;

        for (gsize j = 0; j < G_N_ELEMENTS(columns); j++) {
            g_autofree char *path = parse(rows[i].text, syntaxes[j]);

            if (columns[j] == NULL || strcmp(columns[j], SAME) != 0)
                expected = columns[j];
            g_test_message("%s, %u", rows[i].text, syntaxes[j]);
            g_assert_cmpstr(path, ==, expected);
        }
    }
}

/* What some mail servers want beside: one plain address; one address of a host; a sender with a domain. */
static void test_suits(void)
{
    static const struct {
        const char *text;
        gboolean plain, single, qualified;
    } suited[] = {
        {"<a@x.example>", TRUE, TRUE, TRUE},
        {"<>", TRUE, TRUE, TRUE},
        {"a@x.example", FALSE, TRUE, TRUE},
        {"<a>", TRUE, TRUE, FALSE},
        {"\\<", FALSE, TRUE, FALSE},
        {"<a@x.example.>", FALSE, TRUE, FALSE},
        {"<a@x_y.example>", TRUE, TRUE, FALSE},
        {"<a@[192.0.2.1]>", TRUE, TRUE, FALSE},
        {"<a@b\303\274cher.example>", FALSE, TRUE, TRUE},
        {"<a@x..example>", FALSE, FALSE, TRUE},
        {"<\"a\"@x.example>", FALSE, TRUE, TRUE},
        {"<a. b@x.example>", FALSE, TRUE, TRUE},
        {"<a b@x.example>", FALSE, FALSE, TRUE},
        {"<a@x.example>,<b@x.example>", TRUE, FALSE, TRUE},
        {"<@r.example,@s.example:a@x.example>", TRUE, TRUE, TRUE},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(suited); i++) {
        g_autofree char *path = parse(suited[i].text, TAKEN);
        const char *text = suited[i].text;
        gsize length = strlen(text);
        g_test_message("%s", text);
        g_assert_cmpint(postern_path_suits(text, length, path, TRUE, POSTERN_PATH_PLAIN), ==,
                        suited[i].plain);
        g_assert_cmpint(postern_path_suits(text, length, path, TRUE, POSTERN_PATH_SINGLE | POSTERN_PATH_UTF8),
                        ==, suited[i].single);
        g_assert_cmpint(postern_path_suits(text, length, path, TRUE, POSTERN_PATH_QUALIFIED), ==,
                        suited[i].qualified);
    }
}

/* What is sent on means the same to who reads it again, however he reads. */
static void test_again(void)
{
    static const guint syntaxes[] = {MAIL, RCPT, TAKEN};

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (gsize j = 0; j < G_N_ELEMENTS(syntaxes); j++) {
            g_autofree char *path = parse(rows[i].text, syntaxes[j]);
            g_autofree char *written = path != NULL ? g_strdup_printf("<%s>", path) : NULL;
            g_autofree char *again = written != NULL ? parse(written, TAKEN) : NULL;

            g_assert_cmpstr(again, ==, path);
        }
}

static void test_consumed(void)
{
    static const struct {
        const char *text;
        gsize consumed;
    } lines[] = {
        {"a@x.example SIZE=1", 11},    {"< a@x.example > SIZE=1", 15},
        {"<a@x.example>\tSIZE=1", 13}, {"\"a b\"@x.example X", 15},
        {"<root> <a@b>", 6},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        for (guint syntax = MAIL; syntax <= TAKEN; syntax += TAKEN - MAIL) {
            gsize consumed = 0;
            g_autofree char *path = NULL;

            g_assert_null(postern_path_parse(lines[i].text, strlen(lines[i].text), syntax, &consumed, &path));
            g_assert_cmpuint(consumed, ==, lines[i].consumed);
        }
}

/* Quotes make it longer, and so does what they escape. */
static void test_length(void)
{
    g_autofree char *colons = g_strnfill(POSTERN_PATH_MAX_OCTETS - 8, ':');
    g_autofree char *bare = g_strdup_printf("%s@x", colons);
    g_autofree char *quotes = g_strnfill(POSTERN_PATH_MAX_OCTETS / 2, '"');
    g_autoptr(GString) escaped = g_string_new("<");

    for (const char *at = quotes; *at != '\0'; at++)
        g_string_append_printf(escaped, "\\%c", *at);
    g_string_append(escaped, "@x>");

    g_autofree char *fits = parse(bare, TAKEN);
    g_autofree char *too_long = parse(escaped->str, TAKEN);
    g_assert_cmpuint(strlen(fits), <=, POSTERN_PATH_MAX_OCTETS);
    g_assert_null(too_long);
    /* The brackets that it is written with count (RFC 5321 4.5.3.1.3). */
    for (gsize length = POSTERN_PATH_MAX_OCTETS - 3; length < POSTERN_PATH_MAX_OCTETS + 3; length++) {
        g_autofree char *letters = g_strnfill(length - strlen("@x"), 'a');
        g_autofree char *long_one = g_strconcat(letters, "@x", NULL);
        g_autofree char *path = parse(long_one, TAKEN);
        g_assert_cmpint(path != NULL, ==, length + strlen("<>") <= POSTERN_PATH_MAX_OCTETS);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/path/rows", test_rows);
    g_test_add_func("/wire/path/suits", test_suits);
    g_test_add_func("/wire/path/again", test_again);
    g_test_add_func("/wire/path/consumed", test_consumed);
    g_test_add_func("/wire/path/length", test_length);
    return g_test_run();
}
