#include <string.h>
#include <zlib.h>

#include "base/limits.h"
#include "checks/container/container.h"
#include "checks/virus/sample.h"

/* All that a container yields, and what in it. */
typedef struct {
    PosternItemBudget budget;
    PosternItemVisitor visitor;
    GString *told; /* "NAME,NAME=OCTETS;" a member, "!KIND;" a note */
    guint depth;   /* of members that are opened too */
} View;

static gboolean take(const PosternItem *item, gpointer data)
{
    View *view = data;
    gsize length = 0;
    const char *octets = g_bytes_get_data(item->octets, &length);
    g_autofree char *names = g_strjoinv(",", (char **)(guintptr)item->names);
    g_string_append_printf(view->told, "%s=", names);
    for (gsize i = 0; i < MIN(length, 16); i++)
        g_string_append_c(view->told, g_ascii_isprint(octets[i]) ? octets[i] : '.');
    g_string_append_c(view->told, ';');
    g_assert_cmpint(item->kind, ==, POSTERN_ITEM_MEMBER);
    g_assert_cmpuint(item->depth, ==, item->parent->depth + 1);
    if (item->depth < view->depth)
        (void)postern_container_open(item, &view->budget, &view->visitor);
    return TRUE;
}

static void note(PosternVirusKind kind, const char *text, gpointer data)
{
    View *view = data;
    g_assert_true(g_utf8_validate(text, -1, NULL));
    g_string_append_printf(view->told, "!%s;", postern_virus_kind_name(kind));
}

static View *view_new(void)
{
    View *view = g_new0(View, 1);
    view->budget = postern_item_budget(0);
    view->visitor = (PosternItemVisitor){take, note, view};
    view->told = g_string_new(NULL);
    view->depth = 1;
    return view;
}

