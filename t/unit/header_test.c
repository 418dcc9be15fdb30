#include "mail/header.h"

#include <string.h>

#include "base/limits.h"

typedef struct {
    const char *text;
    const char *fields; /* name=unfolded value, each ended by '|' */
    gsize header_length;
    gsize body_offset;
    guint odd_lines;
} Case;

static const Case cases[] = {
    {"", "", 0, 0, 0},
    {"\r\n", "", 0, 2, 0},
    {"\n", "", 0, 1, 0},
    {"A: b\r\n\r\nbody", "A=b|", 6, 8, 0},
    {"A: b\n\nbody", "A=b|", 5, 6, 0},
    {"A: b\n\r\nbody", "A=b|", 5, 7, 0},
    {"A: b", "A=b|", 4, 4, 0},
    {"A: b\r\n", "A=b|", 6, 6, 0},
    {"A:\r\nB:c\r\n\r\n", "A=|B=c|", 9, 11, 0},
    {"A: b\r\n c\r\n\td\r\nE: f\r\n\r\n", "A=b c\td|E=f|", 20, 22, 0},
    {"A: b\r\n \r\nE: f\r\n\r\n", "A=b|E=f|", 15, 17, 0},
    {"A \t: b\r\n\r\n", "A=b|", 8, 10, 0},
    {"no field\r\n goes on\r\nA: b\r\n\r\n", "A=b|", 26, 28, 1},
    {" starts folded\r\nA: b\r\n\r\n", "A=b|", 22, 24, 1},
    {": no name\r\nA: b\r\n\r\n", "A=b|", 17, 19, 1},
    {"A\x80: b\r\nC: d\r\n\r\n", "C=d|", 13, 15, 1},
    {"From someone Sat Jan  1\nA: b\n\n", "A=b|", 29, 30, 1},
    {"From: x\rBcc: y\r\n\r\n", "From=x\rBcc: y|", 16, 18, 0},
    {"A: b\r\r\n\r\n", "A=b|", 7, 9, 0},
    {"A: a:b:c \r\n\r\n", "A=a:b:c|", 11, 13, 0},
};

static char *describe(const PosternHeader *header)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < header->fields->len; i++) {
        const PosternHeaderField *field = &g_array_index(header->fields, PosternHeaderField, i);
        g_autofree char *value = postern_header_field_unfold(field);

        g_string_append_printf(text, "%.*s=%s|", (int)field->name_length, field->name, value);
    }
    return g_string_free(text, FALSE);
}

static void test_parse(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        const Case *entry = &cases[i];
        gsize length = strlen(entry->text);
        g_autofree char *octets =
            g_memdup2(entry->text, length); /* no NUL behind it: reads beyond are found */
        g_autoptr(PosternHeader) header = postern_header_parse(octets, length);
        g_autofree char *fields = describe(header);

        g_assert_cmpstr(fields, ==, entry->fields);
        g_assert_cmpuint(header->header_length, ==, entry->header_length);
        g_assert_cmpuint(header->body_offset, ==, entry->body_offset);
        g_assert_cmpuint(header->odd_lines->len, ==, entry->odd_lines);
        g_assert_false(header->too_many);
    }
}

/* What is indexed of the first octets stays so when more of them are there. */
static void test_parse_prefixes(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gsize length = strlen(cases[i].text);
        g_autoptr(PosternHeader) whole = postern_header_parse(cases[i].text, length);

        for (gsize part = 0; part <= length; part++) {
            g_autofree char *octets = g_memdup2(cases[i].text, part);
            g_autoptr(PosternHeader) header = postern_header_parse(octets, part);

            g_assert_cmpuint(header->body_offset, ==, MIN(part, whole->body_offset));
            for (guint f = 0; f + 1 < header->fields->len; f++)
                g_assert_cmpuint(g_array_index(header->fields, PosternHeaderField, f).length, ==,
                                 g_array_index(whole->fields, PosternHeaderField, f).length);
        }
    }
}

static void test_find(void)
{
    static const char text[] = "To: a\r\nto : b\r\nTox: c\r\nT: d\r\nTO: e\r\n\r\nTo: body\r\n";
    g_autoptr(PosternHeader) header = postern_header_parse(text, strlen(text));
    static const char *const values[] = {"a", "b", "e"};

    for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
        g_autofree char *value = postern_header_field_unfold(postern_header_find(header, "tO", i));

        g_assert_cmpstr(value, ==, values[i]);
    }
    g_assert_null(postern_header_find(header, "To", 3));
    g_assert_null(postern_header_find(header, "", 0));
}

