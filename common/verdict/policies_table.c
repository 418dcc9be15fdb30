#include "verdict/policies_table.h"

#include <string.h>

#include "base/configuration/check.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/suggestion.h"
#include "base/table_file.h"
#include "mail/envelope.h"

typedef struct {
    GHashTable *named;
    GHashTable *table;
} Reading;

static gboolean is_key(const char *key, GError **error)
{
    const char *at = strrchr(key, '@');
    g_autofree char *local_part = at ? g_strndup(key, (gsize)(at - key)) : NULL;
    const char *domain = at ? at + 1 : key;
    g_autoptr(GError) reason = NULL;
    if ((local_part && !postern_configuration_check_local_part(local_part, &reason)) ||
        ((!at || *domain) && !postern_configuration_check_domain(domain, &reason)))
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "%s", reason->message);
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
        postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                          "there is no group [policy %s] (did you mean '%s'?)", name, nearest);
    else
        postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "there is no group [policy %s]", name);
    return NULL;
}

static gboolean take_line(char *line, gpointer user_data, GError **error)
{
    const Reading *reading = user_data;
    const char *key = postern_table_word(&line);
    const char *name = postern_table_word(&line);
    if (*name == '\0' || *name == '#' || (*line && *line != '#'))
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                 "write ADDRESS NAME or DOMAIN NAME, NAME that of a group [policy NAME]");
    if (!is_key(key, error))
        return FALSE;
    PosternPolicy *policy = find_named(reading, name, error);
    g_autofree char *lower = g_ascii_strdown(key, -1);
    if (!policy)
        return FALSE;
    if (g_hash_table_contains(reading->table, lower))
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION, "'%s' stands there twice", key);
    if (g_hash_table_size(reading->table) >= POSTERN_RECIPIENT_POLICIES_MAX)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                 "is one too many: there may be %d recipients",
                                 POSTERN_RECIPIENT_POLICIES_MAX);
    g_hash_table_insert(reading->table, g_steal_pointer(&lower), policy);
    return TRUE;
}

GHashTable *postern_policies_table_read(const char *path, GHashTable *named, GError **error)
{
    g_autoptr(GHashTable) table = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    Reading reading = {named, table};
    if (!postern_table_file_read(path, "[clients] recipients", POSTERN_RECIPIENTS_FILE_MAX_OCTETS, take_line,
                                 &reading, error))
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

const PosternPolicy *postern_policies_table_find(GHashTable *table, const char *recipient)
{
    g_autofree char *local_part = NULL;
    g_autofree char *domain = NULL;
    const PosternPolicy *policy = NULL;
    postern_path_mailbox(recipient, &local_part, &domain);
    if (*domain) {
        policy = find_address(table, local_part, domain);
        if (!policy)
            policy = g_hash_table_lookup(table, domain);
    }
    return policy ? policy : find_address(table, local_part, "");
}