static void view_free(View *view)
{
    g_string_free(view->told, TRUE);
    g_free(view);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(View, view_free)

static PosternContainerResult look(View *view, const char *name, const void *octets, gsize length)
{
    /* (A copy, so that a sanitizer sees what is read behind it.) */
    g_autoptr(GBytes) bytes = g_bytes_new(octets, length);
    const char *const names[] = {name, NULL}, *const types[] = {"application/octet-stream", NULL};
    const PosternItem item = {.kind = POSTERN_ITEM_FILE, .names = names, .types = types, .octets = bytes};
    g_string_truncate(view->told, 0);
    return postern_container_open(&item, &view->budget, &view->visitor);
}

#define OCTETS(text) text, sizeof text - 1

static const struct {
    const char *octets;
    gsize length;
    const char *told; /* "": it is none */
} files[] = {
    {OCTETS(""), ""},
    {OCTETS("PK"), ""},
    {OCTETS("text"), ""},
    {OCTETS("BZh"), ""},
    {OCTETS("] is what a line of text may begin with"), ""},
    {OCTETS("The mark of an end is PK\5\6, which is not enough to make one."), ""},
    {OCTETS("\x60\xea\xff\xff\x1e\1\1\0\1\0\0\0"), ""},
    {OCTETS("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), ""},
    {OCTETS("\x1f\xa0packed"), "!unknown_container;"},
    {OCTETS("\x1f\x1epacked"), ""},
    {OCTETS("\x1f\x1e\0\0\0\3\2\0\2abc\0"), "!unknown_container;"},
    {OCTETS("\x1f\x9d\x90\xff\xff\xff\xff"), ""},
    {OCTETS("\x1f\x9d\x90zzzz\x5e\x3d\x42\x59"), ""},
    {OCTETS("\x1f\x9d\x90\x61\xc4\x8c\1"), "=abc;"},
    {OCTETS("\x1f\x8b\x08\xff\1\1"), ""},
    {OCTETS("zPQ and other letters"), ""},
    {OCTETS("zPQ\1\1\0"), "!unknown_container;"},
    {OCTETS("\x89LZO\0\r\n\x1a\n\x10"), "!unknown_container;"},
    {OCTETS("MSWIM\0\0\0\xd0"), "!unknown_container;"},
    {OCTETS("!BDN\1\2\3\4SM"), "!unknown_container;"},
    {OCTETS("ALZ\1\x0a\0"), "!unknown_container;"},
    {OCTETS("LUKS\xba\xbe\0\1"), "!encrypted;"},
    {OCTETS("WithoutFreeSpace\2"), "!unknown_container;"},
    {OCTETS("\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0\2\0\1"), "!unknown_container;"},
    {OCTETS("............NER5\0\0\0\0\0\0\0\1"), "!unknown_container;"},
    {OCTETS("{\\rtf1{\\object{\\*\\objdata 61 62\n6}}x}"), "=ab;"},
    {OCTETS("{\\rtf1{\\objdata 61\\par 62{64}63\\'aa}}"), "=abdc;=abc;"},
    {OCTETS("{\\rtf1{\\objdata 61\\bin3 }\\{62\\objdata 63}64"), "=a}\\{b;=c;"},
    {OCTETS("{\\rtf1{\\objdata 61\\bin99999999999 x"), "=ax;"},
    {OCTETS("{\\rtf1 6162{\\objdata}}"), ""},
    {OCTETS("\1\5\0\0\2\0\0\0\2\0\0\0P\0\0\0\0\0\0\0\0\0\3\0\0\0abc"), "=abc;"},
    {OCTETS("\1\5\0\0\2\0\0\0\2\0\0\0P\0\0\0\0\0\0\0\0\0\x1c\0\0\0"
            "\2\0x\0C:\\y\0\0\0\3\0\2\0\0\0y\0\3\0\0\0abc"),
     "=..x.C:\\y........;x,y=abc;"},
    {OCTETS("\1\5\0\0\2\0\0\0\xff\xff\xff\xff"), ""},
    {OCTETS("ActiveMime\0\0\1\xf0\4\0"), "!ambiguous;"},
    {OCTETS("0\x16\6\x0b*\x86H\x86\xf7\x0d\1\x09\x10\1\x09"), "!unknown_container;"},
    {OCTETS("-----BEGIN PGP MESSAGE-----\n\nygNQR1DLAA==\n"), "!unknown_container;"},
    {OCTETS("-----BEGIN PGP MESSAGE-----\n\nwQNQR1DLAA==\n"), ""},
    {OCTETS("1234567**ACE**\x14"), "!unknown_container;"},
    {OCTETS("vhdxfile\x4d"), "!unknown_container;"},
    {OCTETS("\xff\6\0\0sNaPpY."), "!unknown_container;"},
    {OCTETS("\x1f\x8b\x08\0\0\0\0\0\0\3"), "!ambiguous;=;"},
    {OCTETS("7z\xbc\xaf\x27\x1c\0\4"), "!ambiguous;!ambiguous;"},
    {OCTETS("Rar!\x1a\7\0\x0c"), "!unknown_container;"},
    {OCTETS("!<arch>\ndebian-binary"), "!ambiguous;"},
};

static void test_marks(void)
{
    g_autoptr(View) view = view_new();
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        (void)look(view, "", files[i].octets, files[i].length);
        if (strcmp(view->told->str, files[i].told) != 0)
            g_error("file %" G_GSIZE_FORMAT ": %s", i, view->told->str);
    }
}

/* Whatever octet of a zip archive is another one: what is handed on without a word is what was packed. */
static void test_zip_octets(void)
{
    g_autoptr(View) view = view_new();
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("a.txt", "what is packed", 14);
    g_assert_cmpint(look(view, "x", zip->data, zip->len), ==, POSTERN_CONTAINER_OPENED);
    g_assert_cmpstr(view->told->str, ==, "a.txt=what is packed;");
    for (guint i = 0; i < zip->len; i++) {
        for (guint bit = 0; bit < 8; bit++) {
            zip->data[i] ^= (guint8)(1 << bit);
            PosternContainerResult result = look(view, "x", zip->data, zip->len);
            g_assert_true(result == POSTERN_CONTAINER_PROBLEM ||
                          strcmp(view->told->str, "a.txt=what is packed;") == 0);
            zip->data[i] ^= (guint8)(1 << bit);
        }
    }
    for (guint length = 4; length < zip->len; length++)
        g_assert_cmpint(look(view, "x", zip->data, length), ==, POSTERN_CONTAINER_PROBLEM);
}

/* Letters in text that are the begin of an archive: what can be had of it is handed on, without a word. */
static void test_zip_in_text(void)
{
    g_autoptr(View) view = view_new();
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("a.txt", "what is packed", 14);
    static const char *const names[] = {NULL}, *const types[] = {"application/octet-stream", NULL};
    for (guint length = 4; length < zip->len; length++) {
        g_autoptr(GBytes) bytes = g_bytes_new(zip->data, length);
        const PosternItem item = {
            .kind = POSTERN_ITEM_FILE, .names = names, .types = types, .octets = bytes, .guessed = TRUE};
        g_string_truncate(view->told, 0);
        (void)postern_container_open(&item, &view->budget, &view->visitor);
        g_assert_null(strchr(view->told->str, '!'));
    }
    g_assert_cmpstr(view->told->str, ==, "a.txt=what is packed;");
}

/* Many headers and nothing else: no octet is handed on often. */
static void test_zip_of_headers(void)
{
    g_autoptr(View) view = view_new();
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("a.txt", "what is packed", 14);
    g_autoptr(GByteArray) all = g_byte_array_new();
    zip->data[8] = 0;             /* stored, */
    memset(zip->data + 18, 0, 4); /* of unknown length */
    while (all->len < 1000000)
        g_byte_array_append(all, zip->data, 40);
    guint64 before = view->budget.octets;
    g_assert_cmpint(look(view, "x", all->data, all->len), ==, POSTERN_CONTAINER_PROBLEM);
    g_assert_cmpuint(before - view->budget.octets, <=, (guint64)2 * all->len);
}

static void append(GByteArray *out, const void *octets, gsize length)
{
    g_byte_array_append(out, octets, (guint)length);
}

static void test_zip_surroundings(void)
{
    g_autoptr(View) view = view_new();
    g_autoptr(GByteArray) one = postern_virus_sample_zip("one", "1", 1);
    g_autoptr(GByteArray) two = postern_virus_sample_zip("two", "2", 1);
    static const struct {
        const char *before, *after;
        const char *told;
    } cases[] = {
        {"MZ, a program", "", "one=1;"},   {"#!/bin/sh\n", "", "one=1;"},     {"", "\r\n", "one=1;"},
        {"junk", "", "one=1;!ambiguous;"}, {"", "junk", "!ambiguous;one=1;"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) out = g_byte_array_new();
        append(out, cases[i].before, strlen(cases[i].before));
        append(out, one->data, one->len);
        append(out, cases[i].after, strlen(cases[i].after));
        (void)look(view, "x", out->data, out->len);
        g_assert_cmpstr(view->told->str, ==, cases[i].told);
    }
    append(one, two->data, two->len);
    (void)look(view, "x", one->data, one->len);
    g_assert_cmpstr(view->told->str, ==, "!ambiguous;two=2;!ambiguous;one=1;");
}

static void test_names(void)
{
    static const struct {
        const char *name;
        gsize length;
        const char *told;
    } cases[] = {
        {OCTETS("evil.exe"), "evil.exe=x;"},
        {OCTETS("\xc3\xa9.exe"), "é.exe=x;"},
        {OCTETS("\x82.exe"), "é.exe=x;"},
        {OCTETS("a/b\\c.exe"), "a/b\\c.exe=x;"},
    };
    g_autoptr(View) view = view_new();
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) zip = postern_virus_sample_zip(cases[i].name, "x", 1);
        (void)look(view, "x", zip->data, zip->len);
        g_assert_cmpstr(view->told->str, ==, cases[i].told);
    }
    g_autoptr(GByteArray) zip = postern_virus_sample_zip("a.exe_b.txt", "x", 1);
    for (guint i = 0; i < zip->len; i++)
        if (zip->data[i] == '_')
            zip->data[i] = '\0';
    (void)look(view, "x", zip->data, zip->len);
    g_assert_cmpstr(view->told->str, ==, "a.exe,a.exeb.txt=x;");
}

