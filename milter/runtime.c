#include "milter/runtime.h"

#include <pthread.h>

#include "base/limits.h"

struct PosternMilterRuntime {
    PosternMilterBridge *bridge;
    pthread_mutex_t lock;
    PosternMilterSettings *settings; /* behind lock */
    gint waiting;                    /* atomic, as are the following */
    gint under_way;
    gint draining;
};

PosternMilterRuntime *postern_milter_runtime(void)
{
    static PosternMilterRuntime filter = {.lock = PTHREAD_MUTEX_INITIALIZER};
    return &filter;
}

void postern_milter_runtime_start(PosternMilterBridge *bridge, PosternMilterSettings *settings)
{
    PosternMilterRuntime *filter = postern_milter_runtime();
    filter->bridge = bridge;
    postern_milter_runtime_set_settings(filter, settings);
}

PosternMilterBridge *postern_milter_runtime_gateway(PosternMilterRuntime *filter)
{
    return filter->bridge;
}

PosternMilterSettings *postern_milter_runtime_settings(PosternMilterRuntime *filter)
{
    pthread_mutex_lock(&filter->lock);
    PosternMilterSettings *settings = postern_milter_settings_ref(filter->settings);
    pthread_mutex_unlock(&filter->lock);
    return settings;
}

void postern_milter_runtime_set_settings(PosternMilterRuntime *filter, PosternMilterSettings *settings)
{
    pthread_mutex_lock(&filter->lock);
    PosternMilterSettings *before = filter->settings;
    filter->settings = settings;
    pthread_mutex_unlock(&filter->lock);
    postern_milter_settings_unref(before);
}

PosternMilterWait postern_milter_runtime_wait_of(PosternClientClass client_class)
{
    gboolean local =
        client_class == POSTERN_CLIENT_AUTHENTICATED || client_class == POSTERN_CLIENT_OWN_NETWORK;
    return local ? POSTERN_MILTER_WAIT_LOCAL : POSTERN_MILTER_WAIT_EXTERNAL;
}

static guint room_for(const PosternMilterSettings *settings, PosternMilterWait wait)
{
    guint maximum = settings->configuration->milter.max_waiting;
    switch (wait) {
    case POSTERN_MILTER_WAIT_LOCAL:
        return maximum;
    case POSTERN_MILTER_WAIT_EXTERNAL:
        return maximum - maximum / 4;
    case POSTERN_MILTER_WAIT_AT_MAIL:
        return maximum - maximum / 2;
    }
    return 0;
}

gboolean postern_milter_runtime_is_full(PosternMilterRuntime *filter, const PosternMilterSettings *settings,
                                        PosternMilterWait wait)
{
    return (guint)g_atomic_int_get(&filter->waiting) >= room_for(settings, wait);
}

gboolean postern_milter_runtime_enter(PosternMilterRuntime *filter, const PosternMilterSettings *settings,
                                      PosternMilterWait wait)
{
    guint before = (guint)g_atomic_int_add(&filter->waiting, 1);
    if (before < room_for(settings, wait))
        return TRUE;
    postern_milter_runtime_leave(filter);
    return FALSE;
}

void postern_milter_runtime_leave(PosternMilterRuntime *filter)
{
    g_atomic_int_add(&filter->waiting, -1);
}

gboolean postern_milter_runtime_has_waiting(PosternMilterRuntime *filter)
{
    return g_atomic_int_get(&filter->waiting) > 0;
}

void postern_milter_runtime_count(PosternMilterRuntime *filter, int change)
{
    g_atomic_int_add(&filter->under_way, change);
}

guint postern_milter_runtime_under_way(PosternMilterRuntime *filter)
{
    return (guint)g_atomic_int_get(&filter->under_way);
}

void postern_milter_runtime_drain(PosternMilterRuntime *filter)
{
    g_atomic_int_set(&filter->draining, 1);
}

gboolean postern_milter_runtime_is_draining(PosternMilterRuntime *filter)
{
    return g_atomic_int_get(&filter->draining) != 0;
}
