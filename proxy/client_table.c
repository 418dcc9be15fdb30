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
    pthread_mutex_t mutex;
    GHashTable *counts; /* Key -> guint in a pointer */
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

PosternClientTable *postern_client_table_new(void)
{
    PosternClientTable *table = g_new0(PosternClientTable, 1);
    for (guint i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&table->stripes[i].mutex, NULL);
        table->stripes[i].counts = g_hash_table_new_full(hash_key, equal_keys, g_free, NULL);
    }
    return table;
}

void postern_client_table_free(PosternClientTable *table)
{
    if (table == NULL)
        return;
    for (guint i = 0; i < STRIPES; i++) {
        pthread_mutex_destroy(&table->stripes[i].mutex);
        g_hash_table_unref(table->stripes[i].counts);
    }
    g_free(table);
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
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(stripe->counts, &key));
    gboolean admitted = count < maximum;
    if (admitted)
        g_hash_table_insert(stripe->counts, g_memdup2(&key, sizeof key), GUINT_TO_POINTER(count + 1));
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
    guint count = GPOINTER_TO_UINT(g_hash_table_lookup(stripe->counts, &key));
    if (count > 1)
        g_hash_table_insert(stripe->counts, g_memdup2(&key, sizeof key), GUINT_TO_POINTER(count - 1));
    else
        g_hash_table_remove(stripe->counts, &key);
    pthread_mutex_unlock(&stripe->mutex);
    g_atomic_int_add(&table->total, -1);
}

guint postern_client_table_total(PosternClientTable *table)
{
    return (guint)g_atomic_int_get(&table->total);
}