static GByteArray *gzip(const void *octets, gsize length)
{
    GByteArray *out = g_byte_array_new();
    z_stream stream = {.next_in = (z_const Bytef *)(guintptr)octets, .avail_in = (uInt)length};
    g_assert_cmpint(deflateInit2(&stream, 9, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), ==, Z_OK);
    g_byte_array_set_size(out, (guint)deflateBound(&stream, length));
    stream.next_out = out->data;
    stream.avail_out = out->len;
    g_assert_cmpint(deflate(&stream, Z_FINISH), ==, Z_STREAM_END);
    g_byte_array_set_size(out, (guint)stream.total_out);
    deflateEnd(&stream);
    return out;
}

static void test_gzip(void)
{
    g_autoptr(View) view = view_new();
    g_autoptr(GByteArray) one = gzip("first, ", 7), two = gzip("second", 6);
    append(one, two->data, two->len);
    g_assert_cmpint(look(view, "a.tgz", one->data, one->len), ==, POSTERN_CONTAINER_OPENED);
    g_assert_cmpstr(view->told->str, ==, "a.tar=first, second;");
    for (guint length = 4; length < one->len; length++)
        if (length != one->len - two->len)
            g_assert_cmpint(look(view, "a", one->data, length), ==, POSTERN_CONTAINER_PROBLEM);
    one->data[one->len - 6] ^= 1;
    g_assert_cmpint(look(view, "a", one->data, one->len), ==, POSTERN_CONTAINER_PROBLEM);
}

