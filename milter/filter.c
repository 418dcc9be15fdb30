#include "milter/filter.h"

#include <pthread.h>

struct PosternMilterFilter {
    PosternMilterGateway *gateway;
    pthread_mutex_t lock;
    PosternMilterSettings *settings; /* behind lock */
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

gboolean postern_milter_filter_is_full(PosternMilterFilter *filter, const PosternMilterSettings *settings)
{
    return (guint)g_atomic_int_get(&filter->waiting) >= settings->configuration->milter.max_waiting;
}

gboolean postern_milter_filter_enter(PosternMilterFilter *filter, const PosternMilterSettings *settings)
{
    guint before = (guint)g_atomic_int_add(&filter->waiting, 1);
    if (before < settings->configuration->milter.max_waiting)
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
