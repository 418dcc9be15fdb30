#include "wire/proxy_header.h"

#include <string.h>

#include "base/limits.h"

#define OCTETS(text) (const guint8 *)(text), sizeof(text) - 1
#define START "\r\n\r\n\0\r\nQUIT\n"
#define V4 "\xc0\x00\x02\x01\xc6\x33\x64\x02\x04\xd2\x00\x19" /* 192.0.2.1:1234 to 198.51.100.2:25 */

static const struct {
    const guint8 *octets;
    gsize length;                     /* of all that is there, "x" behind it */
    const char *source, *destination; /* NULL: not proxied */
    guint16 source_port, destination_port;
} good[] = {
    {OCTETS("PROXY TCP4 192.0.2.1 198.51.100.2 1234 25\r\nx"), "192.0.2.1", "198.51.100.2", 1234, 25},
    {OCTETS("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\nx"), "0.0.0.0", "0.0.0.0", 0, 0},
    {OCTETS("PROXY TCP6 :: ::1 65535 65535\r\nx"), "::", "::1", 65535, 65535},
    {OCTETS("PROXY TCP6 2001:db8::1 ::ffff:192.0.2.9 1 2\r\nx"), "2001:db8::1", "192.0.2.9", 1, 2},
    {OCTETS("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\nx"),
     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535, 65535},
    {OCTETS("PROXY UNKNOWN\r\nx"), NULL, NULL, 0, 0},
    {OCTETS("PROXY UNKNOWN whatever there is 1 2 3\r\nx"), NULL, NULL, 0, 0},
    {OCTETS(START "\x21\x11\x00\x0c" V4 "x"), "192.0.2.1", "198.51.100.2", 1234, 25},
    {OCTETS(START "\x20\x00\x00\x00x"), NULL, NULL, 0, 0},
    {OCTETS(START "\x20\x11\x00\x0c" V4 "x"), NULL, NULL, 0, 0},
    {OCTETS(START "\x21\x00\x00\x02\xff\xffx"), NULL, NULL, 0, 0},
    {OCTETS(START "\x21\x12\x00\x0c" V4 "x"), NULL, NULL, 0, 0}, /* UDP */
    {OCTETS(START "\x21\x21\x00\x24"
                  "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                  "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"
                  "\x00\x07\x00\x19x"),
     "2001:db8::1", "2001:db8::2", 7, 25},
};

static void assert_address(const PosternAddress *address, const char *text, guint16 port)
{
    g_autofree char *found = postern_address_to_string(address);
    g_assert_cmpstr(found, ==, text != NULL ? text : "unknown");
    g_assert_cmpuint(address->port, ==, port);
}

/* Whole, and reading no more than is said to be missing: nothing of what follows is read. */
static void test_good(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        for (guint step = 0; step < 2; step++) {
            PosternProxyHeader header;
            const char *problem = NULL;
            gsize length = step == 0 ? good[i].length : 0;
            gsize octets = 0;
            int result;
            while ((result = postern_proxy_header_read(good[i].octets, length, &octets, &header, &problem)) ==
                   0) {
                g_assert_cmpuint(step, ==, 1);
                g_assert_cmpuint(octets, >=, 1);
                length += octets;
                g_assert_cmpuint(length, <, good[i].length);
            }
            g_assert_cmpint(result, ==, 1);
            g_assert_cmpuint(octets, ==, good[i].length - 1);
            g_assert_cmpint(header.proxied, ==, good[i].source != NULL);
            assert_address(&header.source, good[i].source, good[i].source_port);
            assert_address(&header.destination, good[i].destination, good[i].destination_port);
            postern_proxy_header_clear(&header);
        }
    }
}

static void test_octet_by_octet(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++)
        for (gsize length = 0; length < good[i].length; length++) {
            PosternProxyHeader header;
            const char *problem = NULL;
            gsize octets = 0;
            g_autofree guint8 *exact = g_memdup2(good[i].octets, length);
            int result = postern_proxy_header_read(exact, length, &octets, &header, &problem);
            g_assert_cmpint(result, ==, length == good[i].length - 1 ? 1 : 0);
            g_assert_cmpuint(octets + (result == 0 ? length : 0), <=, good[i].length - 1);
        }
}

