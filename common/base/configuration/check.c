#include "base/configuration.h"

#include <arpa/inet.h>
#include <gio/gio.h>
#include <net/if.h>
#include <string.h>

#include "base/configuration/check.h"
#include "base/configuration/private.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/milter_socket.h"
#include "base/server_entry.h"
#include "base/suspicion.h"

#define LOCAL_PART_MAX_OCTETS 64 /* RFC 5321 4.5.3.1.1 */
#define USER_MAX_OCTETS 32       /* useradd(8) */
#define KEY_HASH_DIGITS 64       /* of SHA-256 */
#define TOO_LONG "has a path too long for a socket: at most 107 octets (unix(7))"

static gboolean require(gboolean condition, GError **error, const char *value, const char *problem)
{
    if (!condition)
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "'%s' %s", value, problem);
    return condition;
}

gboolean postern_configuration_check_log(const char *value, GError **error)
{
    return require(g_strcmp0(value, "stderr") == 0 || g_strcmp0(value, "syslog") == 0 ||
                       g_path_is_absolute(value),
                   error, value, "is neither stderr nor syslog nor the absolute path of a file");
}

gboolean postern_configuration_check_endpoint(const char *value, GError **error)
{
    g_autoptr(GInetSocketAddress) endpoint = postern_endpoint_parse(value, error);
    return endpoint != NULL;
}

gboolean postern_configuration_check_server(const char *value, GError **error)
{
    g_autoptr(PosternServerEntry) entry = postern_server_entry_parse(value, error);
    return entry != NULL;
}

