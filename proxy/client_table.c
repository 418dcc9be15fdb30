#include "proxy/client_table.h"

#include <pthread.h>
#include <string.h>

/* Stripes keep threads out of each other's way; the total is one atomic number. */
#define STRIPES 64
#define KEY_OCTETS 9

typedef struct {
    guint8 octets[KEY_OCTETS]; /* 4 and the address, or 6 and the first 64 bits */
} Key;

typedef struct {
    Key key;
    guint connections;
    PosternBudget *share; /* or NULL: not asked for yet */
} Entry;

typedef struct {
    pthread_mutex_t mutex;
    GHashTable *entries; /* Key -> Entry */
} Stripe;

struct PosternClientTable {
    Stripe stripes[STRIPES];
    gint total;
};

static guint hash_key(gconstpointer data)
{
    const Key *key = data;
    guint hash = 5381;
    for (guint i = 0; i < KEY_OCTETS; i++)
        hash = hash * 33 + key->octets[i];
    return hash;
}

static gboolean equal_keys(gconstpointer a, gconstpointer b)
{
    return memcmp(a, b, sizeof(Key)) == 0;
}

static Key key_of(const PosternAddress *client)
{
    Key key = {{0}};
    if (client->family == AF_INET) {
        key.octets[0] = 4;
        memcpy(key.octets + 1, &client->ipv4, 4);
    } else if (client->family == AF_INET6) {
        key.octets[0] = 6;
        memcpy(key.octets + 1, &client->ipv6, 8);
    }
    return key;
}

static void entry_free(gpointer data)
{
    Entry *entry = data;
    postern_budget_unref(entry->share);
    g_free(entry);
}

PosternClientTable *postern_client_table_new(void)
{
    PosternClientTable *table = g_new0(PosternClientTable, 1);
    for (guint i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&table->stripes[i].mutex, NULL);
        table->stripes[i].entries = g_hash_table_new_full(hash_key, equal_keys, NULL, entry_free);
    }
    return table;
}

void postern_client_table_free(PosternClientTable *table)
{
    if (table == NULL)
        return;
    for (guint i = 0; i < STRIPES; i++) {
        pthread_mutex_destroy(&table->stripes[i].mutex);
        g_hash_table_unref(table->stripes[i].entries);
    }
    g_free(table);
}

static gboolean add_connection(Stripe *stripe, const Key *key, guint maximum)
{
    Entry *entry = g_hash_table_lookup(stripe->entries, key);
    if ((entry != NULL ? entry->connections : 0) >= maximum)
        return FALSE;
    if (entry == NULL) {
        entry = g_new0(Entry, 1);
        entry->key = *key;
        g_hash_table_insert(stripe->entries, &entry->key, entry);
    }
    entry->connections++;
    return TRUE;
}

PosternClientAdmission postern_client_table_enter(PosternClientTable *table, const PosternAddress *client,
                                                  guint maximum, guint maximum_total)
{
    Key key = key_of(client);
    Stripe *stripe = &table->stripes[hash_key(&key) % STRIPES];
    if ((guint)g_atomic_int_add(&table->total, 1) >= maximum_total) {
        g_atomic_int_add(&table->total, -1);
        return POSTERN_CLIENT_TOO_MANY_TOTAL;
    }
    pthread_mutex_lock(&stripe->mutex);
    gboolean admitted = add_connection(stripe, &key, maximum);
    pthread_mutex_unlock(&stripe->mutex);
    if (!admitted)
        g_atomic_int_add(&table->total, -1);
    return admitted ? POSTERN_CLIENT_ADMITTED : POSTERN_CLIENT_TOO_MANY;
}

void postern_client_table_leave(PosternClientTable *table, const PosternAddress *client)
{
    Key key = key_of(client);
    Stripe *stripe = &table->stripes[hash_key(&key) % STRIPES];
    pthread_mutex_lock(&stripe->mutex);
    Entry *entry = g_hash_table_lookup(stripe->entries, &key);
    if (--entry->connections == 0)
        g_hash_table_remove(stripe->entries, &key);
    pthread_mutex_unlock(&stripe->mutex);
    g_atomic_int_add(&table->total, -1);
}

PosternBudget *postern_client_table_share(PosternClientTable *table, const PosternAddress *client,
                                          PosternBudget *budget, guint64 maximum)
{
    Key key = key_of(client);
    Stripe *stripe = &table->stripes[hash_key(&key) % STRIPES];
    pthread_mutex_lock(&stripe->mutex);
    Entry *entry = g_hash_table_lookup(stripe->entries, &key);
    if (entry->share == NULL)
        entry->share = postern_budget_new_share(budget, maximum);
    PosternBudget *share = postern_budget_ref(entry->share);
    pthread_mutex_unlock(&stripe->mutex);
    return share;
}

guint postern_client_table_total(PosternClientTable *table)
{
    return (guint)g_atomic_int_get(&table->total);
}