static void test_bad(void)
{
    static const struct {
        const guint8 *octets;
        gsize length;
    } bad[] = {
        {OCTETS("EHLO client.example\r\n")},
        {OCTETS("PROXX")},
        {OCTETS("PROXY TCP4 192.0.2.1 198.51.100.2 1234 25\n")},
        {OCTETS("PROXY TCP4 192.0.2.1 198.51.100.2 1234\r\n")},
        {OCTETS("PROXY TCP4 192.0.2.1 198.51.100.2 1234 25 1\r\n")},
        {OCTETS("PROXY TCP4 192.0.2.1  198.51.100.2 1234 25\r\n")},
        {OCTETS("PROXY TCP4 192.0.2.1 198.51.100.2 65536 25\r\n")},
        {OCTETS("PROXY TCP4 192.0.2.1 198.51.100.2 -1 25\r\n")},
        {OCTETS("PROXY TCP4 192.0.2.1 198.51.100.2 01 25\r\n")},
        {OCTETS("PROXY TCP4 192.0.2.256 198.51.100.2 1 25\r\n")},
        {OCTETS("PROXY TCP4 ::1 ::1 1 25\r\n")},
        {OCTETS("PROXY TCP6 192.0.2.1 198.51.100.2 1 25\r\n")},
        {OCTETS("PROXY TCP5 192.0.2.1 198.51.100.2 1 25\r\n")},
        {OCTETS("PROXY TCP4 192.0.2.1\0198.51.100.2 1234 25\r\n")},
        {OCTETS("PROXY UNKNOWN "
                "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                "aaaaaaaaaaaaaa\r\n")},
        {OCTETS("\r\nEHLO")},
        {OCTETS(START "\x31\x11\x00\x0c" V4)},
        {OCTETS(START "\x22\x11\x00\x0c" V4)},
        {OCTETS(START "\x21\x11\x00\x0b" V4)},
        {OCTETS(START "\x21\x11\xff\xff")},
        {OCTETS(START "\x21\x11\x00\x0d" V4 "\x04")},
        {OCTETS(START "\x21\x11\x00\x0f" V4 "\x04\x00\x01")},
        {OCTETS(START "\x21\x11\x00\x10" V4 "\x20\x00\x01\x01")},             /* SSL too short */
        {OCTETS(START "\x21\x11\x00\x13" V4 "\x03\x00\x04\x01\x02\x03\x04")}, /* wrong checksum */
        {OCTETS(START "\x21\x11\x00\x10" V4 "\x03\x00\x01\x01")},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        PosternProxyHeader header;
        const char *problem = NULL;
        gsize octets = 0;
        g_assert_cmpint(postern_proxy_header_read(bad[i].octets, bad[i].length, &octets, &header, &problem),
                        ==, -1);
        g_assert_nonnull(problem);
    }
}

static void test_items(void)
{
    static const char octets[] = START "\x21\x11\x00"
                                       "\x6f" V4 "\x01\x00\x02h2\x04\x00\x01x\xee\x00\x00"
                                       "\x02\x00\x0emx.example.org\x02\x00\x01y"
                                       "\x05\x00\x05id\x01id\x05\x00\x04id-1"
                                       " \x00"
                                       "0\x07\x00\x00\x00\x00!\x00\x07TLSv1.3\x22\x00\x07"
                                       "Ada L\xc3\xa9#\x00\x11TLS_AES_128_GCM_S%\x00\x00";
    PosternProxyHeader header;
    const char *problem = NULL;
    gsize length = 0;
    g_assert_cmpint(postern_proxy_header_read(OCTETS(octets), &length, &header, &problem), ==, 1);
    g_assert_cmpstr(header.authority, ==, "mx.example.org");
    g_assert_cmpstr(header.unique_id, ==, "id-1");
    g_assert_true(header.tls && header.verified);
    g_assert_cmpstr(header.tls_version, ==, "TLSv1.3");
    g_assert_cmpstr(header.tls_name, ==, "Ada L\xc3\xa9");
    g_assert_cmpstr(header.tls_cipher, ==, "TLS_AES_128_GCM_S");
    postern_proxy_header_clear(&header);
}

/* A header whose checksum is right, and the same with a bit changed. */
static void test_checksum(void)
{
    guint8 octets[] = START "\x21\x11\x00\x13" V4 "\x03\x00\x04\x00\x00\x00\x00";
    const gsize length = sizeof octets - 1;
    guint32 sum = G_MAXUINT32;
    PosternProxyHeader header;
    const char *problem = NULL;
    gsize taken = 0;
    for (gsize i = 0; i < length; i++)
        for (guint bit = 0; bit < 8; bit++)
            sum = sum >> 1 ^ ((sum & 1) != (octets[i] >> bit & 1U) ? 0x82f63b78U : 0);
    sum = GUINT32_TO_BE(~sum);
    memcpy(&octets[length - 4], &sum, 4);
    g_assert_cmpint(postern_proxy_header_read(octets, length, &taken, &header, &problem), ==, 1);
    octets[20] ^= 0x10;
    g_assert_cmpint(postern_proxy_header_read(octets, length, &taken, &header, &problem), ==, -1);
}

/* What is written is read as it was. */
static void test_written(void)
{
    static const struct {
        const char *source, *destination, *source_back, *destination_back;
    } rows[] = {
        {"192.0.2.1", "198.51.100.2", "192.0.2.1", "198.51.100.2"},
        {"2001:db8::1", "2001:db8::2", "2001:db8::1", "2001:db8::2"},
        {"2001:db8::1", "192.0.2.2", "2001:db8::1", "192.0.2.2"},
        {"192.0.2.1", NULL, "192.0.2.1", "0.0.0.0"},
        {NULL, NULL, NULL, NULL},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
        for (guint version = 1; version <= 2; version++) {
            g_autoptr(GString) out = g_string_new("x");
            PosternProxyHeader header = {.proxied = rows[i].source != NULL,
                                         .tls = TRUE,
                                         .tls_version = g_strdup("TLSv1.3"),
                                         .tls_cipher = g_strdup("C"),
                                         .authority = g_strdup("mx.example"),
                                         .unique_id = g_strdup("u1")};
            PosternProxyHeader back;
            const char *problem = NULL;
            gsize length = 0;
            if (rows[i].source != NULL)
                postern_address_parse(&header.source, rows[i].source);
            if (rows[i].destination != NULL)
                postern_address_parse(&header.destination, rows[i].destination);
            header.source.port = 1234;
            postern_proxy_header_write(out, version, &header);
            g_assert_cmpint(postern_proxy_header_read((const guint8 *)out->str + 1, out->len - 1, &length,
                                                      &back, &problem),
                            ==, 1);
            g_assert_cmpuint(length, ==, out->len - 1);
            assert_address(&back.source, rows[i].source_back, rows[i].source != NULL ? 1234 : 0);
            assert_address(&back.destination, rows[i].destination_back, 0);
            const gboolean told = version == 2 && back.proxied;
            g_assert_cmpint(back.tls, ==, told);
            g_assert_false(back.verified);
            g_assert_cmpstr(back.tls_version, ==, told ? "TLSv1.3" : NULL);
            g_assert_cmpstr(back.tls_cipher, ==, told ? "C" : NULL);
            g_assert_cmpstr(back.authority, ==, told ? "mx.example" : NULL);
            g_assert_cmpstr(back.unique_id, ==, told ? "u1" : NULL);
            postern_proxy_header_clear(&header);
            postern_proxy_header_clear(&back);
        }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire/proxy-header/good", test_good);
    g_test_add_func("/wire/proxy-header/octet-by-octet", test_octet_by_octet);
    g_test_add_func("/wire/proxy-header/bad", test_bad);
    g_test_add_func("/wire/proxy-header/items", test_items);
    g_test_add_func("/wire/proxy-header/checksum", test_checksum);
    g_test_add_func("/wire/proxy-header/written", test_written);
    return g_test_run();
}
