/*
 * Files that scripts put together: which are found, and what is none.
 */
#include "checks/content/script_text.h"

#include <string.h>

#define TEXT "Files of which every octet counts: 0123456789, and + and / and so on..\n\x80\xff"

typedef struct {
    GString *told;
    guint most; /* files that are wanted */
} Found;

static gboolean add(GBytes *octets, const char *decoding, gpointer data)
{
    Found *found = data;
    g_string_append_printf(found->told, "%s: ", decoding);
    g_string_append_len(found->told, g_bytes_get_data(octets, NULL), (gssize)g_bytes_get_size(octets));
    return --found->most > 0;
}

/* Whether what is found in body, in a page of its own, has text among it. */
static gboolean finds(const char *body, const char *text)
{
    g_autofree char *page = g_strconcat("<html><script>", body, "</script></html>", NULL);
    g_autofree char *copy = g_memdup2(page, strlen(page));
    Found found = {g_string_new(NULL), G_MAXUINT};
    g_assert_true(postern_script_text_find(copy, strlen(page), add, &found));
    gboolean in = memmem(found.told->str, found.told->len, text, strlen(text)) != NULL;
    g_string_free(found.told, TRUE);
    return in;
}

static void append_each(GString *out, const char *before, const char *form, const char *between)
{
    for (const char *at = TEXT; *at != '\0'; at++) {
        g_string_append(out, at == (const char *)TEXT ? before : between);
        switch (*form) {
        case 'd':
            g_string_append_printf(out, "%u", (guchar)*at);
            break;
        case 'x':
            g_string_append_printf(out, "%02x", (guchar)*at);
            break;
        case 'm': /* of both bases */
            g_string_append_printf(out, (at - TEXT) % 2 == 0 ? "%u" : "0x%x", (guchar)*at);
            break;
        case 's':
            g_string_append_printf(out, "%d", (gint8)*at);
            break;
        case 'u':
            g_string_append_printf(out, "%04X", (guchar)*at);
            break;
        default:
            g_string_append_printf(out, "%03o", (guchar)*at);
            break;
        }
    }
}

