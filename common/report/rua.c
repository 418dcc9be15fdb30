#include "report/rua.h"

#include <string.h>

#include "base/configuration/check.h"
#include "base/limits.h"

#define SCHEME "mailto:"

static void free_address(gpointer data)
{
    PosternReportAddress *address = data;
    g_free(address->address);
    g_free(address);
}

const char *postern_report_address_domain(const PosternReportAddress *address)
{
    return strrchr(address->address, '@') + 1;
}

/* "10m" as octets; 0: it is no size. */
static guint64 parse_size(const char *text)
{
    static const char units[] = "kmgt";
    char *end = NULL;
    if (!g_ascii_isdigit(text[0]))
        return 0;
    guint64 size = g_ascii_strtoull(text, &end, 10);
    const char *unit = *end != '\0' ? strchr(units, g_ascii_tolower(*end)) : NULL;
    if (*end != '\0' && (unit == NULL || end[1] != '\0'))
        return 0;
    for (guint i = 0; unit != NULL && i <= (guint)(unit - units); i++)
        size = size > G_MAXUINT64 / 1024 ? G_MAXUINT64 : size * 1024;
    return MAX(size, 1);
}

/* NULL: it is no address that reports can go to. */
static PosternReportAddress *parse_uri(char *uri)
{
    guint64 size = 0;
    char *mark = strchr(uri, '!');
    if (mark != NULL && (size = parse_size(mark + 1)) == 0)
        return NULL;
    if (mark != NULL)
        *mark = '\0';
    if (g_ascii_strncasecmp(uri, SCHEME, strlen(SCHEME)) != 0)
        return NULL;
    const char *start = uri + strlen(SCHEME);
    g_autofree char *address = g_uri_unescape_segment(start, start + strcspn(start, "?#"), NULL);
    if (address == NULL || !postern_configuration_check_mailbox(address, NULL))
        return NULL;
    for (char *letter = strrchr(address, '@'); *letter != '\0'; letter++)
        *letter = g_ascii_tolower(*letter);
    PosternReportAddress *found = g_new0(PosternReportAddress, 1);
    found->address = g_steal_pointer(&address);
    found->octets_max = size;
    return found;
}

static gboolean is_new(const GPtrArray *addresses, const char *address)
{
    for (guint i = 0; i < addresses->len; i++)
        if (g_str_equal(((const PosternReportAddress *)addresses->pdata[i])->address, address))
            return FALSE;
    return TRUE;
}

GPtrArray *postern_rua_parse(const char *list, gsize length)
{
    GPtrArray *addresses = g_ptr_array_new_with_free_func(free_address);
    for (gsize at = 0; at < length && addresses->len < POSTERN_REPORT_ADDRESSES_MAX;) {
        const char *comma = memchr(list + at, ',', length - at);
        gsize end = comma != NULL ? (gsize)(comma - list) : length;
        gboolean has_nul = memchr(list + at, '\0', end - at) != NULL;
        g_autofree char *uri = g_strstrip(g_strndup(list + at, end - at));
        PosternReportAddress *address = has_nul ? NULL : parse_uri(uri);
        if (address != NULL && is_new(addresses, address->address))
            g_ptr_array_add(addresses, address);
        else if (address != NULL)
            free_address(address);
        at = end + 1;
    }
    return addresses;
}
