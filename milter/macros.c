#include "milter/macros.h"

#include <string.h>

#include "base/limits.h"
#include "wire/path.h"

static gboolean is_verified(const char *name, PosternMilterMacro macro, gpointer source)
{
    const char *resolved = macro(source, "{client_resolve}");
    if (name == NULL || name[0] == '\0' || name[0] == '[' || strchr(name, '@') != NULL)
        return FALSE;
    if (strlen(name) > POSTERN_DOMAIN_NAME_MAX_OCTETS || g_ascii_strcasecmp(name, "unknown") == 0)
        return FALSE;
    return resolved == NULL || g_ascii_strcasecmp(resolved, "OK") == 0;
}

static guint16 parse_port(const char *text)
{
    guint64 port = 0;
    return text != NULL && g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT16, &port, NULL) ? (guint16)port
                                                                                             : 0;
}

void postern_milter_macros_client(PosternEnvelope *envelope, const char *name, const struct sockaddr *address,
                                  PosternMilterMacro macro, gpointer source)
{
    PosternAddress client = {.family = AF_UNSPEC};
    const char *text = macro(source, "{client_addr}");
    if (address != NULL)
        client = postern_address_from_sockaddr(address);
    if (client.family == AF_UNSPEC && text != NULL && !postern_address_parse(&client, text))
        client.family = AF_UNSPEC;
    if (client.port == 0)
        client.port = parse_port(macro(source, "{client_port}"));
    envelope->client = client;
    g_free(envelope->client_name);
    envelope->client_name = is_verified(name, macro, source) ? g_strdup(name) : NULL;
}

gboolean postern_milter_macros_is_local(const char *name, const struct sockaddr *address)
{
    if (address != NULL)
        return address->sa_family == AF_UNIX;
    const char *host = name != NULL ? strrchr(name, '@') : NULL;
    host = host != NULL ? host + 1 : name;
    return host != NULL && g_ascii_strcasecmp(host, "localhost") == 0;
}

void postern_milter_macros_login(PosternEnvelope *envelope, PosternMilterMacro macro, gpointer source)
{
    const char *login = macro(source, "{auth_authen}");
    g_free(envelope->login);
    envelope->login = login != NULL && login[0] != '\0' ? g_strndup(login, POSTERN_PATH_MAX_OCTETS) : NULL;
}

char *postern_milter_macros_tls(PosternMilterMacro macro, gpointer source)
{
    const char *version = macro(source, "{tls_version}");
    const char *cipher = macro(source, "{cipher}");
    if (version == NULL || version[0] == '\0' || strlen(version) > POSTERN_DOMAIN_NAME_MAX_OCTETS)
        return NULL;
    if (cipher == NULL || cipher[0] == '\0' || strlen(cipher) > POSTERN_DOMAIN_NAME_MAX_OCTETS)
        return g_strdup(version);
    return g_strconcat(version, " ", cipher, NULL);
}

/* A server has looked at it already: what does not parse is taken as it stands, without its brackets. */
static char *path_of(const char *text)
{
    char *path = NULL;
    gsize consumed = 0;
    gsize length = strlen(text);
    if (postern_path_parse(text, length, POSTERN_PATH_UTF8 | POSTERN_PATH_TAKEN, &consumed, &path) == NULL &&
        consumed == length)
        return path;
    g_free(path);
    gboolean brackets = length >= 2 && text[0] == '<' && text[length - 1] == '>';
    return g_strndup(text + (brackets ? 1 : 0), MIN(length - (brackets ? 2 : 0), POSTERN_PATH_MAX_OCTETS));
}

char *postern_milter_macros_path(const char *argument, const char *name, PosternMilterMacro macro,
                                 gpointer source)
{
    const char *text = argument != NULL && argument[0] != '\0' ? argument : macro(source, name);
    return path_of(text != NULL ? text : "");
}