static void test_numbers_and_escapes(void)
{
    static const struct {
        const char *before, *form, *between, *after, *decoding;
    } forms[] = {
        {"[", "d", ",", "]", "numbers in text"},
        {"['", "d", "',\r\n '", "']", "numbers in text"},
        {"'", "d", "|", "'.split('|')", "numbers in text"},
        {"[0x", "x", ", 0x", "]", "numbers in text"},
        {"[", "m", ", ", "]", "numbers in text"},
        {"[", "s", ", ", "]", "numbers in text"},
        {"'", "d", "-", "'.split('-')", "numbers in text"},
        {"'", "x", "-", "'", "hexadecimal numbers in text"},
        {"'\\x", "x", "\\x", "'", "escapes in text"},
        {"\"\\x", "x", "\" +\n\"\\x", "\"", "escapes in text"},
        {"'\\", "o", "\\", "'", "escapes in text"},
        {"`\\u", "u", "\\\n\\u", "`", "escapes in text"},
        {"'\\u{", "x", "}\\u{", "}'", "escapes in text"},
        {"'\\u{0", "u", "}\\u{0", "}'", "escapes in text"},
        {"unescape('%", "x", "%", "')", "escapes in text"},
        {"unescape('%u", "u", "%u", "')", "escapes in text"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autoptr(GString) body = g_string_new(NULL);
        append_each(body, forms[i].before, forms[i].form, forms[i].between);
        g_string_append(body, forms[i].after);
        g_autofree char *wanted = g_strconcat(forms[i].decoding, ": ", TEXT, NULL);
        if (!finds(body->str, wanted))
            g_error("form %" G_GSIZE_FORMAT ": %s", i, body->str);
        g_string_append(body, ";\nalert(\"1 2 3\", '4')");
        g_assert_true(finds(body->str, wanted));
    }
}

/* Letters in pieces of each length. */
static void test_pieces(void)
{
    static const struct {
        const char *before, *joint, *after;
        gsize least, last; /* octets of a piece, and of the last */
        gboolean backwards;
    } forms[] = {
        {"['", "','", "'].join('')", 1, 1, FALSE},
        {"'", "' +\n'", "'", 1, 1, FALSE},
        {"a = '", "';\nb += '", "'", 16, 16, FALSE},
        {"x = ''; a += '", "'; a += '", "'", 16, 1, FALSE},
        {"'", "'</script><p>x</p><script>'", "'", 16, 16, FALSE},
        {"'", "#", "'.split('#').join('')", 1, 1, FALSE},
        {"'", "', '", "'.reverse()", 1, 1, TRUE},
    };
    g_autofree char *letters = g_base64_encode((const guchar *)TEXT, strlen(TEXT));
    g_autofree char *backwards = g_strreverse(g_strdup(letters));
    for (gsize i = 0; i < G_N_ELEMENTS(forms); i++) {
        const char *text = forms[i].backwards ? backwards : letters;
        for (gsize width = forms[i].least; width * 2 < strlen(text); width++) {
            if (strlen(text) % width != 0 && strlen(text) % width < forms[i].last)
                continue;
            g_autoptr(GString) body = g_string_new(forms[i].before);
            for (gsize at = 0; at < strlen(text); at += width) {
                g_string_append(body, at > 0 ? forms[i].joint : "");
                g_string_append_len(body, text + at, (gssize)MIN(width, strlen(text) - at));
            }
            g_string_append(body, forms[i].after);
            if (!finds(body->str, ": " TEXT))
                g_error("form %" G_GSIZE_FORMAT ", width %" G_GSIZE_FORMAT ": %s", i, width, body->str);
        }
    }
}

/* Pages whose scripts show by one sign alone, a NUL among them, too. */
static void test_pages(void)
{
    static const struct {
        const char *octets;
        gsize length;
    } begins[] = {
#define BEGIN(text) {text, sizeof(text) - 1}
        BEGIN("<ScRiPt>const a=[0,0,"),
        BEGIN("<img src=x onerror=\"a=new Uint8Array([0,0,"),
        BEGIN("<img src=x onerror=\"a=String.fromCharCode(0,0,"),
        BEGIN("<!--\0--><script>var a=[0,0,"),
        BEGIN("<!--\0--><img src=x onerror=\"a=new Uint8Array([0,0,"),
    };
    for (gsize i = 0; i < G_N_ELEMENTS(begins); i++) {
        g_autoptr(GString) page = g_string_new_len(begins[i].octets, (gssize)begins[i].length);
        append_each(page, "", "d", ",");
        Found found = {g_string_new(NULL), G_MAXUINT};
        g_assert_true(postern_script_text_find(page->str, page->len, add, &found));
        if (memmem(found.told->str, found.told->len, TEXT, strlen(TEXT)) == NULL)
            g_error("page %" G_GSIZE_FORMAT, i);
        g_string_free(found.told, TRUE);
    }
    static const char escapes[] = "<script>\0\0\\x41\\x41\0 + \0'\\x41\0' + \0\"\\101\0";
    Found found = {g_string_new(NULL), G_MAXUINT};
    g_assert_true(postern_script_text_find(escapes, sizeof escapes - 1, add, &found));
    g_string_free(found.told, TRUE);
}

static void test_none(void)
{
    static const char *const bodies[] = {
        "",
        "var a = 'it is 100% of it, \\n and \\t more'; 1, 2, 3; f('a' + 'b');",
        "\\",
        "%",
        "'\\x4",
        "'\\u00",
        "It isn't 1, and it isn't 2; 192.0.2.1 was not there, function or no function, and very long, too.",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++)
        g_assert_false(finds(bodies[i], ": "));
    Found found = {g_string_new(NULL), G_MAXUINT};
    g_autoptr(GString) list = g_string_new(NULL);
    append_each(list, "", "d", ",");
    g_assert_true(postern_script_text_find(list->str, list->len, add, &found));
    g_assert_cmpuint(found.told->len, ==, 0);
    g_string_free(found.told, TRUE);
}

/* No more than are wanted. */
static void test_stop(void)
{
    g_autoptr(GString) list = g_string_new("var a");
    for (guint i = 0; i < 5; i++) {
        append_each(list, "[", "d", ",");
        g_string_append(list, "]; next");
    }
    Found found = {g_string_new(NULL), 2};
    g_assert_true(postern_script_text_find(list->str, list->len, add, &found));
    g_assert_cmpuint(found.most, ==, 0);
    g_string_free(found.told, TRUE);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/script_text/numbers_and_escapes", test_numbers_and_escapes);
    g_test_add_func("/script_text/pieces", test_pieces);
    g_test_add_func("/script_text/pages", test_pages);
    g_test_add_func("/script_text/none", test_none);
    g_test_add_func("/script_text/stop", test_stop);
    return g_test_run();
}
