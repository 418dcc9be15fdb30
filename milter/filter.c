#include "milter/filter.h"

#include <pthread.h>

#include "base/limits.h"

struct PosternMilterFilter {
    PosternMilterGateway *gateway;
    pthread_mutex_t lock;
    PosternMilterSettings *settings; /* behind lock, as are the following two */
    GHashTable *offers;              /* connection to PosternMilterOffer *; NULL: none yet */
    GQueue order;                    /* of connections in offers, the oldest first */
    gint waiting;                    /* atomic, as are the following */
    gint under_way;
    gint draining;
};

PosternMilterFilter *postern_milter_filter(void)
{
    static PosternMilterFilter filter = {.lock = PTHREAD_MUTEX_INITIALIZER};
    return &filter;
}

void postern_milter_filter_start(PosternMilterGateway *gateway, PosternMilterSettings *settings)
{
    PosternMilterFilter *filter = postern_milter_filter();
    filter->gateway = gateway;
    postern_milter_filter_set_settings(filter, settings);
}

PosternMilterGateway *postern_milter_filter_gateway(PosternMilterFilter *filter)
{
    return filter->gateway;
}

PosternMilterSettings *postern_milter_filter_settings(PosternMilterFilter *filter)
{
    pthread_mutex_lock(&filter->lock);
    PosternMilterSettings *settings = postern_milter_settings_ref(filter->settings);
    pthread_mutex_unlock(&filter->lock);
    return settings;
}

void postern_milter_filter_set_settings(PosternMilterFilter *filter, PosternMilterSettings *settings)
{
    pthread_mutex_lock(&filter->lock);
    PosternMilterSettings *before = filter->settings;
    filter->settings = settings;
    pthread_mutex_unlock(&filter->lock);
    postern_milter_settings_unref(before);
}

void postern_milter_filter_remember(PosternMilterFilter *filter, gpointer connection,
                                    const PosternMilterOffer *offer)
{
    pthread_mutex_lock(&filter->lock);
    if (filter->offers == NULL)
        filter->offers = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    if (!g_hash_table_contains(filter->offers, connection)) {
        if (filter->order.length >= POSTERN_MILTER_OFFERS_MAX)
            g_hash_table_remove(filter->offers, g_queue_pop_head(&filter->order));
        g_queue_push_tail(&filter->order, connection);
    }
    g_hash_table_insert(filter->offers, connection, g_memdup2(offer, sizeof *offer));
    pthread_mutex_unlock(&filter->lock);
}

gboolean postern_milter_filter_recall(PosternMilterFilter *filter, gpointer connection,
                                      PosternMilterOffer *ret_offer)
{
    pthread_mutex_lock(&filter->lock);
    const PosternMilterOffer *offer =
        filter->offers != NULL ? g_hash_table_lookup(filter->offers, connection) : NULL;
    if (offer != NULL)
        *ret_offer = *offer;
    pthread_mutex_unlock(&filter->lock);
    return offer != NULL;
}

PosternMilterWait postern_milter_filter_wait_of(PosternClientClass client_class)
{
    gboolean ours =
        client_class == POSTERN_CLIENT_AUTHENTICATED || client_class == POSTERN_CLIENT_OWN_NETWORK;
    return ours ? POSTERN_MILTER_WAIT_OF_OUR_OWN : POSTERN_MILTER_WAIT_OF_A_STRANGER;
}

static guint room_for(const PosternMilterSettings *settings, PosternMilterWait wait)
{
    guint maximum = settings->configuration->milter.max_waiting;
    switch (wait) {
    case POSTERN_MILTER_WAIT_OF_OUR_OWN:
        return maximum;
    case POSTERN_MILTER_WAIT_OF_A_STRANGER:
        return maximum - maximum / 4;
    case POSTERN_MILTER_WAIT_AT_MAIL:
        return maximum - maximum / 2;
    }
    return 0;
}

gboolean postern_milter_filter_is_full(PosternMilterFilter *filter, const PosternMilterSettings *settings,
                                       PosternMilterWait wait)
{
    return (guint)g_atomic_int_get(&filter->waiting) >= room_for(settings, wait);
}

gboolean postern_milter_filter_enter(PosternMilterFilter *filter, const PosternMilterSettings *settings,
                                     PosternMilterWait wait)
{
    guint before = (guint)g_atomic_int_add(&filter->waiting, 1);
    if (before < room_for(settings, wait))
        return TRUE;
    postern_milter_filter_leave(filter);
    return FALSE;
}

void postern_milter_filter_leave(PosternMilterFilter *filter)
{
    g_atomic_int_add(&filter->waiting, -1);
}

gboolean postern_milter_filter_has_waiting(PosternMilterFilter *filter)
{
    return g_atomic_int_get(&filter->waiting) > 0;
}

void postern_milter_filter_count(PosternMilterFilter *filter, int change)
{
    g_atomic_int_add(&filter->under_way, change);
}

guint postern_milter_filter_under_way(PosternMilterFilter *filter)
{
    return (guint)g_atomic_int_get(&filter->under_way);
}

void postern_milter_filter_drain(PosternMilterFilter *filter)
{
    g_atomic_int_set(&filter->draining, 1);
}

gboolean postern_milter_filter_is_draining(PosternMilterFilter *filter)
{
    return g_atomic_int_get(&filter->draining) != 0;
}
