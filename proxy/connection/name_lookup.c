#include "base/fair_queue.h"
#include "proxy/connection/thread_private.h"

/* What the DNS has for the servers of one name. */
struct PosternNameLookup {
    PosternProxyThread *thread;
    PosternPool *pool;
    PosternServerSettings *named;
    PosternAnswers *answers;
    gpointer ask;
};

void postern_name_lookup_free(PosternNameLookup *lookup)
{
    if (lookup == NULL)
        return;
    if (lookup->ask != NULL)
        lookup->thread->world->functions->ask_cancel(lookup->ask);
    postern_answers_unref(lookup->answers);
    postern_server_settings_free(lookup->named);
    g_free(lookup);
}

static void look_up(PosternNameLookup *lookup);

static void on_answers(gpointer user_data)
{
    PosternNameLookup *lookup = user_data;
    PosternProxyThread *thread = lookup->thread;
    lookup->ask = NULL;
    look_up(lookup);
    postern_thread_run(thread);
}

static void look_up(PosternNameLookup *lookup)
{
    PosternProxyThread *thread = lookup->thread;
    PosternWorld *world = thread->world;
    PosternNamedServers found;
    if (!postern_named_servers_find(lookup->named, lookup->answers, &found)) {
        lookup->ask =
            world->functions->ask(world, POSTERN_FAIR_QUEUE_NOBODY, lookup->answers, on_answers, lookup);
        return;
    }
    postern_named_servers_leave_out_own(&found, lookup->named, thread->settings->configuration);
    postern_pool_looked_up(lookup->pool, lookup->named, &found, postern_thread_now(thread));
    postern_relay_probe_tidy(thread, lookup->pool);
    g_ptr_array_remove_fast(thread->lookups, lookup);
}

void postern_name_lookup_start(PosternProxyThread *thread, PosternPool *pool,
                               const PosternServerSettings *named)
{
    PosternNameLookup *lookup = g_new0(PosternNameLookup, 1);
    lookup->thread = thread;
    lookup->pool = pool;
    lookup->named = postern_server_settings_copy(named);
    lookup->answers = postern_answers_new();
    g_ptr_array_add(thread->lookups, lookup);
    look_up(lookup);
}

void postern_name_lookup_remove(PosternProxyThread *thread, const PosternPool *pool)
{
    for (guint i = thread->lookups->len; i > 0; i--) {
        const PosternNameLookup *lookup = g_ptr_array_index(thread->lookups, i - 1);
        if (lookup->pool == pool)
            g_ptr_array_remove_index(thread->lookups, i - 1);
    }
}
