#include "base/fair_queue.h"

enum { LINES = 2 }; /* the first lines, and those of POSTERN_FAIR_TURN_LATER */

struct PosternFairClient {
    guint64 number;
    guint line; /* a client with places in both has one of these for each */
    guint admitted;
    GQueue waiting;   /* of PosternFairPlace * */
    GList ready_link; /* in ready, while somebody waits; data is the client */
};

struct PosternFairQueue {
    guint capacity;
    guint admitted;
    guint waiting;
    guint needy;
    GTree *clients;      /* a set of PosternFairClient, those that have a place; others choose the numbers */
    GQueue ready[LINES]; /* of PosternFairClient *, in the order of their turns */
    guint turns;         /* of first lines, since one of the second lines had its turn */
};

static gint compare_clients(gconstpointer a, gconstpointer b, gpointer data)
{
    const PosternFairClient *one = a;
    const PosternFairClient *other = b;
    if (one->line != other->line)
        return one->line < other->line ? -1 : 1;
    return one->number < other->number ? -1 : one->number > other->number;
}

PosternFairQueue *postern_fair_queue_new(guint capacity)
{
    PosternFairQueue *queue = g_new0(PosternFairQueue, 1);
    queue->capacity = capacity;
    queue->clients = g_tree_new_full(compare_clients, NULL, NULL, g_free);
    for (guint line = 0; line < LINES; line++)
        g_queue_init(&queue->ready[line]);
    return queue;
}

void postern_fair_queue_free(PosternFairQueue *queue)
{
    if (queue == NULL)
        return;
    g_tree_unref(queue->clients);
    g_free(queue);
}

static PosternFairClient *client_of(PosternFairQueue *queue, guint64 number, guint line)
{
    const PosternFairClient wanted = {.number = number, .line = line};
    PosternFairClient *client = g_tree_lookup(queue->clients, &wanted);
    if (client == NULL) {
        client = g_new0(PosternFairClient, 1);
        client->number = number;
        client->line = line;
        client->ready_link.data = client;
        g_queue_init(&client->waiting);
        g_tree_insert(queue->clients, client, client);
    }
    return client;
}

/* Before and after each change of a client: who is needy. */
static guint need_of(const PosternFairClient *client)
{
    return client->waiting.length > 0 &&
           (client->admitted == 0 || client->number == POSTERN_FAIR_QUEUE_NOBODY);
}

void postern_fair_queue_wait(PosternFairQueue *queue, PosternFairPlace *place, guint64 number,
                             PosternFairTurn turn)
{
    g_return_if_fail(place->state == POSTERN_FAIR_PLACE_NONE);
    PosternFairClient *client = client_of(queue, number, turn == POSTERN_FAIR_TURN_LATER);
    queue->needy -= need_of(client);
    place->client = client;
    place->link.data = place;
    place->state = POSTERN_FAIR_PLACE_WAITING;
    if (client->waiting.length == 0)
        g_queue_push_tail_link(&queue->ready[client->line], &client->ready_link);
    if (turn == POSTERN_FAIR_TURN_FIRST)
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
        g_queue_unlink(&queue->ready[client->line], &client->ready_link);
}

static PosternFairPlace *admit_from(PosternFairQueue *queue, GQueue *ready)
{
    for (guint looked_at = 0; looked_at < ready->length && queue->admitted < queue->capacity; looked_at++) {
        GList *turn = g_queue_pop_head_link(ready);
        PosternFairClient *client = turn->data;
        g_queue_push_tail_link(ready, turn);
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

PosternFairPlace *postern_fair_queue_admit(PosternFairQueue *queue)
{
    guint line = queue->turns + 1 >= POSTERN_FAIR_QUEUE_TURNS;
    for (guint tried = 0; tried < LINES; tried++, line = !line) {
        PosternFairPlace *place = admit_from(queue, &queue->ready[line]);
        if (place == NULL)
            continue;
        queue->turns = line == 0 ? queue->turns + 1 : 0;
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
        g_tree_remove(queue->clients, client);
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
    return queue->ready[0].length + queue->ready[1].length;
}

guint postern_fair_queue_waiting_with(const PosternFairPlace *place)
{
    return place->client->waiting.length;
}

gboolean postern_fair_queue_is_full(const PosternFairQueue *queue)
{
    return queue->admitted >= queue->capacity;
}
