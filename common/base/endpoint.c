#include "base/endpoint.h"

#include <string.h>

#include "base/error.h"

static gboolean refuse(GError **error, const char *text, const char *why)
{
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "'%s' %s", text, why);
}

/* The address part, without brackets, as a new string; *ret_port points behind the colon. */
static char *split(const char *text, const char **ret_port, GError **error)
{
    const char *colon = strrchr(text, ':');
    const char *bracket = text[0] == '[' ? strchr(text, ']') : NULL;

    if (bracket != NULL) {
        if (bracket[1] != ':')
            return refuse(error, text, "has no port: write [ADDRESS]:PORT"), NULL;
        *ret_port = bracket + 2;
        return g_strndup(text + 1, (gsize)(bracket - text - 1));
    }
    if (colon == NULL)
        return refuse(error, text, "has no port: write ADDRESS:PORT"), NULL;
    if (strchr(text, ':') != colon)
        return refuse(error, text, "needs brackets: write [ADDRESS]:PORT for IPv6"), NULL;
    *ret_port = colon + 1;
    return g_strndup(text, (gsize)(colon - text));
}

GInetSocketAddress *postern_endpoint_parse(const char *text, GError **error)
{
    if (strpbrk(text, "; ,\t") != NULL)
        return refuse(error, text, "is more than one address; a list has ';' between them"), NULL;

    const char *port_text = NULL;
    g_autofree char *address_text = split(text, &port_text, error);
    if (address_text == NULL)
        return NULL;

    guint64 port = 0;
    if (!g_ascii_string_to_unsigned(port_text, 10, 1, G_MAXUINT16, &port, NULL))
        return refuse(error, text, "has no valid port: 1 to 65535"), NULL;
    g_autoptr(GInetAddress) address = NULL;
    if (strchr(address_text, '%') == NULL)
        address = g_inet_address_new_from_string(address_text);
    gboolean is_ipv6 = address != NULL && g_inet_address_get_family(address) == G_SOCKET_FAMILY_IPV6;
    if (address == NULL || is_ipv6 != (text[0] == '['))
        return refuse(error, text, "is not ADDRESS:PORT or [ADDRESS]:PORT; names are not looked up"), NULL;
    return G_INET_SOCKET_ADDRESS(g_inet_socket_address_new(address, (guint16)port));
}
