#include "checks/content/embedded.h"

#include <string.h>

/* "DECODING NAME OCTETS" of each, apart by '|'; NUL as '0'. */
static char *list(const char *text, gsize length)
{
    g_autofree char *copy = g_memdup2(text, MAX(length, 1));
    GString *out = g_string_new(NULL);
    const char *problem = NULL;
    PosternEmbeddedFile file;
    for (gsize at = 0; postern_embedded_next(copy, length, &at, &file, &problem);) {
        gsize size = 0;
        const char *octets = g_bytes_get_data(file.octets, &size);
        g_assert_null(problem);
        g_string_append_printf(out, "%s%s %s ", out->len > 0 ? "|" : "", file.decoding,
                               file.name != NULL ? file.name : "-");
        for (gsize i = 0; i < size; i++)
            g_string_append_c(out, octets[i] != '\0' ? octets[i] : '0');
        postern_embedded_clear(&file);
    }
    return g_string_free(out, FALSE);
}

static const struct {
    const char *text, *files;
} cases[] = {
    {"", ""},
    {"begin 644 x\n#86)C\n`\nend\n", "uuencode x abc"},
    {"Text.\r\nbegin 644 a b.txt\r\n#86)C\r\n#86)C\r\n`\r\nend\r\nmore", "uuencode a b.txt abcabc"},
    {"begin 644 x\n#86)C\nbegin 755 y\n#86)C\n", "uuencode x abc|uuencode y abc"},
    {"begin 644 x\n#86)C\n\n#86)C\nend\n", "uuencode x abcabc"},
    {"begin 644\tx\n#86)C\nend\n", "uuencode x abc"},
    {"begin 644 x\n\"86(\nend\n", "uuencode x ab"},
    {"begin 644 x\nend\n", ""},
    {"begin 644 \n#86)C\nend\n", "uuencode - abc"},
    {"begin 0644\n#86)C\nend\n", "uuencode - abc"},
    {"begin\t644\tx\n#86)C\nend\n", "uuencode x abc"},
    {"begin 2\n#86)C\nend\n", ""},
    {"begin 644 x\n1MK7X\n+\nend\n", "xxencode x abc"},
    {"begin 644 x\n\n1MK7X\n1MK7X\n", "xxencode x abcabc"},
    {"We begin 644 x\n#86)C\nend\nbegin again\n#86)C\n", ""},
    {"begin-base64 644 x\nQUJD\nREVG\n====\nbegin 644 y\n#86)C\nend\n",
     "begin-base64 x ABCDEF|uuencode y abc"},
    {"=ybegin line=128 size=3 name=x.com\r\n\x8b\x8c\x8d\r\n=yend size=3\r\n", "yEnc x.com abc"},
    {"=ybegin part=1 line=128 size=3 name=x\n=ypart begin=1 end=3\n\x8b=\xcc\x8d\n=yend", "yEnc x abc"},
    {"(This file must be converted with BinHex 4.0)\n:", ""},
};

static void test_cases(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *found = list(cases[i].text, strlen(cases[i].text));
        g_assert_cmpstr(found, ==, cases[i].files);
    }
}

/* Cut at every octet, and with every octet changed. */
static void test_every_octet(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        gsize length = strlen(cases[i].text);
        for (gsize k = 0; k < length; k++) {
            g_autofree char *changed = g_memdup2(cases[i].text, length);
            changed[k] = (char)(k % 3 == 0 ? '\0' : k % 3 == 1 ? 0xff : '\n');
            g_free(list(cases[i].text, k));
            g_free(list(changed, length));
        }
    }
}

/* Writes BinHex, RFC 1741: a name, type and creator, flags, two lengths, the data fork. */
static char *binhex(const char *name, const char *octets)
{
    static const char letters[] = "!\"#$%&'()*+,-012345689@ABCDEFGHIJKLMNPQRSTUVXYZ[`abcdefhijklmpqr";
    g_autoptr(GByteArray) all = g_byte_array_new();
    gsize length = strlen(octets);
    const guint8 head[] = {(guint8)strlen(name)};
    const guint8 rest[] = {0, 'T', 'E', 'X', 'T', 't', 't', 'x', 't', 0, 0, 0, 0, 0, (guint8)length,
                           0, 0,   0,   0,   1,   2};
    g_byte_array_append(all, head, 1);
    g_byte_array_append(all, (const guint8 *)name, head[0]);
    g_byte_array_append(all, rest, sizeof rest);
    g_byte_array_append(all, (const guint8 *)octets, (guint)length);
    g_byte_array_append(all, (const guint8 *)"\1\2\0\0", 4);
    GString *out = g_string_new("(This file must be converted with BinHex 4.0)\n\n:");
    guint32 bits = 0;
    guint count = 0;
    for (guint i = 0; i < all->len; i++) {
        bits = bits << 8 | all->data[i];
        for (count += 8; count >= 6; count -= 6)
            g_string_append_c(out, letters[bits >> (count - 6) & 0x3f]);
    }
    g_string_append_c(out, letters[bits << (6 - count) & 0x3f]);
    g_string_append(out, ":\n");
    return g_string_free(out, FALSE);
}

static void test_binhex(void)
{
    g_autofree char *text = binhex("x.com", "some octets");
    g_autofree char *found = list(text, strlen(text));
    g_assert_cmpstr(found, ==, "BinHex x.com some octets");
}

/* Whatever begins and does not go on: no octet is looked at often. */
static void test_many(void)
{
    static const char *const lines[] = {"begin 644 x\n", "=ybegin x\n", "begin-base64 644 x\n",
                                        "(This file must be converted with BinHex 4.0)\n"};
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++) {
        g_autoptr(GString) text = g_string_new(NULL);
        while (text->len < 4000000)
            g_string_append(text, lines[i]);
        g_free(list(text->str, text->len));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/embedded/cases", test_cases);
    g_test_add_func("/embedded/every-octet", test_every_octet);
    g_test_add_func("/embedded/binhex", test_binhex);
    g_test_add_func("/embedded/many", test_many);
    return g_test_run();
}