/* Levels, files and octets are bounded, and a bomb is stopped early. */
static void test_budget(void)
{
    gsize large = 64 * 1024 * 1024;
    g_autoptr(View) view = view_new();
    g_autofree char *nothing = g_malloc0(large);
    g_autoptr(GByteArray) bomb = gzip(nothing, large);
    (void)look(view, "bomb", bomb->data, bomb->len);
    g_assert_cmpstr(view->told->str, ==, "!too_large;");
    g_assert_cmpuint(view->budget.octets, >=, POSTERN_ITEM_OCTETS_MIN - large);
    g_autoptr(GByteArray) small = gzip("12345678", 8);
    view->budget.octets = 7;
    (void)look(view, "small", small->data, small->len);
    g_assert_cmpstr(view->told->str, ==, "!too_large;");
    view->budget.octets = 100;
    view->budget.parts = 0;
    (void)look(view, "small", small->data, small->len);
    g_assert_cmpstr(view->told->str, ==, "!too_large;");
    view->budget.parts = 100;
    view->budget.octets = G_MAXUINT64;
    view->budget.levels = 3;
    view->depth = 100;
    for (guint i = 0; i < 3; i++) {
        GByteArray *next = gzip(small->data, small->len);
        g_byte_array_unref(small);
        small = next;
    }
    (void)look(view, "deep", small->data, small->len);
    g_assert_true(g_str_has_suffix(view->told->str, "!too_large;"));
}

static void put_16(guint8 *place, guint value)
{
    place[0] = (guint8)value;
    place[1] = (guint8)(value >> 8);
}

/* A compound file of 512-octet sectors: table of chains, directory, and the stream in two more. */
static void make_ole2(guint8 *file, const char *name, const guint8 *stream, gsize length)
{
    memset(file, 0, 512 * 6);
    memcpy(file, "\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 8);
    put_16(file + 30, 9);
    put_16(file + 32, 6);
    put_16(file + 44, 1);
    put_16(file + 48, 1);
    memset(file + 60, 0xff, 512 - 60);
    put_16(file + 76, 0);
    memset(file + 78, 0, 2);
    memset(file + 512, 0xff, 512);
    guint8 *root = file + 1024, *entry = root + 128;
    put_16(root, 'R');
    put_16(root + 116, 2);
    for (guint i = 0; name[i] != '\0'; i++)
        put_16(entry + 2 * (gsize)i, (guchar)name[i]);
    put_16(entry + 116, 2);
    put_16(entry + 120, (guint)length);
    memcpy(file + 1536, stream, length);
}

static void test_office(void)
{
    static const struct {
        const char *name;
        const char *octets;
        gsize length;
        gboolean encrypted;
    } streams[] = {
        {"EncryptedPackage", OCTETS("x"), TRUE},
        {"EncryptedPackag", OCTETS("x"), FALSE},
        {"Workbook", OCTETS("\x09\x08\x04\0\0\6\5\0\x2f\0\0\0"), TRUE},
        {"Workbook", OCTETS("\x09\x08\x04\0\0\6\5\0\x86\0\0\0\x2f\0\0\0"), TRUE},
        {"Workbook", OCTETS("\x09\x08\x04\0\0\6\5\0\xe1\0\2\0\xb0\4\0\0"), FALSE},
        {"Other", OCTETS("\x09\x08\x04\0\0\6\5\0\x2f\0\0\0"), FALSE},
        {"WordDocument", OCTETS("\xec\xa5\xc1\0\0\0\0\0\0\0\0\1"), TRUE},
        {"WordDocument", OCTETS("\xec\xa5\xc1\0\0\0\0\0\0\0\0\0"), FALSE},
        {"Current User", OCTETS("\0\0\xf6\x0f\x14\0\0\0\x14\0\0\0\xdf\xc4\xd1\xf3"), TRUE},
        {"Current User", OCTETS("\0\0\xf6\x0f\x14\0\0\0\x14\0\0\0\x5f\xc0\x91\xe3"), FALSE},
    };
    g_autoptr(View) view = view_new();
    guint8 file[512 * 6];
    for (gsize i = 0; i < G_N_ELEMENTS(streams); i++) {
        make_ole2(file, streams[i].name, (const guint8 *)streams[i].octets, streams[i].length);
        (void)look(view, "a.doc", file, sizeof file);
        g_assert_cmpstr(view->told->str, ==, streams[i].encrypted ? "!encrypted;" : "");
    }
    /* A directory whose chain is a circle ends. */
    put_16(file + 512 + 4, 1);
    memset(file + 512 + 6, 0, 2);
    (void)look(view, "a.doc", file, sizeof file);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/container/marks", test_marks);
    g_test_add_func("/container/zip-in-text", test_zip_in_text);
    g_test_add_func("/container/zip-of-headers", test_zip_of_headers);
    g_test_add_func("/container/zip-octets", test_zip_octets);
    g_test_add_func("/container/zip-surroundings", test_zip_surroundings);
    g_test_add_func("/container/names", test_names);
    g_test_add_func("/container/gzip", test_gzip);
    g_test_add_func("/container/budget", test_budget);
    g_test_add_func("/container/office", test_office);
    return g_test_run();
}
