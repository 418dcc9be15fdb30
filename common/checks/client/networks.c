#include "checks/client/networks.h"

#include <string.h>

#include "base/configuration/check.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/suggestion.h"
#include "base/table_file.h"

#define MAPPED_PREFIX_BITS 96 /* RFC 4291 2.5.5.2 */

/* What an entry is found by: an IPv6 address, or an IPv4 one in its first octets, cut at bits. */
typedef struct {
    guint8 octets[16];
    guint8 bits;
    guint8 ipv6;
} Key;

struct PosternNetworkTable {
    GHashTable *entries;       /* Key * to PosternNetworkEntry * */
    gboolean used[2][128 + 1]; /* by family: there are entries of so many bits */
};

static guint key_hash(gconstpointer data)
{
    guint hash = 5381;
    for (gsize i = 0; i < sizeof(Key); i++)
        hash = hash * 33 + ((const guint8 *)data)[i];
    return hash;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(Key)) == 0;
}

static void entry_free(gpointer data)
{
    PosternNetworkEntry *entry = data;
    g_free(entry->network);
    g_free(entry->text);
    g_free(entry);
}

static Key key_of(const PosternAddress *address, guint bits)
{
    Key key = {.bits = (guint8)bits, .ipv6 = address->family == AF_INET6};
    memcpy(key.octets, &address->ipv4, key.ipv6 ? sizeof address->ipv6 : sizeof address->ipv4);
    for (guint i = 0; i < sizeof key.octets; i++) {
        guint kept = bits > i * 8 ? MIN(bits - i * 8, 8) : 0;
        key.octets[i] &= (guint8)(0xff00U >> kept);
    }
    return key;
}

/* text has passed postern_configuration_check_network(). */
static gboolean parse_key(const char *text, Key *ret_key, GError **error)
{
    PosternAddress address;
    g_auto(GStrv) parts = g_strsplit(text, "/", 2);
    if (!postern_configuration_check_network(text, error) || !postern_address_parse(&address, parts[0]))
        return FALSE;
    guint mapped = address.family == AF_INET && strchr(parts[0], ':') != NULL ? MAPPED_PREFIX_BITS : 0;
    guint bits = address.family == AF_INET ? 32 : 128;
    if (parts[1] != NULL) {
        guint given = (guint)g_ascii_strtoull(parts[1], NULL, 10);
        bits = given - MIN(given, mapped);
    }
    *ret_key = key_of(&address, bits);
    return TRUE;
}

static gboolean parse_action(const char *word, PosternAction *ret_action, GError **error)
{
    for (PosternAction action = POSTERN_ACTION_ACCEPT; action <= POSTERN_ACTION_REJECT; action++)
        if (g_str_equal(postern_actions[action], word) && action != POSTERN_ACTION_DISCARD) {
            *ret_action = action;
            return TRUE;
        }
    return postern_error_set(
        error, POSTERN_ERROR_CONFIGURATION,
        "write NETWORK ACTION TEXT, ACTION one of accept, mark, quarantine, tempfail and reject");
}

static gboolean take_line(char *line, gpointer user_data, GError **error)
{
    PosternNetworkTable *table = user_data;
    const char *network = postern_table_word(&line);
    const char *action = postern_table_word(&line);
    g_autofree Key *key = g_new0(Key, 1);
    PosternNetworkEntry entry = {.network = NULL};
    if (!parse_key(network, key, error) || !parse_action(action, &entry.action, error))
        return FALSE;
    if (g_hash_table_contains(table->entries, key) ||
        g_hash_table_size(table->entries) >= POSTERN_NETWORK_ENTRIES_MAX)
        return postern_error_set(error, POSTERN_ERROR_CONFIGURATION,
                                 "%s stands there twice, or is one too many: there may be %d networks",
                                 network, POSTERN_NETWORK_ENTRIES_MAX);
    entry.network = g_strdup(network);
    entry.text = line[0] != '\0' ? g_strndup(line, POSTERN_FINDING_TEXT_MAX_OCTETS) : NULL;
    table->used[key->ipv6][key->bits] = TRUE;
    g_hash_table_insert(table->entries, g_steal_pointer(&key), g_memdup2(&entry, sizeof entry));
    return TRUE;
}

PosternNetworkTable *postern_network_table_new(const char *path, GError **error)
{
    g_autoptr(PosternNetworkTable) table = g_new0(PosternNetworkTable, 1);
    table->entries = g_hash_table_new_full(key_hash, key_equal, g_free, entry_free);
    if (path[0] != '\0' &&
        !postern_table_file_read(path, "[clients] networks", POSTERN_NETWORKS_FILE_MAX_OCTETS, take_line,
                                 table, error))
        return NULL;
    return g_steal_pointer(&table);
}

void postern_network_table_free(PosternNetworkTable *table)
{
    if (table == NULL)
        return;
    g_hash_table_unref(table->entries);
    g_free(table);
}

const PosternNetworkEntry *postern_network_table_find(const PosternNetworkTable *table,
                                                      const PosternAddress *address)
{
    gboolean ipv6 = address->family == AF_INET6;
    if (address->family == AF_UNSPEC)
        return NULL;
    for (int bits = ipv6 ? 128 : 32; bits >= 0; bits--) {
        if (!table->used[ipv6][bits])
            continue;
        const Key key = key_of(address, (guint)bits);
        const PosternNetworkEntry *entry = g_hash_table_lookup(table->entries, &key);
        if (entry != NULL)
            return entry;
    }
    return NULL;
}
