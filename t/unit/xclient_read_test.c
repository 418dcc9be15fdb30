#include <string.h>

#include <glib.h>

#include "wire/xclient.h"

#define ALL ((POSTERN_CLIENT_DESTPORT << 1) - 1)
#define LONGEST 255

/* "NAME=value" a line, "-" for what is not available, "?" for what is not for now. */
static char *describe(const GPtrArray *attributes)
{
    g_autoptr(GString) text = g_string_new(NULL);

    for (guint i = 0; i < attributes->len; i++) {
        const PosternClientAttributeGiven *given = g_ptr_array_index(attributes, i);
        g_autofree char *name = postern_client_attributes_names(given->attribute);

        g_string_append_printf(text, "%s=%s", name,
                               given->value != NULL ? given->value
                               : given->temporary   ? "?"
                                                    : "-");
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

static void test_read(void)
{
    static const struct {
        const char *text;
        const char *attributes; /* NULL: refused */
    } rows[] = {
        {"NAME=mx.example ADDR=192.0.2.1 PORT=25", " NAME=mx.example ADDR=192.0.2.1 PORT=25"},
        {"  addr=IPV6:2001:db8::1   proto=ESMTP ", " ADDR=IPV6:2001:db8::1 PROTO=ESMTP"},
        {"NAME=[UNAVAILABLE] ADDR=[unavailable] HELO=[Unavailable]", " NAME=- ADDR=- HELO=-"},
        {"NAME=[TEMPUNAVAIL]", " NAME=?"},
        {"NAME=[tempunavail]", " NAME=?"},
        {"HELO=[TEMPUNAVAIL]", " HELO=[TEMPUNAVAIL]"},
        {"HELO=a+20b+2Bc+3Dd", " HELO=a b+c=d"},
        {"HELO=a=b==", " HELO=a=b=="},
        {"HELO=+C3+A4.example", " HELO=\303\244.example"},
        {"NAME=+C3+A4.example", " NAME=\303\244.example"},
        {"IDENT=4BxQ1z2abc SOURCE=local", " IDENT=4BxQ1z2abc SOURCE=local"},
        {"SOURCE=REMOTE DESTADDR=192.0.2.9 DESTPORT=0 LOGIN=me+40x.test",
         " SOURCE=REMOTE DESTADDR=192.0.2.9 DESTPORT=0 LOGIN=me@x.test"},
        {"PORT=65535 PORT=0", " PORT=65535 PORT=0"},
        {"", NULL},
        {"   ", NULL},
        {"NAME", NULL},
        {"NAME=", NULL},
        {"=x", NULL},
        {"COLOUR=red", NULL},
        {"NAME=a COLOUR=red", NULL},
        {"NAME\tADDR=a", NULL},
        {"ADDR=192.0.2.1\tPORT=5", NULL},
        {"PORT=65536", NULL},
        {"PORT=-1", NULL},
        {"PORT=x", NULL},
        {"DESTPORT=99999999999999999999", NULL},
        {"PROTO=a+20b", NULL},
        {"NAME=a+20b", NULL},
        {"SOURCE=elsewhere", NULL},
        {"HELO=a+0D+0AMAIL", NULL},
        {"HELO=a+00b", NULL},
        {"HELO=a+7Fb", NULL},
        {"HELO=a+1Fb", NULL},
        {"HELO=+FF+FE", NULL},
        {"HELO=+C3", NULL},
        {"HELO=a+4", NULL},
        {"HELO=a+4g", NULL},
        {"HELO=a+c3", NULL},
        {"HELO=\303\244", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *problem = NULL;
        g_autoptr(GPtrArray) attributes = postern_client_attributes_read(rows[i].text, ALL, &problem);
        g_autofree char *described = attributes != NULL ? describe(attributes) : NULL;

        g_test_message("%s", rows[i].text);
        g_assert_cmpint(problem == NULL, ==, attributes != NULL);
        g_assert_cmpstr(described, ==, rows[i].attributes);
    }
}

static void test_supported(void)
{
    const char *problem = NULL;
    guint forward = ALL & ~(guint)POSTERN_CLIENT_LOGIN;

    g_assert_null(postern_client_attributes_read("ADDR=192.0.2.1 LOGIN=me", forward, &problem));
    g_assert_cmpstr(problem, ==, "Attribute not recognised");
    g_assert_null(postern_client_attributes_read("ADDR=192.0.2.1", 0, &problem));
}

static void test_lengths(void)
{
    static const struct {
        const char *name;
        gsize longest;
    } rows[] = {{"HELO", LONGEST}, {"NAME", LONGEST}, {"IDENT", LONGEST}, {"PROTO", 64}};

    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (gsize more = 0; more < 2; more++) {
            const char *problem = NULL;
            g_autofree char *value = g_strnfill(rows[i].longest + more, 'a');
            g_autofree char *text = g_strdup_printf("%s=%s", rows[i].name, value);
            g_autoptr(GPtrArray) attributes = postern_client_attributes_read(text, ALL, &problem);

            g_assert_cmpint(attributes != NULL, ==, more == 0);
        }
}

/* What we write is read as it was meant, whatever octets a name has. */
static void test_way_back(void)
{
    for (guint octet = 0x20; octet < 0x7f; octet++) {
        const char *problem = NULL;
        char value[] = {'a', (char)octet, 'b', '\0'};
        const PosternClientAttributeValue values[] = {{POSTERN_CLIENT_ADDR, "IPV6:2001:db8::1"},
                                                      {POSTERN_CLIENT_HELO, value},
                                                      {POSTERN_CLIENT_NAME, NULL}};
        g_autoptr(GPtrArray) lines =
            postern_client_attributes_format("XFORWARD", ALL, values, G_N_ELEMENTS(values));
        g_autofree char *line = g_strchomp(g_strdup(g_ptr_array_index(lines, 0)));
        g_autoptr(GPtrArray) attributes =
            postern_client_attributes_read(line + strlen("XFORWARD "), ALL, &problem);

        g_assert_null(problem);
        g_assert_cmpuint(attributes->len, ==, 3);
        g_assert_cmpstr(((PosternClientAttributeGiven *)g_ptr_array_index(attributes, 1))->value, ==, value);
        g_assert_null(((PosternClientAttributeGiven *)g_ptr_array_index(attributes, 2))->value);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/xclient-read/read", test_read);
    g_test_add_func("/wire/xclient-read/supported", test_supported);
    g_test_add_func("/wire/xclient-read/lengths", test_lengths);
    g_test_add_func("/wire/xclient-read/way-back", test_way_back);
    return g_test_run();
}
