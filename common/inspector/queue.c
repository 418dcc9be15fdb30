#include "inspector/queue.h"

/* Of one client; never empty. */
typedef struct {
    gpointer client;
    GQueue items;
} Line;

/* Of one user; never empty. */
typedef struct {
    guint user;
    guint length;
    GHashTable *lines; /* client -> Line *, owned */
    GQueue turns;      /* of Line *, each once */
} User;

struct PosternQueue {
    guint maximum;
    guint length;
    GQueue returned;
    GHashTable *users; /* user -> User *, owned */
    GQueue turns;      /* of User *, each once */
};

static void line_free(gpointer data)
{
    Line *line = data;
    g_queue_clear(&line->items);
    g_free(line);
}

static void user_free(gpointer data)
{
    User *user = data;
    g_queue_clear(&user->turns);
    g_hash_table_unref(user->lines);
    g_free(user);
}

PosternQueue *postern_queue_new(guint maximum)
{
    PosternQueue *queue = g_new0(PosternQueue, 1);
    queue->maximum = maximum;
    queue->users = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, user_free);
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
    g_hash_table_unref(queue->users);
    g_free(queue);
}

static User *find_user(PosternQueue *queue, guint number)
{
    return g_hash_table_lookup(queue->users, GUINT_TO_POINTER(number));
}

static User *add_user(PosternQueue *queue, guint number)
{
    User *user = g_new0(User, 1);
    user->user = number;
    user->lines = g_hash_table_new_full(g_direct_hash, g_direct_equal, NULL, line_free);
    g_queue_init(&user->turns);
    g_hash_table_insert(queue->users, GUINT_TO_POINTER(number), user);
    g_queue_push_tail(&queue->turns, user);
    return user;
}

static Line *add_line(User *user, gpointer client)
{
    Line *line = g_new0(Line, 1);
    line->client = client;
    g_queue_init(&line->items);
    g_hash_table_insert(user->lines, client, line);
    g_queue_push_tail(&user->turns, line);
    return line;
}

gboolean postern_queue_push(PosternQueue *queue, guint number, gpointer client, guint client_maximum,
                            gpointer item)
{
    User *user = find_user(queue, number);
    Line *line = user != NULL ? g_hash_table_lookup(user->lines, client) : NULL;
    if (queue->length >= queue->maximum || (user != NULL && user->length >= MAX(1, queue->maximum / 2)) ||
        (line != NULL ? g_queue_get_length(&line->items) : 0) >= client_maximum)
        return FALSE;
    if (user == NULL)
        user = add_user(queue, number);
    if (line == NULL)
        line = add_line(user, client);
    g_queue_push_tail(&line->items, item);
    user->length++;
    queue->length++;
    return TRUE;
}

void postern_queue_push_back(PosternQueue *queue, gpointer item)
{
    g_queue_push_tail(&queue->returned, item);
    queue->length++;
}

/* One item fewer is in line: what is empty goes, what is not has its next turn after all others. */
static void shorten(PosternQueue *queue, User *user, Line *line, gboolean had_its_turn)
{
    queue->length--;
    user->length--;
    if (had_its_turn || g_queue_is_empty(&line->items)) {
        g_queue_remove(&user->turns, line);
        if (g_queue_is_empty(&line->items))
            g_hash_table_remove(user->lines, line->client);
        else
            g_queue_push_tail(&user->turns, line);
    }
    if (had_its_turn || user->length == 0) {
        g_queue_remove(&queue->turns, user);
        if (user->length == 0)
            g_hash_table_remove(queue->users, GUINT_TO_POINTER(user->user));
        else
            g_queue_push_tail(&queue->turns, user);
    }
}

/* The line whose turn it is, of those that wants takes. */
static Line *next_line(PosternQueue *queue, PosternQueueWants wants, gpointer user_data, User **ret_user)
{
    for (GList *i = queue->turns.head; i != NULL; i = i->next) {
        *ret_user = i->data;
        for (GList *j = (*ret_user)->turns.head; j != NULL; j = j->next) {
            Line *line = j->data;
            if (wants == NULL || wants(line->client, g_queue_peek_head(&line->items), user_data))
                return line;
        }
    }
    return NULL;
}

gpointer postern_queue_pop(PosternQueue *queue, PosternQueueWants wants, gpointer user_data)
{
    if (!g_queue_is_empty(&queue->returned)) {
        queue->length--;
        return g_queue_pop_head(&queue->returned);
    }
    User *user = NULL;
    Line *line = next_line(queue, wants, user_data, &user);
    if (line == NULL)
        return NULL;
    gpointer item = g_queue_pop_head(&line->items);
    shorten(queue, user, line, TRUE);
    return item;
}

gboolean postern_queue_has(PosternQueue *queue, PosternQueueWants wants, gpointer user_data)
{
    User *user = NULL;
    return !g_queue_is_empty(&queue->returned) || next_line(queue, wants, user_data, &user) != NULL;
}

gboolean postern_queue_remove(PosternQueue *queue, guint number, gpointer client, gpointer item)
{
    if (g_queue_remove(&queue->returned, item)) {
        queue->length--;
        return TRUE;
    }
    User *user = find_user(queue, number);
    Line *line = user != NULL ? g_hash_table_lookup(user->lines, client) : NULL;
    if (line == NULL || !g_queue_remove(&line->items, item))
        return FALSE;
    shorten(queue, user, line, FALSE);
    return TRUE;
}

guint postern_queue_length(const PosternQueue *queue)
{
    return queue->length;
}
