#include "verdict/policies_table.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/configuration/check.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/suggestion.h"

typedef struct {
    const char *path;
    GHashTable *named;
    GHashTable *table;
    guint number;
} Reading;

static gboolean refuse(const Reading *reading, GError **error, const char *format, ...) G_GNUC_PRINTF(3, 4);

static gboolean refuse(const Reading *reading, GError **error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);

    g_autofree char *what = g_strdup_vprintf(format, arguments);

    va_end(arguments);
    g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION, "%s: line %u: %s", reading->path,
                reading->number, what);
    return FALSE;
}

static gboolean is_key(const Reading *reading, const char *key, GError **error)
{
    const char *at = strrchr(key, '@');
    g_autofree char *local_part = at ? g_strndup(key, (gsize)(at - key)) : NULL;
    const char *domain = at ? at + 1 : key;
    g_autoptr(GError) reason = NULL;

    if ((local_part && !postern_configuration_check_local_part(local_part, &reason)) ||
        ((!at || *domain) && !postern_configuration_check_domain(domain, &reason)))
        return refuse(reading, error, "%s", reason->message);
    return TRUE;
}

static PosternPolicy *find_named(const Reading *reading, const char *name, GError **error)
{
    PosternPolicy *policy = *name ? g_hash_table_lookup(reading->named, name) : NULL;

    if (policy)
        return policy;

    g_autofree gpointer *names = g_hash_table_get_keys_as_array(reading->named, NULL);
    const char *nearest = postern_suggestion_for_name(name, (const char *const *)names);

    if (nearest && *nearest)
        refuse(reading, error, "there is no group [policy %s] (did you mean '%s'?)", name, nearest);
    else
        refuse(reading, error, "there is no group [policy %s]", name);
    return NULL;
}

static gboolean read_line(Reading *reading, char *line, GError **error)
{
    const char *white = " \t\r";
    char *key = line + strspn(line, white);
    char *name = key + strcspn(key, white);

    if (*key == '\0' || *key == '#')
        return TRUE;
    if (*name)
        *name++ = '\0';
    name += strspn(name, white);

    char *rest = name + strcspn(name, white);

    if (*rest)
        *rest++ = '\0';
    rest += strspn(rest, white);
    if (*name == '\0' || *name == '#' || (*rest && *rest != '#'))
        return refuse(reading, error,
                      "write ADDRESS NAME or DOMAIN NAME, NAME that of a group [policy NAME]");
    if (!is_key(reading, key, error))
        return FALSE;

    PosternPolicy *policy = find_named(reading, name, error);
    g_autofree char *lower = g_ascii_strdown(key, -1);

    if (!policy)
        return FALSE;
    if (g_hash_table_contains(reading->table, lower))
        return refuse(reading, error, "'%s' stands there twice", key);
    if (g_hash_table_size(reading->table) >= POSTERN_RECIPIENT_POLICIES_MAX)
        return refuse(reading, error, "is one too many: there may be %d recipients",
                      POSTERN_RECIPIENT_POLICIES_MAX);
    g_hash_table_insert(reading->table, g_steal_pointer(&lower), policy);
    return TRUE;
}

static gboolean read_lines(Reading *reading, const char *text, gsize length, GError **error)
{
    const char *end = text + length;

    while (text < end) {
        const char *newline = memchr(text, '\n', (gsize)(end - text));
        gsize octets = (gsize)((newline ? newline : end) - text);
        g_autofree char *line = g_strndup(text, octets);

        reading->number++;
        if (strlen(line) != octets)
            return refuse(reading, error, "has an octet 0: it is no text");
        if (!read_line(reading, line, error))
            return FALSE;
        text += octets + (newline ? 1 : 0);
    }
    return TRUE;
}

/* Reads at most one octet more than is allowed. */
static GString *read_file(const char *path, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    FILE *file = fopen(path, "re");
    char chunk[16384];
    gsize count;

    while (file && text->len <= POSTERN_RECIPIENTS_FILE_MAX_OCTETS &&
           (count = fread(chunk, 1, sizeof chunk, file)) > 0)
        g_string_append_len(text, chunk, (gssize)count);

    int number = errno;
    gboolean failed = !file || ferror(file);

    if (file)
        fclose(file);
    if (failed) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                    "%s: [clients] recipients cannot be read: %s", path, g_strerror(number));
        return NULL;
    }
    if (text->len > POSTERN_RECIPIENTS_FILE_MAX_OCTETS) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_CONFIGURATION,
                    "%s: [clients] recipients is larger than %d octets", path,
                    POSTERN_RECIPIENTS_FILE_MAX_OCTETS);
        return NULL;
    }
    return g_steal_pointer(&text);
}

GHashTable *postern_policies_table_read(const char *path, GHashTable *named, GError **error)
{
    g_autoptr(GString) text = read_file(path, error);

    if (!text)
        return NULL;

    g_autoptr(GHashTable) table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Reading reading = {path, named, table, 0};

    if (!read_lines(&reading, text->str, text->len, error))
        return NULL;
    return g_steal_pointer(&table);
}

/* LOCAL@DOMAIN, then the same without a subaddress (RFC 5233). */
static const PosternPolicy *find_address(GHashTable *table, const char *local_part, const char *domain)
{
    g_autofree char *whole = g_strdup_printf("%s@%s", local_part, domain);
    const PosternPolicy *policy = g_hash_table_lookup(table, whole);
    gsize length = strcspn(local_part, "+");

    if (policy || length == 0 || local_part[length] == '\0')
        return policy;

    g_autofree char *user = g_strdup_printf("%.*s@%s", (int)length, local_part, domain);

    return g_hash_table_lookup(table, user);
}

/* "user" and user are the same mailbox (RFC 5321 4.1.2): a sender is not to choose its policy by how he
 * writes it. */
static void unquote(char *local_part)
{
    gsize length = strlen(local_part);
    gsize kept = 0;

    if (length < 2 || local_part[0] != '"' || local_part[length - 1] != '"')
        return;
    for (gsize i = 1; i + 1 < length; i++) {
        if (local_part[i] == '\\' && i + 2 < length)
            i++;
        local_part[kept++] = local_part[i];
    }
    local_part[kept] = '\0';
}

/* As it stands in the table: without a final dot, and U-labels as A-labels. */
static char *normal_domain(const char *domain)
{
    char *normal = g_str_is_ascii(domain) ? NULL : g_hostname_to_ascii(domain);

    if (!normal)
        normal = g_strdup(domain);
    if (g_str_has_suffix(normal, "."))
        normal[strlen(normal) - 1] = '\0';
    return normal;
}

const PosternPolicy *postern_policies_table_find(GHashTable *table, const char *recipient)
{
    g_autofree char *local_part = g_ascii_strdown(recipient, -1);
    char *at = strrchr(local_part, '@');
    g_autofree char *domain = normal_domain(at ? at + 1 : "");
    const PosternPolicy *policy = NULL;

    if (at)
        *at = '\0';
    unquote(local_part);
    if (*domain) {
        policy = find_address(table, local_part, domain);
        if (!policy)
            policy = g_hash_table_lookup(table, domain);
    }
    return policy ? policy : find_address(table, local_part, "");
}
