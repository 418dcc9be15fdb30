#include "proxy/screen/orders.h"

#include <pthread.h>

#include "base/limits.h"

#define STRIPES 16

typedef struct {
    pthread_mutex_t mutex;
    GHashTable *orders; /* of PosternOrder, by client */
} Stripe;

struct PosternOrders {
    Stripe stripes[STRIPES];
    gint count; /* of those that may be over, too */
    gint serial;
};

PosternOrders *postern_orders_new(void)
{
    PosternOrders *orders = g_new0(PosternOrders, 1);
    for (guint i = 0; i < STRIPES; i++) {
        pthread_mutex_init(&orders->stripes[i].mutex, NULL);
        orders->stripes[i].orders = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, g_free);
    }
    return orders;
}

void postern_orders_free(PosternOrders *orders)
{
    if (orders == NULL)
        return;
    for (guint i = 0; i < STRIPES; i++) {
        pthread_mutex_destroy(&orders->stripes[i].mutex);
        g_hash_table_unref(orders->stripes[i].orders);
    }
    g_free(orders);
}

static Stripe *lock(PosternOrders *orders, guint64 client)
{
    Stripe *stripe = &orders->stripes[(client ^ client >> 32) % STRIPES];
    pthread_mutex_lock(&stripe->mutex);
    return stripe;
}

GArray *postern_orders_list(PosternOrders *orders, gint64 now)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(PosternOrder));
    for (guint i = 0; i < STRIPES; i++) {
        GHashTableIter iterator;
        gpointer order;
        pthread_mutex_lock(&orders->stripes[i].mutex);
        g_hash_table_iter_init(&iterator, orders->stripes[i].orders);
        while (g_hash_table_iter_next(&iterator, NULL, &order)) {
            if (((PosternOrder *)order)->until > now) {
                g_array_append_vals(list, order, 1);
            } else {
                g_hash_table_iter_remove(&iterator);
                g_atomic_int_add(&orders->count, -1);
            }
        }
        pthread_mutex_unlock(&orders->stripes[i].mutex);
    }
    return list;
}

gboolean postern_orders_set(PosternOrders *orders, const PosternOrder *order, gint64 now)
{
    g_autoptr(GArray) holding = postern_orders_list(orders, now);
    Stripe *stripe = lock(orders, order->client);
    gboolean taken = order->kind == POSTERN_ORDER_NONE || holding->len < POSTERN_ORDERS_MAX ||
                     g_hash_table_contains(stripe->orders, &order->client);
    if (taken) {
        g_atomic_int_add(&orders->count, g_hash_table_remove(stripe->orders, &order->client) ? -1 : 0);
        if (order->kind != POSTERN_ORDER_NONE) {
            PosternOrder *kept = g_memdup2(order, sizeof *order);
            g_hash_table_insert(stripe->orders, &kept->client, kept);
            g_atomic_int_inc(&orders->count);
        }
    }
    pthread_mutex_unlock(&stripe->mutex);
    g_atomic_int_inc(&orders->serial);
    return taken;
}

PosternOrder postern_orders_find(PosternOrders *orders, guint64 client, gint64 now)
{
    PosternOrder none = {.client = client, .kind = POSTERN_ORDER_NONE};
    if (g_atomic_int_get(&orders->count) == 0)
        return none;
    Stripe *stripe = lock(orders, client);
    const PosternOrder *found = g_hash_table_lookup(stripe->orders, &client);
    const PosternOrder order = found != NULL && found->until > now ? *found : none;
    pthread_mutex_unlock(&stripe->mutex);
    return order;
}

guint postern_orders_serial(PosternOrders *orders)
{
    return (guint)g_atomic_int_get(&orders->serial);
}
