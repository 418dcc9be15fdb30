#include "base/server_entry.h"

#include <string.h>

#include "base/configuration/check.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/limits.h"

static gboolean refuse(GError **error, const char *text, const char *why)
{
    return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "'%s' %s", text, why);
}

static gboolean take_number(const char *word, guint maximum, guint *ret_number, GError **error)
{
    guint64 number = 0;
    if (!g_ascii_string_to_unsigned(strchr(word, '=') + 1, 10, 1, maximum, &number, NULL))
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "'%s' is no number from 1 to %u", word,
                                 maximum);
    *ret_number = (guint)number;
    return TRUE;
}

static gboolean take_word(PosternServerEntry *entry, const char *word, GError **error)
{
    if (g_str_has_prefix(word, "weight="))
        return take_number(word, POSTERN_SERVER_WEIGHT_MAX, &entry->weight, error);
    if (g_str_has_prefix(word, "limit="))
        return take_number(word, POSTERN_CONNECTIONS_MAX, &entry->limit, error);
    gboolean *flag = g_str_equal(word, "backup")  ? &entry->backup
                     : g_str_equal(word, "drain") ? &entry->drain
                                                  : NULL;
    if (flag == NULL)
        return refuse(error, word,
                      "is none of weight=N, limit=N, backup and drain, which may follow a server");
    *flag = TRUE;
    return TRUE;
}

/* "_service._protocol.name", RFC 2782 */
static gboolean take_srv(PosternServerEntry *entry, const char *name, GError **error)
{
    g_auto(GStrv) labels = g_strsplit(name, ".", 3);
    for (guint i = 0; i < 2; i++)
        if (labels[0] == NULL || labels[i] == NULL || labels[i][0] != '_' ||
            !postern_configuration_check_domain(labels[i] + 1, NULL))
            return refuse(error, entry->place, "is not written as SRV records are: srv:_smtp._tcp.DOMAIN");
    if (labels[2] == NULL)
        return refuse(error, entry->place, "has no domain: write srv:_smtp._tcp.DOMAIN");
    if (!postern_configuration_check_domain(labels[2], error))
        return FALSE;
    entry->host = g_ascii_strdown(name, -1);
    entry->srv = TRUE;
    return TRUE;
}

/* FALSE: place is no NAME:PORT, which may be an address. */
static gboolean take_host(PosternServerEntry *entry, const char *place)
{
    const char *colon = strrchr(place, ':');
    guint64 port = 0;
    if (colon == NULL || !g_ascii_string_to_unsigned(colon + 1, 10, 1, G_MAXUINT16, &port, NULL))
        return FALSE;
    g_autofree char *name = g_ascii_strdown(place, colon - place);
    if (!postern_configuration_check_domain(name, NULL))
        return FALSE;
    entry->host = g_steal_pointer(&name);
    entry->address = (PosternAddress){.family = AF_UNSPEC, .port = (guint16)port};
    return TRUE;
}

static gboolean take_place(PosternServerEntry *entry, GError **error)
{
    struct sockaddr_storage storage;
    const char *place = entry->place;
    entry->lmtp = g_str_has_prefix(place, "lmtp:");
    if (entry->lmtp)
        place += strlen("lmtp:");
    if (g_str_has_prefix(place, "unix:"))
        return postern_address_from_path(&entry->address, place + strlen("unix:")) ||
               refuse(error, entry->place, "is not the absolute path of a socket: write unix:/PATH");
    if (g_str_has_prefix(place, "srv:"))
        return take_srv(entry, place + strlen("srv:"), error);
    if (take_host(entry, place))
        return TRUE;
    if (g_ascii_isalpha(place[0]) && strchr(place, ':') != NULL)
        return refuse(error, entry->place,
                      "is not ADDRESS:PORT, [ADDRESS]:PORT, NAME:PORT, srv:_smtp._tcp.DOMAIN or unix:/PATH");
    g_autoptr(GInetSocketAddress) endpoint = postern_endpoint_parse(place, error);
    if (endpoint == NULL)
        return FALSE;
    GInetAddress *address = g_inet_socket_address_get_address(endpoint);
    if (g_inet_address_get_is_any(address) || g_inet_address_get_is_multicast(address))
        return refuse(error, entry->place,
                      "cannot be connected to: name the address that the back-end listens on");
    if (!g_socket_address_to_native(G_SOCKET_ADDRESS(endpoint), &storage, sizeof storage, error))
        return FALSE;
    entry->address = postern_address_from_sockaddr((const struct sockaddr *)&storage);
    return TRUE;
}

PosternServerEntry *postern_server_entry_parse(const char *text, GError **error)
{
    g_autoptr(PosternServerEntry) entry = g_new0(PosternServerEntry, 1);
    g_auto(GStrv) words = g_strsplit_set(text, " \t", -1);
    entry->weight = 1;
    entry->place = g_strdup(words[0] != NULL ? words[0] : "");
    if (!take_place(entry, error))
        return NULL;
    for (guint i = 1; words[i] != NULL; i++)
        if (words[i][0] != '\0' && !take_word(entry, words[i], error))
            return NULL;
    if (entry->srv && strstr(text, "weight=") != NULL)
        return refuse(error, text, "has a weight, which its SRV records have already"), NULL;
    return g_steal_pointer(&entry);
}

void postern_server_entry_free(PosternServerEntry *entry)
{
    if (entry == NULL)
        return;
    g_free(entry->place);
    g_free(entry->host);
    g_free(entry);
}
