/*
 * rua= of a hostile DMARC record: what is taken is an address that SMTP commands and headers can carry,
 * and the record's text is XML whatever it is.
 */
#include "report/rua.h"
#include "report/xml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(gboolean condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(GPtrArray) addresses = postern_rua_parse((const char *)data, size);
    require(addresses->len <= POSTERN_REPORT_ADDRESSES_MAX);
    for (guint i = 0; i < addresses->len; i++) {
        const PosternReportAddress *address = addresses->pdata[i];
        for (const char *letter = address->address; *letter != '\0'; letter++)
            require(g_ascii_isgraph(*letter) && strchr("<>\",;:\\()[]", *letter) == NULL);
        require(*postern_report_address_domain(address) != '\0');
    }
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GString) out = g_string_new("<a>");
    postern_report_xml_text(out, text);
    g_string_append(out, "</a>");
    g_autoptr(GMarkupParseContext) context =
        g_markup_parse_context_new(&(GMarkupParser){NULL}, G_MARKUP_DEFAULT_FLAGS, NULL, NULL);
    require(g_markup_parse_context_parse(context, out->str, (gssize)out->len, NULL) &&
            g_markup_parse_context_end_parse(context, NULL));
    return 0;
}
