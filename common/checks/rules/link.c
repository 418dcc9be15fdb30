#include "checks/rules/link.h"

#include <libpsl.h>
#include <string.h>

#include "checks/rules/table.h"

#define ADDRESS_MAX_OCTETS 2048

static gboolean has_scheme(const char *address, gsize *ret_length)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (gsize i = 0; i < G_N_ELEMENTS(schemes); i++) {
        *ret_length = strlen(schemes[i]);
        if (g_ascii_strncasecmp(address, schemes[i], *ret_length) == 0)
            return TRUE;
    }
    return FALSE;
}

/* Browsers take a backslash there for a slash, and more slashes than two for two. */
static char *host_at(const char *authority)
{
    authority += strspn(authority, "/\\");
    gsize length = strcspn(authority, "/\\?#");
    const char *at = g_strrstr_len(authority, (gssize)length, "@");
    const char *start = at != NULL ? at + 1 : authority;
    length -= (gsize)(start - authority);
    const char *bracket = *start == '[' ? memchr(start, ']', length) : NULL;
    const char *colon = bracket == NULL ? memchr(start, ':', length) : NULL;
    if (bracket != NULL)
        length = (gsize)(bracket + 1 - start);
    else if (colon != NULL)
        length = (gsize)(colon - start);
    while (length > 0 && start[length - 1] == '.')
        length--;
    g_autofree char *valid = length > 0 ? g_utf8_make_valid(start, (gssize)length) : NULL;
    return valid != NULL ? g_utf8_strdown(valid, -1) : NULL;
}

char *postern_link_host(const char *address)
{
    gsize scheme = 0;
    while (*address != '\0' && (guchar)*address <= ' ')
        address++;
    return has_scheme(address, &scheme) ? host_at(address + scheme) : NULL;
}

/* What a reader would take for an address: with its scheme, or beginning with "www.". */
static char *shown_host(const char *text)
{
    text += strspn(text, " \t\r\n\"'(<[");
    g_autofree char *first = g_strndup(text, strcspn(text, " \t\r\n>)]\"'"));
    gsize scheme = 0;
    if (has_scheme(first, &scheme))
        return host_at(first + scheme);
    return g_ascii_strncasecmp(first, "www.", 4) == 0 ? host_at(first) : NULL;
}

static gboolean is_address(const char *host)
{
    return *host == '[' || g_hostname_is_ip_address(host);
}

static const char *site_of(const char *host)
{
    const char *domain = is_address(host) ? NULL : psl_registrable_domain(psl_builtin(), host);
    return domain != NULL ? domain : host;
}

guint postern_link_kinds(const char *target, const char *text, char **ret_shown)
{
    g_autofree char *host = postern_link_host(target);
    g_autofree char *shown = text != NULL ? shown_host(text) : NULL;
    g_autofree char *ascii = host != NULL ? g_hostname_to_ascii(host) : NULL;
    g_autofree char *shown_ascii = shown != NULL ? g_hostname_to_ascii(shown) : NULL;
    guint kinds = 0;
    *ret_shown = NULL;
    if (host == NULL)
        return 0;
    if (is_address(host))
        kinds |= POSTERN_LINK_ADDRESS;
    if (g_str_has_prefix(host, "xn--") || strstr(host, ".xn--") != NULL || !g_str_is_ascii(host))
        kinds |= POSTERN_LINK_PUNYCODE;
    if (ascii != NULL && shown_ascii != NULL && strchr(shown_ascii, '.') != NULL &&
        g_ascii_strcasecmp(site_of(ascii), site_of(shown_ascii)) != 0) {
        kinds |= POSTERN_LINK_DECEPTIVE;
        *ret_shown = g_steal_pointer(&shown);
    }
    return kinds;
}

char *postern_link_next(const char *text, gsize length, gsize *offset)
{
    while (*offset < length) {
        const char *found = memmem(text + *offset, length - *offset, "://", 3);
        if (found == NULL)
            break;
        gsize at = (gsize)(found - text);
        *offset = at + 3;
        for (gsize scheme = 4; scheme <= 5; scheme++)
            if (at >= scheme &&
                g_ascii_strncasecmp(found - scheme, scheme == 4 ? "http" : "https", scheme) == 0) {
                gsize end = at + 3;
                while (end < length && end - at < ADDRESS_MAX_OCTETS && (guchar)text[end] > ' ' &&
                       strchr("<>\"'", text[end]) == NULL)
                    end++;
                *offset = end;
                return g_strndup(found - scheme, end - (at - scheme));
            }
    }
    *offset = length;
    return NULL;
}