static gboolean is_label(const char *label)
{
    gsize length = strlen(label);
    if (length == 0 || length > POSTERN_DOMAIN_LABEL_MAX_OCTETS || label[0] == '-' ||
        label[length - 1] == '-')
        return FALSE;
    return strspn(label, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") == length;
}

static gboolean is_domain(const char *value)
{
    if (strlen(value) > POSTERN_DOMAIN_NAME_MAX_OCTETS)
        return FALSE;
    g_auto(GStrv) labels = g_strsplit(value, ".", -1);
    guint count = 0;
    for (; labels[count] != NULL; count++)
        if (!is_label(labels[count]))
            return FALSE;
    return count > 0 && strspn(labels[count - 1], "0123456789") != strlen(labels[count - 1]);
}

gboolean postern_configuration_check_domain(const char *value, GError **error)
{
    return require(
        is_domain(value), error, value,
        "is not a domain name: labels of letters, digits and '-' with dots between, no dot at the end, "
        "not an address; other scripts in their xn-- form");
}

gboolean postern_configuration_check_user(const char *value, GError **error)
{
    gsize length = strlen(value);
    gboolean valid = length > 0 && length <= USER_MAX_OCTETS && value[0] != '-';
    for (const char *octet = value; *octet != '\0'; octet++)
        valid = valid && (g_ascii_isalnum(*octet) || strchr("_-.$", *octet) != NULL);
    return require(valid, error, value, "is not the name of a user");
}

gboolean postern_configuration_check_path(const char *value, GError **error)
{
    return require(g_path_is_absolute(value), error, value,
                   "is not an absolute path: it has to begin with '/'");
}

gboolean postern_configuration_check_key_hash(const char *value, GError **error)
{
    guint digits = 0;
    gboolean valid = TRUE;
    for (const char *at = value; *at != '\0'; at++)
        if (g_ascii_isxdigit(*at))
            digits++;
        else
            valid = valid && *at == ':' && digits > 0 && digits % 2 == 0;
    return require(valid && digits == KEY_HASH_DIGITS, error, value,
                   "is not the SHA-256 of a public key: it has 64 hexadecimal digits");
}

gboolean postern_configuration_check_clamd(const char *value, GError **error)
{
    g_autoptr(GInetSocketAddress) endpoint = postern_endpoint_parse(value, NULL);
    return require(
               endpoint != NULL || g_path_is_absolute(value), error, value,
               "is not the socket of a clamd: write its LocalSocket (an absolute path), or ADDRESS:PORT") &&
           require(endpoint != NULL || strlen(value) <= POSTERN_SOCKET_PATH_MAX_OCTETS, error, value,
                   TOO_LONG);
}

gboolean postern_configuration_check_http(const char *value, GError **error)
{
    gboolean is_path = g_str_has_prefix(value, "unix:/");
    g_autoptr(GInetSocketAddress) endpoint = is_path ? NULL : postern_endpoint_parse(value, NULL);
    return require(endpoint != NULL || is_path, error, value,
                   "is no place to listen: write ADDRESS:PORT or unix:PATH") &&
           require(!is_path || strlen(value) - strlen("unix:") <= POSTERN_SOCKET_PATH_MAX_OCTETS, error,
                   value, TOO_LONG);
}

gboolean postern_configuration_check_milter_socket(const char *value, GError **error)
{
    g_autoptr(PosternMilterSocket) place = postern_milter_socket_parse(value, error);
    return place != NULL;
}

gboolean postern_configuration_check_file_mode(const char *value, GError **error)
{
    guint64 mode = 0;
    gboolean valid = g_ascii_string_to_unsigned(value, 8, 0, 0777, &mode, NULL) && (mode & 0111) == 0;
    return require(valid && (mode & 0600) == 0600, error, value,
                   "is no mode of a socket: write 0600, 0660 or 0666");
}

/* The zone of a link-local address (RFC 4007 11, RFC 6724): the name or the number of an interface, which
 * need not be there yet. */
static gboolean is_scope(GInetAddress *address, const char *scope)
{
    gsize length = strspn(scope, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.");

    return length > 0 && length < IF_NAMESIZE && scope[length] == '\0' &&
           g_inet_address_get_is_link_local(address) &&
           g_inet_address_get_family(address) == G_SOCKET_FAMILY_IPV6;
}

gboolean postern_configuration_check_dns_server(const char *value, GError **error)
{
    const char *at = strchr(value, '@');
    g_autofree char *text = at == NULL ? g_strdup(value) : g_strndup(value, (gsize)(at - value));
    char *scope = strchr(text, '%');
    guint64 port = 0;

    if (scope != NULL)
        *scope++ = '\0';
    g_autoptr(GInetAddress) address = g_inet_address_new_from_string(text);
    gboolean valid = address != NULL && (scope == NULL || is_scope(address, scope)) &&
                     (at == NULL || g_ascii_string_to_unsigned(at + 1, 10, 1, G_MAXUINT16, &port, NULL));
    return require(valid, error, value,
                   "is not a DNS server: write ADDRESS or ADDRESS@PORT; a link-local one with %INTERFACE");
}

gboolean postern_configuration_check_network(const char *value, GError **error)
{
    g_autoptr(GError) reason = NULL;
    g_autoptr(GInetAddressMask) mask = NULL;
    const char *slash = strchr(value, '/');
    g_autofree char *address = slash != NULL ? g_strndup(value, (gsize)(slash - value)) : g_strdup(value);
    guint8 octets[sizeof(struct in6_addr)];
    guint64 bits = 0;

    /* GLib takes "10" for 0.0.0.10, and a scope for an address: who writes these means something else. */
    if ((inet_pton(AF_INET, address, octets) == 1 || inet_pton(AF_INET6, address, octets) == 1) &&
        (slash == NULL || g_ascii_string_to_unsigned(slash + 1, 10, 0, 128, &bits, NULL)))
        mask = g_inet_address_mask_new_from_string(value, &reason);
    return require(mask != NULL, error, value,
                   "is not a network: write ADDRESS or ADDRESS/BITS, with no bit set behind the first BITS");
}

gboolean postern_configuration_check_local_part(const char *value, GError **error)
{
    gsize length = strlen(value);
    gboolean valid = length > 0 && length <= LOCAL_PART_MAX_OCTETS;
    for (const char *octet = value; *octet != '\0'; octet++)
        valid = valid && (guchar)*octet > 0x20 && *octet != 0x7f && strchr("@<>\"\\()[]:", *octet) == NULL;
    return require(valid, error, value,
                   "is not a local part: what stands before the '@', as in 'postmaster'");
}

gboolean postern_configuration_check_error_action(const char *value, GError **error)
{
    return require(strcmp(value, "reject") != 0 && strcmp(value, "discard") != 0, error, value,
                   "is for good, and this error passes: use tempfail, quarantine, mark or accept");
}

gboolean postern_configuration_check_unscannable_action(const char *value, GError **error)
{
    return require(strcmp(value, "discard") != 0, error, value,
                   "would lose in silence what nobody has looked at: use quarantine, tempfail or reject") &&
           require(
               strcmp(value, "accept") != 0, error, value,
               "would pass in silence what nobody has looked at: use mark, quarantine, tempfail or reject");
}

gboolean postern_configuration_check_scan_error_action(const char *value, GError **error)
{
    return postern_configuration_check_error_action(value, error) &&
           postern_configuration_check_unscannable_action(value, error);
}

gboolean postern_configuration_check_permanent_action(const char *value, GError **error)
{
    return require(strcmp(value, "tempfail") != 0, error, value,
                   "would be said for ever, as the message stays what it is: use mark, quarantine or reject");
}

gboolean postern_configuration_check_kind_action(const char *value, GError **error)
{
    return postern_configuration_check_unscannable_action(value, error) &&
           postern_configuration_check_permanent_action(value, error);
}

gboolean postern_configuration_check_check(const char *value, GError **error)
{
    static const char *const checks[] = {"spf", "dkim", "dmarc", "arc", "virus", "rules", NULL};
    g_autofree char *name = g_ascii_strdown(value, -1);
    return require(g_strv_contains(checks, name), error, value,
                   "is no check: there are spf, dkim, dmarc, arc, virus and rules");
}

gboolean postern_configuration_check_subject_tag(const char *value, GError **error)
{
    gboolean valid = TRUE;
    for (const char *octet = value; *octet != '\0'; octet++)
        valid = valid && g_ascii_isprint(*octet);
    return require(valid, error, value, "is not printable ASCII, as a header field needs it");
}

gboolean postern_configuration_check_address(const char *value, GError **error)
{
    struct in6_addr address;
    return require(inet_pton(AF_INET, value, &address) == 1 || inet_pton(AF_INET6, value, &address) == 1,
                   error, value, "is not an IP address");
}

gboolean postern_configuration_check_mailbox(const char *value, GError **error)
{
    const char *at = strrchr(value, '@');
    gsize length = at != NULL ? (gsize)(at - value) : 0;
    gboolean valid = length > 0 && length <= LOCAL_PART_MAX_OCTETS && is_domain(at + 1);
    for (gsize i = 0; valid && i < length; i++)
        valid = g_ascii_isalnum(value[i]) || strchr("!#$%&'*+-/=?^_`{|}~.", value[i]) != NULL;
    return require(valid, error, value, "is not a mailbox: a local part without quotes, '@' and a domain");
}

gboolean postern_configuration_check_points(const char *value, GError **error)
{
    PosternReason reason;
    guint points;
    return require(postern_suspicion_parse(value, &reason, &points), error, value,
                   "is not REASON=POINTS, such as early_talker=3; postern-proxy(8) has the reasons");
}

gboolean postern_configuration_check_list_code(const char *value, GError **error)
{
    return postern_configuration_check_network(value, error) &&
           require(g_str_has_prefix(value, "127."), error, value,
                   "is no answer of a list: all are 127.x.x.x");
}
