#include "inspector/queue.h"

struct PosternQueue {
    guint maximum;
    guint length;
    GQueue returned;
    GHashTable *lines; /* client -> GQueue * of items, never empty */
    GQueue turns;      /* of clients, each once */
};

PosternQueue *postern_queue_new(guint maximum)
{
    PosternQueue *queue = g_new0(PosternQueue, 1);
    queue->maximum = maximum;
    queue->lines = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, (GDestroyNotify)g_queue_free);
    g_queue_init(&queue->returned);
    g_queue_init(&queue->turns);
    return queue;
}

void postern_queue_free(PosternQueue *queue)
{
    if (queue == NULL)
        return;
    g_queue_clear(&queue->returned);
    g_queue_clear(&queue->turns);
    g_hash_table_unref(queue->lines);
    g_free(queue);
}

gboolean postern_queue_push(PosternQueue *queue, guint client, gpointer item)
{
    gpointer key = GUINT_TO_POINTER(client);
    GQueue *line = g_hash_table_lookup(queue->lines, key);
    guint share = MAX(1, queue->maximum / 2);
    if (queue->length >= queue->maximum || (line != NULL && g_queue_get_length(line) >= share))
        return FALSE;
    if (line == NULL) {
        line = g_queue_new();
        g_hash_table_insert(queue->lines, key, line);
        g_queue_push_tail(&queue->turns, key);
    }
    g_queue_push_tail(line, item);
    queue->length++;
    return TRUE;
}

void postern_queue_push_back(PosternQueue *queue, gpointer item)
{
    g_queue_push_tail(&queue->returned, item);
    queue->length++;
}

gpointer postern_queue_pop(PosternQueue *queue)
{
    if (queue->length == 0)
        return NULL;
    queue->length--;
    if (!g_queue_is_empty(&queue->returned))
        return g_queue_pop_head(&queue->returned);
    gpointer client = g_queue_pop_head(&queue->turns);
    GQueue *line = g_hash_table_lookup(queue->lines, client);
    gpointer item = g_queue_pop_head(line);
    if (g_queue_is_empty(line))
        g_hash_table_remove(queue->lines, client);
    else
        g_queue_push_tail(&queue->turns, client);
    return item;
}

gboolean postern_queue_remove(PosternQueue *queue, guint client, gpointer item)
{
    gpointer key = GUINT_TO_POINTER(client);
    if (g_queue_remove(&queue->returned, item)) {
        queue->length--;
        return TRUE;
    }
    GQueue *line = g_hash_table_lookup(queue->lines, key);
    if (line == NULL || !g_queue_remove(line, item))
        return FALSE;
    queue->length--;
    if (g_queue_is_empty(line)) {
        g_hash_table_remove(queue->lines, key);
        g_queue_remove(&queue->turns, key);
    }
    return TRUE;
}

guint postern_queue_length(const PosternQueue *queue)
{
    return queue->length;
}