static void test_nul_octets(void)
{
    static const char text[] = "A: b\0c\r\nD\0: e\r\n\r\n";
    g_autoptr(PosternHeader) header = postern_header_parse(text, sizeof text - 1);
    g_autofree char *value = postern_header_field_unfold(postern_header_find(header, "A", 0));

    g_assert_cmpstr(value, ==, "b?c");
    g_assert_cmpuint(header->fields->len, ==, 1);
    g_assert_cmpuint(header->odd_lines->len, ==, 1);
}

static void test_hides(void)
{
    static const struct {
        const char *text;
        gsize length;
        gboolean hides;
    } hidden[] = {
#define TEXT(text) text, sizeof text - 1
        {TEXT("From: a\r\nSubject: b\r\n\r\nFrom: c\r\n"), FALSE},
        {TEXT("From : a\r\nfrom\t: b\r\n"), FALSE},
        {TEXT("From x\r\n>From: y\r\nFrom: a\r\nSubject: b\r\n From: c\r\nFromage: d\r\n"), FALSE},
        {TEXT("Subject: \rb\r\n"), FALSE},
        {TEXT(""), FALSE},
        {TEXT("From: a\r\nSubject: b\rFrom: c\r\n"), TRUE},
        {TEXT("X: b\rFrom: c\r\nFrom: a\r\n"), TRUE},
        {TEXT(" From: c\r\nFrom: a\r\n"), TRUE},
        {TEXT("\xef\xbb\xbf"
              "From: c\r\nFrom: a\r\n"),
         TRUE},
        {TEXT("From: a\r\nFrom\0: c\r\n"), TRUE},
        {TEXT("From: a\r\nFr\0om: c\r\n"), TRUE},
        {TEXT("From: a\r\n\vFrom: c\r\n"), TRUE},
        {TEXT("From: a\nFrom\xa0: c\n"), TRUE},
        {TEXT("From\0: c"), TRUE},
#undef TEXT
    };

    for (gsize i = 0; i < G_N_ELEMENTS(hidden); i++) {
        g_autofree char *copy = g_memdup2(hidden[i].text, MAX(hidden[i].length, 1));
        g_autoptr(PosternHeader) header = postern_header_parse(copy, hidden[i].length);

        if (postern_header_hides(header, "From") != hidden[i].hides)
            g_error("case %" G_GSIZE_FORMAT ": %s", i, hidden[i].text);
    }
}

static void test_too_many_fields(void)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < POSTERN_HEADER_FIELDS_MAX; i++)
        g_string_append(text, "a:\r\n");
    for (guint more = 0; more < 3; more++) {
        g_autofree char *message = g_strconcat(text->str, "\r\nbody", NULL);
        g_autoptr(PosternHeader) header = postern_header_parse(message, strlen(message));

        g_assert_cmpint(header->too_many, ==, more > 0);
        g_assert_cmpuint(header->fields->len, ==, POSTERN_HEADER_FIELDS_MAX);
        g_assert_cmpuint(header->body_offset, ==, text->len + 2);
        g_string_append(text, "a:\r\n");
    }
    g_string_free(text, TRUE);
}

static void test_too_large_block(void)
{
    g_autofree char *filling = g_strnfill(POSTERN_HEADER_BLOCK_MAX_OCTETS - 3, 'x');
    g_autofree char *allowed = g_strconcat("A:", filling, "\n", "\nbody", NULL);
    g_autofree char *larger = g_strconcat("A: b\nA:", filling, "\n", "\nbody", NULL);
    g_autoptr(PosternHeader) fits = postern_header_parse(allowed, strlen(allowed));
    g_autoptr(PosternHeader) over = postern_header_parse(larger, strlen(larger));

    g_assert_false(fits->too_many);
    g_assert_cmpuint(fits->fields->len, ==, 1);
    g_assert_true(over->too_many);
    g_assert_cmpuint(over->fields->len, ==, 1);
    g_assert_cmpuint(over->body_offset, ==, strlen(larger) - 4);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/header/parse", test_parse);
    g_test_add_func("/header/parse-prefixes", test_parse_prefixes);
    g_test_add_func("/header/find", test_find);
    g_test_add_func("/header/nul-octets", test_nul_octets);
    g_test_add_func("/header/hides", test_hides);
    g_test_add_func("/header/too-many-fields", test_too_many_fields);
    g_test_add_func("/header/too-large-block", test_too_large_block);
    return g_test_run();
}
