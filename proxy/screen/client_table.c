#include "proxy/screen/client_table.h"

#include <pthread.h>

/* Stripes keep threads out of each other's way; the total is one atomic number. */
#define STRIPES 64
typedef struct {
    guint64 number; /* of the client */
    guint connections;
    PosternBudget *share; /* or NULL: not asked for yet */
} Entry;

typedef struct {
    pthread_mutex_t mutex;
    GTree *entries; /* number -> Entry; who has many addresses chooses them: no hash without a key */
} Stripe;

struct PosternClientTable {
    Stripe stripes[STRIPES];
    gint total;
};

static void entry_free(gpointer data)
{
    Entry *entry = data;
    postern_budget_unref(entry->share);
    g_free(entry);
}

static gint compare_numbers(gconstpointer a, gconstpointer b, gpointer data)
{
    (void)data;
    const guint64 *first = a, *second = b;
    return (*first > *second) - (*first < *second);
}

PosternClientTable *postern_client_table_new(void)
{
    PosternClientTable *table = g_new0(PosternClientTable, 1);
    for (guint i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&table->stripes[i].mutex, NULL);
        table->stripes[i].entries = g_tree_new_full(compare_numbers, NULL, NULL, entry_free);
    }
    return table;
}

void postern_client_table_free(PosternClientTable *table)
{
    if (table == NULL)
        return;
    for (guint i = 0; i < STRIPES; i++) {
        pthread_mutex_destroy(&table->stripes[i].mutex);
        g_tree_unref(table->stripes[i].entries);
    }
    g_free(table);
}

static Stripe *stripe_of(PosternClientTable *table, guint64 number)
{
    return &table->stripes[g_int64_hash(&number) % STRIPES];
}

static gboolean add_connection(Stripe *stripe, guint64 number, guint maximum)
{
    Entry *entry = g_tree_lookup(stripe->entries, &number);
    if ((entry != NULL ? entry->connections : 0) >= maximum)
        return FALSE;
    if (entry == NULL) {
        entry = g_new0(Entry, 1);
        entry->number = number;
        g_tree_insert(stripe->entries, &entry->number, entry);
    }
    entry->connections++;
    return TRUE;
}

PosternClientAdmission postern_client_table_enter(PosternClientTable *table, const PosternAddress *client,
                                                  guint maximum, guint maximum_total)
{
    guint64 number = postern_address_client_number(client);
    Stripe *stripe = stripe_of(table, number);
    if ((guint)g_atomic_int_add(&table->total, 1) >= maximum_total) {
        g_atomic_int_add(&table->total, -1);
        return POSTERN_CLIENT_TOO_MANY_TOTAL;
    }
    pthread_mutex_lock(&stripe->mutex);
    gboolean admitted = add_connection(stripe, number, maximum);
    pthread_mutex_unlock(&stripe->mutex);
    if (!admitted)
        g_atomic_int_add(&table->total, -1);
    return admitted ? POSTERN_CLIENT_ADMITTED : POSTERN_CLIENT_TOO_MANY;
}

void postern_client_table_leave(PosternClientTable *table, const PosternAddress *client)
{
    guint64 number = postern_address_client_number(client);
    Stripe *stripe = stripe_of(table, number);
    pthread_mutex_lock(&stripe->mutex);
    Entry *entry = g_tree_lookup(stripe->entries, &number);
    if (--entry->connections == 0)
        g_tree_remove(stripe->entries, &number);
    pthread_mutex_unlock(&stripe->mutex);
    g_atomic_int_add(&table->total, -1);
}

PosternBudget *postern_client_table_share(PosternClientTable *table, const PosternAddress *client,
                                          PosternBudget *budget, guint64 maximum, guint64 assured)
{
    guint64 number = postern_address_client_number(client);
    Stripe *stripe = stripe_of(table, number);
    pthread_mutex_lock(&stripe->mutex);
    Entry *entry = g_tree_lookup(stripe->entries, &number);
    if (entry->share == NULL)
        entry->share = postern_budget_new_share(budget, maximum, assured);
    PosternBudget *share = postern_budget_ref(entry->share);
    pthread_mutex_unlock(&stripe->mutex);
    return share;
}

guint postern_client_table_total(PosternClientTable *table)
{
    return (guint)g_atomic_int_get(&table->total);
}

guint postern_client_table_connections(PosternClientTable *table, const PosternAddress *client)
{
    guint64 number = postern_address_client_number(client);
    Stripe *stripe = stripe_of(table, number);
    pthread_mutex_lock(&stripe->mutex);
    const Entry *entry = g_tree_lookup(stripe->entries, &number);
    guint connections = entry != NULL ? entry->connections : 0;
    pthread_mutex_unlock(&stripe->mutex);
    return connections;
}
