#include "wire/proxy_header.h"

#include "split.h"

static void check_text(const char *text)
{
    for (const char *at = text; at != NULL && *at != '\0'; at++)
        g_assert_true((guchar)*at >= ' ' && *at != 0x7f);
    g_assert_true(text == NULL || (*text != '\0' && g_utf8_validate(text, -1, NULL)));
}

/* What was read is read again as it was. */
static void check_written(const PosternProxyHeader *header)
{
    for (guint version = 1; version <= 2; version++) {
        g_autoptr(GString) out = g_string_new(NULL);
        PosternProxyHeader back;
        const char *problem = NULL;
        gsize length = 0;
        postern_proxy_header_write(out, version, header);
        g_assert_cmpint(
            postern_proxy_header_read((const guint8 *)out->str, out->len, &length, &back, &problem), ==, 1);
        g_assert_cmpuint(length, ==, out->len);
        g_assert_cmpint(back.proxied, ==, header->proxied);
        g_autofree char *address = postern_address_to_string(&header->source);
        g_autofree char *again = postern_address_to_string(&back.source);
        g_assert_cmpstr(address, ==, again);
        g_assert_cmpuint(back.source.port, ==, header->source.port);
        if (version == 2 && header->proxied)
            g_assert_cmpstr(back.unique_id, ==, header->unique_id);
        postern_proxy_header_clear(&back);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    PosternProxyHeader header = {FALSE};
    const char *problem = NULL;
    gsize length = 0, octets = 0;
    int result = 0;
    /* No more than is missing at a time: what is whole then is so at once, and takes as much. */
    while (result == 0) {
        g_autofree guint8 *exact = g_memdup2(data, length);
        result = postern_proxy_header_read(exact, length, &octets, &header, &problem);
        if (result != 0)
            break;
        g_assert_cmpuint(octets, >=, 1);
        length += octets;
        if (length > size)
            return 0;
    }
    g_assert_true((result > 0) || problem != NULL);
    if (result < 0)
        return 0;
    g_assert_cmpuint(octets, ==, length);
    PosternProxyHeader whole;
    g_assert_cmpint(postern_proxy_header_read(data, size, &octets, &whole, &problem), ==, 1);
    g_assert_cmpuint(octets, ==, length);
    postern_proxy_header_clear(&whole);
    char *const texts[] = {header.tls_version, header.tls_cipher, header.tls_name, header.authority,
                           header.unique_id};
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++)
        check_text(texts[i]);
    check_written(&header);
    postern_proxy_header_clear(&header);
    return 0;
}
