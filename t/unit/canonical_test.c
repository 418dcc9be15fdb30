#include "checks/signature/canonical.h"

#include <string.h>

typedef struct {
    const char *name;
    gboolean relaxed;
    const char *body;
    const char *canonical;
} Body;

static const Body bodies[] = {
    {"simple/empty", FALSE, "", "\r\n"},
    {"simple/empty-lines", FALSE, "\r\n\r\n\r\n", "\r\n"},
    {"simple/spaces-stay", FALSE, " C \r\nD \t E\r\n\r\n\r\n", " C \r\nD \t E\r\n"},
    {"simple/no-line-end", FALSE, "a", "a\r\n"},
    {"simple/inner-empty-lines", FALSE, "a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n"},
    {"relaxed/empty", TRUE, "", ""},
    {"relaxed/blank-lines", TRUE, " \r\n\t\r\n", ""},
    {"relaxed/rfc6376-3.4.5", TRUE, " C \r\nD \t E\r\n\r\n\r\n", " C\r\nD E\r\n"},
    {"relaxed/blank-line-inside", TRUE, "a\r\n \t\r\nb\r\n", "a\r\n\r\nb\r\n"},
    {"relaxed/no-line-end", TRUE, "a  b ", "a b\r\n"},
    {"relaxed/half-a-line-end", TRUE, "a \r", "a\r\n"},
    {"simple/half-a-line-end", FALSE, "a\rb\r", "a\rb\r\n"},
    {"relaxed/lf", TRUE, "a\nb\n", "a\r\nb\r\n"},
};

static void append(const char *octets, gsize length, gpointer user_data)
{
    g_string_append_len(user_data, octets, (gssize)length);
}

static void test_body(gconstpointer data)
{
    const Body *test = data;
    g_autoptr(GString) out = g_string_new(NULL);
    gsize length = postern_canonical_body(test->body, strlen(test->body), test->relaxed, append, out);

    g_assert_cmpstr(out->str, ==, test->canonical);
    g_assert_cmpuint(length, ==, out->len);
}

/* More than one piece. */
static void test_long_body(void)
{
    g_autofree char *line = g_strnfill(100000, 'x');
    g_autofree char *body = g_strconcat(line, "\r\n\r\n", line, "  \r\n\r\n", NULL);
    g_autofree char *expected = g_strconcat(line, "\r\n\r\n", line, "\r\n", NULL);
    g_autoptr(GString) out = g_string_new(NULL);

    g_assert_cmpuint(postern_canonical_body(body, strlen(body), TRUE, append, out), ==, strlen(expected));
    g_assert_cmpstr(out->str, ==, expected);
}

typedef struct {
    const char *name;
    gboolean relaxed;
    const char *field;
    const char *canonical;
    const char *not_signed; /* or NULL: not of interest */
} Field;

static const Field fields[] = {
    {"relaxed/rfc6376-3.4.5", TRUE, "B \t: Y\t\r\n\tZ  \r\n", "b:Y Z\r\n", NULL},
    {"simple/rfc6376-3.4.5", FALSE, "B \t: Y\t\r\n\tZ  \r\n", "B \t: Y\t\r\n\tZ  \r\n", NULL},
    {"relaxed/empty", TRUE, "Subject:\r\n", "subject:\r\n", NULL},
    {"relaxed/only-blanks", TRUE, "Subject: \t \r\n", "subject:\r\n", NULL},
    {"relaxed/signature", TRUE, "X: a=1; b = AB\r\n CD ; c=2\r\n", "x:a=1; b = AB CD ; c=2\r\n",
     "x:a=1; b =; c=2"},
    {"relaxed/signature-last", TRUE, "X: a=1; b=ABCD\r\n", "x:a=1; b=ABCD\r\n", "x:a=1; b="},
    {"relaxed/signature-first", TRUE, "X: b=ABCD; bh=x\r\n", "x:b=ABCD; bh=x\r\n", "x:b=; bh=x"},
    {"simple/signature", FALSE, "X: bh=b=1;\r\n b=AB;\r\n c=2\r\n", "X: bh=b=1;\r\n b=AB;\r\n c=2\r\n",
     "X: bh=b=1;\r\n b=;\r\n c=2"},
    {"simple/no-signature", FALSE, "X: bh=1; B=2\r\n", "X: bh=1; B=2\r\n", "X: bh=1; B=2"},
};

static void test_field(gconstpointer data)
{
    const Field *test = data;
    g_autoptr(PosternHeader) header = postern_header_parse(test->field, strlen(test->field));
    const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, 0);
    g_autoptr(GString) out = g_string_new(NULL);
    g_autoptr(GString) not_signed = g_string_new(NULL);

    g_assert_cmpuint(header->fields->len, ==, 1);
    postern_canonical_append_field(out, field, test->relaxed);
    postern_canonical_append_unsigned(not_signed, field, test->relaxed);
    g_assert_cmpstr(out->str, ==, test->canonical);
    if (test->not_signed != NULL)
        g_assert_cmpstr(not_signed->str, ==, test->not_signed);
}

static void test_names(void)
{
    PosternCanonicalisation found;

    g_assert_true(postern_canonical_parse(NULL, &found));
    g_assert_false(found.relaxed_header || found.relaxed_body);
    g_assert_true(postern_canonical_parse("relaxed", &found));
    g_assert_true(found.relaxed_header && !found.relaxed_body);
    g_assert_true(postern_canonical_parse("simple/relaxed", &found));
    g_assert_true(!found.relaxed_header && found.relaxed_body);
    g_assert_false(postern_canonical_parse("", &found));
    g_assert_false(postern_canonical_parse("relaxed/", &found));
    g_assert_false(postern_canonical_parse("nofws", &found));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autofree char *path = g_strconcat("/canonical/body/", bodies[i].name, NULL);
        g_test_add_data_func(path, &bodies[i], test_body);
    }
    g_test_add_func("/canonical/body/long", test_long_body);
    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
        g_autofree char *path = g_strconcat("/canonical/field/", fields[i].name, NULL);
        g_test_add_data_func(path, &fields[i], test_field);
    }
    g_test_add_func("/canonical/names", test_names);
    return g_test_run();
}
