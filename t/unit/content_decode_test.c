#include "checks/content/decode.h"

#include <string.h>

/* All readings, apart by '|'. */
static char *readings_of(PosternContentEncoding encoding, const char *octets, gsize length)
{
    GBytes *readings[POSTERN_CONTENT_READINGS_MAX];
    g_autofree char *copy = g_memdup2(octets, MAX(length, 1));
    GString *out = g_string_new(NULL);
    gsize total = 0;
    guint count = 0;
    g_assert_true(postern_content_decode(encoding, copy, length, TRUE, readings, &count));
    g_assert_cmpuint(count, >=, 1);
    g_assert_cmpuint(count, <=, POSTERN_CONTENT_READINGS_MAX);
    for (guint i = 0; i < count; i++) {
        gsize size = 0;
        const char *reading = g_bytes_get_data(readings[i], &size);
        g_string_append(out, i > 0 ? "|" : "");
        for (gsize k = 0; k < size; k++)
            g_string_append_c(out, reading[k] != '\0' ? reading[k] : '0');
        total += size;
        g_bytes_unref(readings[i]);
    }
    g_assert_cmpuint(total, <=, POSTERN_CONTENT_READINGS_MAX * length);
    return g_string_free(out, FALSE);
}

static const struct {
    PosternContentEncoding encoding;
    const char *octets, *readings;
} cases[] = {
    {POSTERN_CONTENT_BASE64, "", ""},
    {POSTERN_CONTENT_BASE64, "QUJD\r\nREVG\r\n", "ABCDEF"},
    {POSTERN_CONTENT_BASE64, "QUI=\r\n", "AB"},
    {POSTERN_CONTENT_BASE64, "QUI", "AB"},
    {POSTERN_CONTENT_BASE64, "QUJDR", "ABC"},
    {POSTERN_CONTENT_BASE64, "QQ==\r\n\r\n \t", "A"},
    {POSTERN_CONTENT_BASE64, "Q U\tJ\rD", "ABC"},
    /* A mailing list's footer, and files in pieces. */
    {POSTERN_CONTENT_BASE64, "QQ==\r\nQUJD\r\n", "AABC|A\x04\x14$|A|A00ABC"},
    {POSTERN_CONTENT_BASE64, "QUJD\r\n--\r\nQUJD\r\n", "ABCABC|ABC"},
    {POSTERN_CONTENT_BASE64, "=QUJD", "ABC||\x01\x05|\x01\x05\t"},
    {POSTERN_CONTENT_QUOTED_PRINTABLE, "a=\r\nb\r\n", "ab\r\n|ab\n"},
    {POSTERN_CONTENT_QUOTED_PRINTABLE, "=41=4a=4A==41=4", "AJJ=A=4|AJJ=41=4"},
    {POSTERN_CONTENT_QUOTED_PRINTABLE, "a=0D=0A", "a\r\n"},
    {POSTERN_CONTENT_QUOTED_PRINTABLE, "a=\nb", "ab"},
    {POSTERN_CONTENT_QUOTED_PRINTABLE, "a= \r\nb", "ab|a= \r\nb|a= \nb"},
    {POSTERN_CONTENT_QUOTED_PRINTABLE, "a \r\nb", "a\r\nb|a \r\nb|a\nb|a \nb"},
    {POSTERN_CONTENT_QUOTED_PRINTABLE, "a=\v\r\nb", "ab|a=\v\r\nb|a=\v\nb"},
    {POSTERN_CONTENT_QUOTED_PRINTABLE, "a=", "a"},
    {POSTERN_CONTENT_IDENTITY, "a\nb", "a\nb"},
    {POSTERN_CONTENT_IDENTITY, "a\r\nb\rc", "a\r\nb\rc|a\nb\rc"},
};

static void test_readings(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *found = readings_of(cases[i].encoding, cases[i].octets, strlen(cases[i].octets));
        if (strcmp(found, cases[i].readings) != 0)
            g_error("'%s', wanted '%s', for '%s'", found, cases[i].readings, cases[i].octets);
    }
}

/* Whatever the octets: cut at each, and with each changed. */
static void test_every_octet(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gsize length = strlen(cases[i].octets);
        for (gsize k = 0; k < length; k++) {
            g_autofree char *changed = g_memdup2(cases[i].octets, length);
            changed[k] = k % 2 == 0 ? '\0' : '=';
            g_free(readings_of(cases[i].encoding, cases[i].octets, k));
            g_free(readings_of(cases[i].encoding, changed, length));
        }
    }
}

/* What GLib encodes comes back whole, in lines of any length. */
static void test_round_trip(void)
{
    for (guint length = 0; length < 200; length++) {
        g_autofree guchar *octets = g_malloc(length + 1);
        for (guint i = 0; i < length; i++)
            octets[i] = (guchar)(i * 89 + length);
        g_autofree char *text = g_base64_encode(octets, length);
        GString *lines = g_string_new(NULL);
        for (gsize i = 0; text[i] != '\0'; i++)
            g_string_append_printf(lines, "%c%s", text[i], i % (1 + length % 77) == 0 ? "\r\n" : "");
        GBytes *readings[POSTERN_CONTENT_READINGS_MAX];
        guint count = 0;
        g_autoptr(GBytes) wanted = g_bytes_new(octets, length);
        g_assert_true(
            postern_content_decode(POSTERN_CONTENT_BASE64, lines->str, lines->len, TRUE, readings, &count));
        g_assert_cmpuint(count, >=, 1);
        g_assert_true(g_bytes_equal(readings[0], wanted));
        while (count > 0)
            g_bytes_unref(readings[--count]);
        g_string_free(lines, TRUE);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/content-decode/readings", test_readings);
    g_test_add_func("/content-decode/every-octet", test_every_octet);
    g_test_add_func("/content-decode/round-trip", test_round_trip);
    return g_test_run();
}
