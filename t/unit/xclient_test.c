#include "wire/xclient.h"

#include <string.h>

#include <glib.h>

static void test_attributes(void)
{
    static const struct {
        const char *text;
        guint mask;
    } rows[] = {
        {"", 0},
        {"NAME", POSTERN_CLIENT_NAME},
        {"  name\tADDR  ", POSTERN_CLIENT_NAME | POSTERN_CLIENT_ADDR},
        {"NAMES ADD FUTURE", 0},
        {"NAME ADDR PORT PROTO HELO LOGIN IDENT SOURCE DESTADDR DESTPORT",
         (POSTERN_CLIENT_DESTPORT << 1) - 1},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_cmpuint(postern_client_attributes_parse(rows[i].text), ==, rows[i].mask);
    for (guint mask = 0; mask < POSTERN_CLIENT_DESTPORT << 1; mask++) {
        g_autofree char *names = postern_client_attributes_names(mask);

        g_assert_cmpuint(postern_client_attributes_parse(names), ==, mask);
    }
}

/* The value of an attribute, as it goes out. */
static char *encode(const char *text)
{
    static const char before[] = "XCLIENT LOGIN=";
    const PosternClientAttributeValue value = {POSTERN_CLIENT_LOGIN, text};
    g_autoptr(GPtrArray) commands =
        postern_client_attributes_format("XCLIENT", POSTERN_CLIENT_LOGIN, &value, 1);
    g_assert_cmpuint(commands->len, ==, 1);
    const char *command = g_ptr_array_index(commands, 0);
    g_assert_true(g_str_has_prefix(command, before) && g_str_has_suffix(command, "\r\n"));
    return g_strndup(command + strlen(before), strlen(command) - strlen(before) - 2);
}

static void test_xtext(void)
{
    static const struct {
        const char *text;
        const char *encoded;
    } rows[] = {
        {"mx.example.org", "mx.example.org"},
        {"a b", "a+20b"},
        {"a+b=c", "a+2Bb+3Dc"},
        {"a\r\nb", "a+0D+0Ab"},
        {"\303\244\177~!", "+C3+A4+7F~!"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *encoded = encode(rows[i].text);
        g_autofree char *decoded = postern_xtext_decode(rows[i].encoded);

        g_assert_cmpstr(encoded, ==, rows[i].encoded);
        g_assert_cmpstr(decoded, ==, rows[i].text);
    }
    for (int octet = 1; octet < 256; octet++) {
        char text[] = {'a', (char)octet, 'b', '\0'};
        g_autofree char *encoded = encode(text);
        g_autofree char *decoded = postern_xtext_decode(encoded);

        g_assert_cmpstr(decoded, ==, text);
    }
}

static void test_xtext_refused(void)
{
    static const char *const rows[] = {"+",   "+4",  "a+4", "+4x",      "+g0",  "+4a",
                                       "+00", "a b", "a=b", "\303\244", "a\r\n"};

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        g_assert_null(postern_xtext_decode(rows[i]));
}

static void test_format(void)
{
    static const PosternClientAttributeValue values[] = {
        {POSTERN_CLIENT_NAME, "host.example"},
        {POSTERN_CLIENT_ADDR, "192.0.2.1"},
        {POSTERN_CLIENT_HELO, "a b\r\nMAIL FROM:<>"},
        {POSTERN_CLIENT_PROTO, NULL},
        {POSTERN_CLIENT_LOGIN, ""},
    };
    static const struct {
        guint supported;
        const char *command; /* NULL: none */
    } rows[] = {
        {0, NULL},
        {POSTERN_CLIENT_PORT, NULL},
        {POSTERN_CLIENT_ADDR, "XCLIENT ADDR=192.0.2.1\r\n"},
        {POSTERN_CLIENT_ADDR | POSTERN_CLIENT_NAME, "XCLIENT NAME=host.example ADDR=192.0.2.1\r\n"},
        {POSTERN_CLIENT_HELO | POSTERN_CLIENT_PORT, "XCLIENT HELO=a+20b+0D+0AMAIL+20FROM:<>\r\n"},
        {POSTERN_CLIENT_PROTO | POSTERN_CLIENT_LOGIN, "XCLIENT PROTO=[UNAVAILABLE] LOGIN=[UNAVAILABLE]\r\n"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GPtrArray) commands =
            postern_client_attributes_format("XCLIENT", rows[i].supported, values, G_N_ELEMENTS(values));

        g_assert_cmpuint(commands->len, ==, rows[i].command != NULL ? 1 : 0);
        if (rows[i].command != NULL)
            g_assert_cmpstr(g_ptr_array_index(commands, 0), ==, rows[i].command);
    }
}

/* Long and hostile values: every line within 512 octets, every attribute there once, every value whole
 * octets. */
static void test_format_of_long_values(void)
{
    static const PosternClientAttribute attributes[] = {POSTERN_CLIENT_NAME, POSTERN_CLIENT_ADDR,
                                                        POSTERN_CLIENT_HELO, POSTERN_CLIENT_LOGIN,
                                                        POSTERN_CLIENT_DESTADDR};

    for (gsize length = 0; length < 600; length++) {
        g_autofree char *value = g_strnfill(length, length % 2 ? ' ' : 'a');
        PosternClientAttributeValue values[G_N_ELEMENTS(attributes)];
        g_autoptr(GPtrArray) commands = NULL;
        guint seen = 0;

        for (gsize i = 0; i < G_N_ELEMENTS(values); i++)
            values[i] = (PosternClientAttributeValue){attributes[i], value};
        commands = postern_client_attributes_format("XFORWARD", ~0u, values, G_N_ELEMENTS(values));
        for (guint i = 0; i < commands->len; i++) {
            const char *command = g_ptr_array_index(commands, i);
            g_autofree char *line = g_strndup(command, strlen(command) - 2);
            g_auto(GStrv) words = g_strsplit(line, " ", -1);

            g_assert_cmpuint(strlen(command), <=, 512);
            g_assert_true(g_str_has_suffix(command, "\r\n"));
            g_assert_cmpstr(words[0], ==, "XFORWARD");
            for (gsize j = 1; words[j] != NULL; j++, seen++) {
                g_autofree char *decoded = postern_xtext_decode(strchr(words[j], '=') + 1);

                g_assert_nonnull(decoded);
                g_assert_cmpuint(strlen(decoded), <=, 255);
                if (length > 0)
                    g_assert_true(g_str_has_prefix(value, decoded));
                if (length % 2 == 0 && length > 0)
                    g_assert_cmpuint(strlen(decoded), ==, MIN(length, 255));
            }
        }
        g_assert_cmpuint(seen, ==, G_N_ELEMENTS(values));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/xclient/attributes", test_attributes);
    g_test_add_func("/wire/xclient/xtext", test_xtext);
    g_test_add_func("/wire/xclient/xtext-refused", test_xtext_refused);
    g_test_add_func("/wire/xclient/format", test_format);
    g_test_add_func("/wire/xclient/format-of-long-values", test_format_of_long_values);
    return g_test_run();
}
