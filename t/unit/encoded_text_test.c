/*
 * Files that are encoded within text: which are found, and what is none.
 */
#include "checks/content/encoded_text.h"

#include <string.h>

/* 72 octets, and what they are in base64. */
#define FILE_TEXT "Files of which every octet counts: 0123456789, and + and / and so on..\n"
#define BASE64                                                                                               \
    "RmlsZXMgb2Ygd2hpY2ggZXZlcnkgb2N0ZXQgY291bnRzOiAwMTIzNDU2Nzg5LCBhbmQgKyBhbmQgLyBhbmQgc28gb24uLgo="

static gboolean add(GBytes *octets, const char *decoding, gpointer data)
{
    GString *out = data;
    g_string_append_printf(out, "%s%s: ", out->len > 0 ? "|" : "", decoding);
    g_string_append_len(out, g_bytes_get_data(octets, NULL), (gssize)g_bytes_get_size(octets));
    return TRUE;
}

static char *found(const char *octets, gsize length)
{
    GString *out = g_string_new(NULL);
    g_autofree char *copy = g_memdup2(length > 0 ? octets : "", MAX(length, 1));
    g_autoptr(GBytes) resolved = postern_encoded_text_resolve(copy, length);
    g_assert_true(postern_encoded_text_find(copy, length, add, out));
    if (resolved != NULL)
        g_assert_true(postern_encoded_text_find(g_bytes_get_data(resolved, NULL), g_bytes_get_size(resolved),
                                                add, out));
    return g_string_free(out, FALSE);
}

#define DIGITS_64 "4142434445464748494a4b4c4d4e4f504142434445464748494a4b4c4d4e4f50"
#define OCTETS_32 "ABCDEFGHIJKLMNOPABCDEFGHIJKLMNOP"
#define ONE "base64 in text: " FILE_TEXT

static const struct {
    const char *text, *files;
} cases[] = {
    {"", ""},
    {"A text of many words without any file in it, however long it may be, and it is long.", ""},
    {BASE64, ONE},
    {"f('" BASE64 "')", ONE},
    {"<a href=\"data:a/b;base64," BASE64 "\">", ONE},
    {"<div data-file=" BASE64 ">", ONE},
    {"http://example.org/?a=" BASE64, ""},
    {"http://example.org/" BASE64, ""},
    {"<a href=\"data:,abc%41%zz\">", "a URL of data: abcA%zz"},
    {"url(DA\nTA:a/b,x y) z", "a URL of data: x y"},
    {"metadata: what is said of data, and more", ""},
    {"data: what is said", ""},
    {"--------------------------------------------------------------------------------------------", ""},
    {DIGITS_64, ""},
    {DIGITS_64 DIGITS_64 "  folder/of-a-file", ""},
    {DIGITS_64 DIGITS_64 "2041", "hexadecimal in text: " OCTETS_32 OCTETS_32 " A"},
};

static void test_cases(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *files = found(cases[i].text, strlen(cases[i].text));
        g_assert_cmpstr(files, ==, cases[i].files);
    }
}

/* In lines and pieces of each length, with a word behind. */
static void test_pieces(void)
{
    static const struct {
        const char *joint, *behind;
        gsize least; /* octets of a piece */
    } forms[] = {
        {"\n", "\nWords follow it", 32}, {"\r\n ", "\r\n", 32}, {"' +\n'", "'", 4}, {"\"+\"", "\"", 4}};
    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
        for (gsize width = forms[i].least; width < strlen(BASE64); width++) {
            g_autoptr(GString) text = g_string_new(i < 2 ? "It is:\n" : "f('");
            for (gsize at = 0; at < strlen(BASE64); at += width) {
                g_string_append(text, at > 0 ? forms[i].joint : "");
                g_string_append_len(text, BASE64 + at, (gssize)MIN(width, strlen(BASE64) - at));
            }
            g_string_append(text, forms[i].behind);
            g_autofree char *files = found(text->str, text->len);
            g_assert_cmpstr(files, ==, ONE);
        }
    }
}

/* Without padding, and a word in the next line: both readings. */
static void test_word_behind(void)
{
    g_autofree char *files = found(BASE64 "AAAA", strlen(BASE64));
    g_assert_cmpstr(files, ==, ONE);
    const char *text =
        "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0\nword and more";
    g_autofree char *both = found(text, strlen(text));
    g_assert_true(
        g_str_has_suffix(both, "|base64 in text: ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz01234"));
}

static const struct {
    const char *text, *resolved;
} escapes[] = {
    {"nothing & nothing", NULL},
    {"&#100;&#x61;ta&colon;", "data:"},
    {"&#65x", "Ax"},
    {"a\\x41\\u0042\\/", "aAB/"},
    {"\\64 ata", "data"},
    {"&lt;a&gt;&amp;", "<a>&"},
    {"&#xd800;&#1114112;", ""},
    {"&#;\\", NULL},
    {"&#xe4;", "ä"},
};

static void test_escapes(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(escapes); i++) {
        g_autoptr(GBytes) resolved = postern_encoded_text_resolve(escapes[i].text, strlen(escapes[i].text));
        g_assert_cmpint(resolved != NULL, ==, escapes[i].resolved != NULL);
        if (resolved != NULL)
            g_assert_cmpmem(g_bytes_get_data(resolved, NULL), g_bytes_get_size(resolved), escapes[i].resolved,
                            strlen(escapes[i].resolved));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/encoded_text/cases", test_cases);
    g_test_add_func("/encoded_text/pieces", test_pieces);
    g_test_add_func("/encoded_text/word_behind", test_word_behind);
    g_test_add_func("/encoded_text/escapes", test_escapes);
    return g_test_run();
}
