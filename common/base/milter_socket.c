#include "base/milter_socket.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/limits.h"

static PosternMilterSocket *refuse(GError **error, const char *text, const char *why)
{
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "'%s' %s", text, why);
    return NULL;
}

static PosternMilterSocket *parse_unix(const char *text, const char *path, GError **error)
{
    if (path[0] != '/')
        return refuse(error, text, "has no absolute path: write unix:/PATH");
    if (strlen(path) > POSTERN_SOCKET_PATH_MAX_OCTETS)
        return refuse(error, text, "has a path too long for a socket: at most 107 octets (unix(7))");
    PosternMilterSocket *place = g_new0(PosternMilterSocket, 1);
    struct sockaddr_un *address = (struct sockaddr_un *)&place->address;
    place->family = address->sun_family = AF_UNIX;
    place->path = g_strdup(path);
    place->text = g_strconcat("unix:", path, NULL);
    place->length = sizeof *address;
    g_strlcpy(address->sun_path, path, sizeof address->sun_path);
    return place;
}

/* The address behind the '@', without brackets. */
static GInetAddress *parse_address(const char *text)
{
    gsize length = strlen(text);
    gboolean brackets = length > 2 && text[0] == '[' && text[length - 1] == ']';
    g_autofree char *address = brackets ? g_strndup(text + 1, length - 2) : g_strdup(text);
    return strchr(address, '%') == NULL ? g_inet_address_new_from_string(address) : NULL;
}

static PosternMilterSocket *parse_inet(const char *text, const char *rest, GSocketFamily family,
                                       GError **error)
{
    const char *at = strchr(rest, '@');
    guint64 port = 0;
    if (at == NULL)
        return refuse(error, text, "names no address: write inet:PORT@ADDRESS or inet6:PORT@ADDRESS");
    g_autofree char *port_text = g_strndup(rest, (gsize)(at - rest));
    if (!g_ascii_string_to_unsigned(port_text, 10, 1, G_MAXUINT16, &port, NULL))
        return refuse(error, text, "has no valid port: 1 to 65535");
    g_autoptr(GInetAddress) address = parse_address(at + 1);
    if (address == NULL || g_inet_address_get_family(address) != family)
        return refuse(error, text, "has no address of its kind behind the '@'; names are not looked up");
    g_autofree char *plain = g_inet_address_to_string(address);
    PosternMilterSocket *place = g_new0(PosternMilterSocket, 1);
    place->family = family == G_SOCKET_FAMILY_IPV4 ? AF_INET : AF_INET6;
    g_autoptr(GSocketAddress) whole = g_inet_socket_address_new(address, (guint16)port);
    (void)g_socket_address_to_native(whole, &place->address, sizeof place->address, NULL);
    place->length = (socklen_t)g_socket_address_get_native_size(whole);
    place->text =
        g_strdup_printf(place->family == AF_INET ? "inet:%u@[%s]" : "inet6:%u@[%s]", (guint)port, plain);
    return place;
}

PosternMilterSocket *postern_milter_socket_parse(const char *text, GError **error)
{
    if (g_str_has_prefix(text, "unix:"))
        return parse_unix(text, text + strlen("unix:"), error);
    if (g_str_has_prefix(text, "local:"))
        return parse_unix(text, text + strlen("local:"), error);
    if (g_str_has_prefix(text, "inet:"))
        return parse_inet(text, text + strlen("inet:"), G_SOCKET_FAMILY_IPV4, error);
    if (g_str_has_prefix(text, "inet6:"))
        return parse_inet(text, text + strlen("inet6:"), G_SOCKET_FAMILY_IPV6, error);
    return refuse(error, text,
                  "is no place for a milter: write inet:PORT@ADDRESS, inet6:PORT@ADDRESS or unix:PATH");
}

void postern_milter_socket_free(PosternMilterSocket *place)
{
    if (place == NULL)
        return;
    g_free(place->path);
    g_free(place->text);
    g_free(place);
}
