#include "base/fair_queue.h"

struct PosternFairClient {
    guint64 number;
    guint admitted;
    GQueue waiting;   /* of PosternFairPlace * */
    GList ready_link; /* in ready, while somebody waits; data is the client */
};

struct PosternFairQueue {
    guint capacity;
    guint admitted;
    guint waiting;
    guint needy;
    GTree
        *clients; /* number -> PosternFairClient, those that have a place. A tree: numbers are strangers'. */
    GQueue ready; /* of PosternFairClient *, in the order of their turns */
};

static gint compare_numbers(gconstpointer a, gconstpointer b, gpointer data)
{
    guint64 one = *(const guint64 *)a;
    guint64 other = *(const guint64 *)b;
    return one < other ? -1 : one > other;
}

PosternFairQueue *postern_fair_queue_new(guint capacity)
{
    PosternFairQueue *queue = g_new0(PosternFairQueue, 1);
    queue->capacity = capacity;
    queue->clients = g_tree_new_full(compare_numbers, NULL, NULL, g_free);
    g_queue_init(&queue->ready);
    return queue;
}

void postern_fair_queue_free(PosternFairQueue *queue)
{
    if (queue == NULL)
        return;
    g_tree_unref(queue->clients);
    g_free(queue);
}

static PosternFairClient *client_of(PosternFairQueue *queue, guint64 number)
{
    PosternFairClient *client = g_tree_lookup(queue->clients, &number);
    if (client == NULL) {
        client = g_new0(PosternFairClient, 1);
        client->number = number;
        client->ready_link.data = client;
        g_queue_init(&client->waiting);
        g_tree_insert(queue->clients, &client->number, client);
    }
    return client;
}

/* Before and after each change of a client: who is needy. */
static guint need_of(const PosternFairClient *client)
{
    return client->waiting.length > 0 &&
           (client->admitted == 0 || client->number == POSTERN_FAIR_QUEUE_NOBODY);
}

void postern_fair_queue_wait(PosternFairQueue *queue, PosternFairPlace *place, guint64 number, gboolean first)
{
    g_return_if_fail(place->state == POSTERN_FAIR_PLACE_NONE);
    PosternFairClient *client = client_of(queue, number);
    queue->needy -= need_of(client);
    place->client = client;
    place->link.data = place;
    place->state = POSTERN_FAIR_PLACE_WAITING;
    if (client->waiting.length == 0)
        g_queue_push_tail_link(&queue->ready, &client->ready_link);
    if (first)
        g_queue_push_head_link(&client->waiting, &place->link);
    else
        g_queue_push_tail_link(&client->waiting, &place->link);
    queue->waiting++;
    queue->needy += need_of(client);
}

static gboolean may_have_one(const PosternFairQueue *queue, const PosternFairClient *client)
{
    guint left = queue->capacity - queue->admitted;
    return left > 0 &&
           (client->admitted == 0 || client->admitted < left || client->number == POSTERN_FAIR_QUEUE_NOBODY);
}

static void take_out(PosternFairQueue *queue, PosternFairPlace *place)
{
    PosternFairClient *client = place->client;
    g_queue_unlink(&client->waiting, &place->link);
    queue->waiting--;
    if (client->waiting.length == 0)
        g_queue_unlink(&queue->ready, &client->ready_link);
}

PosternFairPlace *postern_fair_queue_admit(PosternFairQueue *queue)
{
    for (guint looked_at = 0; looked_at < queue->ready.length && queue->admitted < queue->capacity;
         looked_at++) {
        GList *turn = g_queue_pop_head_link(&queue->ready);
        PosternFairClient *client = turn->data;
        g_queue_push_tail_link(&queue->ready, turn);
        if (!may_have_one(queue, client))
            continue;
        PosternFairPlace *place = client->waiting.head->data;
        queue->needy -= need_of(client);
        take_out(queue, place);
        place->state = POSTERN_FAIR_PLACE_ADMITTED;
        client->admitted++;
        queue->admitted++;
        queue->needy += need_of(client);
        return place;
    }
    return NULL;
}

void postern_fair_queue_leave(PosternFairQueue *queue, PosternFairPlace *place)
{
    PosternFairClient *client = place->client;
    if (place->state == POSTERN_FAIR_PLACE_NONE)
        return;
    queue->needy -= need_of(client);
    if (place->state == POSTERN_FAIR_PLACE_WAITING) {
        take_out(queue, place);
    } else {
        client->admitted--;
        queue->admitted--;
    }
    queue->needy += need_of(client);
    place->state = POSTERN_FAIR_PLACE_NONE;
    place->client = NULL;
    if (client->admitted == 0 && client->waiting.length == 0)
        g_tree_remove(queue->clients, &client->number);
}

guint postern_fair_queue_waiting(const PosternFairQueue *queue)
{
    return queue->waiting;
}

guint postern_fair_queue_admitted(const PosternFairQueue *queue)
{
    return queue->admitted;
}

guint postern_fair_queue_needy(const PosternFairQueue *queue)
{
    return queue->needy;
}

guint postern_fair_queue_lines(const PosternFairQueue *queue)
{
    return queue->ready.length;
}

guint postern_fair_queue_waiting_with(const PosternFairPlace *place)
{
    return place->client->waiting.length;
}

gboolean postern_fair_queue_is_full(const PosternFairQueue *queue)
{
    return queue->admitted >= queue->capacity;
}
