#include "base/fair_queue.h"

#include <string.h>

enum { RANKS = 3 }; /* the lines of POSTERN_FAIR_TURN_SOONER, the others, and those of LATER */

struct PosternFairClient {
    guint64 number;
    guint rank; /* a client with places in several has one of these for each */
    guint admitted;
    guint waiting;
};

/* Those of a client who wait in one section; there while somebody does. */
struct PosternFairLine {
    PosternFairClient *client;
    guint section;
    GQueue waiting;   /* of PosternFairPlace * */
    GList ready_link; /* in its section's ready; data is the line */
};

typedef struct {
    GQueue ready[RANKS]; /* of PosternFairLine *, in the order of their turns */
    guint turns[RANKS];  /* of its lines, since one of a later rank had its turn */
    guint admitted;
    guint passed; /* places of other sections were admitted since one of its own was, while one waited */
} Section;

struct PosternFairQueue {
    guint capacity;
    guint admitted;
    guint waiting;
    guint needy;
    GTree *clients;   /* a set of PosternFairClient, those that have a place; others choose the numbers */
    GTree *lines;     /* a set of PosternFairLine */
    GArray *sections; /* of Section */
};

static gint compare_clients(gconstpointer a, gconstpointer b, gpointer data)
{
    const PosternFairClient *one = a;
    const PosternFairClient *other = b;
    if (one->rank != other->rank)
        return one->rank < other->rank ? -1 : 1;
    return one->number < other->number ? -1 : one->number > other->number;
}

static gint compare_lines(gconstpointer a, gconstpointer b, gpointer data)
{
    const PosternFairLine *one = a;
    const PosternFairLine *other = b;
    if (one->section != other->section)
        return one->section < other->section ? -1 : 1;
    return compare_clients(one->client, other->client, NULL);
}

PosternFairQueue *postern_fair_queue_new(guint capacity)
{
    PosternFairQueue *queue = g_new0(PosternFairQueue, 1);
    queue->capacity = capacity;
    queue->clients = g_tree_new_full(compare_clients, NULL, NULL, g_free);
    queue->lines = g_tree_new_full(compare_lines, NULL, NULL, g_free);
    queue->sections = g_array_new(FALSE, TRUE, sizeof(Section));
    g_array_set_size(queue->sections, 1);
    return queue;
}

void postern_fair_queue_free(PosternFairQueue *queue)
{
    if (queue == NULL)
        return;
    g_tree_unref(queue->lines);
    g_tree_unref(queue->clients);
    g_array_unref(queue->sections);
    g_free(queue);
}

void postern_fair_queue_set_capacity(PosternFairQueue *queue, guint capacity)
{
    queue->capacity = capacity;
}

static PosternFairClient *client_of(PosternFairQueue *queue, guint64 number, guint rank)
{
    const PosternFairClient wanted = {.number = number, .rank = rank};
    PosternFairClient *client = g_tree_lookup(queue->clients, &wanted);
    if (client == NULL) {
        client = g_memdup2(&wanted, sizeof wanted);
        g_tree_insert(queue->clients, client, client);
    }
    return client;
}

static Section *section_of(PosternFairQueue *queue, guint number)
{
    if (number >= queue->sections->len)
        g_array_set_size(queue->sections, number + 1);
    return &g_array_index(queue->sections, Section, number);
}

static PosternFairLine *line_of(PosternFairQueue *queue, PosternFairClient *client, guint section)
{
    const PosternFairLine wanted = {.client = client, .section = section};
    PosternFairLine *line = g_tree_lookup(queue->lines, &wanted);
    if (line == NULL) {
        line = g_memdup2(&wanted, sizeof wanted);
        line->ready_link.data = line;
        g_tree_insert(queue->lines, line, line);
        g_queue_push_tail_link(&section_of(queue, section)->ready[client->rank], &line->ready_link);
    }
    return line;
}

/* Before and after each change of a client: who is needy. */
static guint need_of(const PosternFairClient *client)
{
    return client->waiting > 0 && (client->admitted == 0 || client->number == POSTERN_FAIR_QUEUE_NOBODY);
}

static guint rank_of(PosternFairTurn turn)
{
    return turn == POSTERN_FAIR_TURN_SOONER ? 0 : turn == POSTERN_FAIR_TURN_LATER ? 2 : 1;
}

void postern_fair_queue_wait(PosternFairQueue *queue, PosternFairPlace *place, guint64 number,
                             PosternFairTurn turn)
{
    g_return_if_fail(place->state == POSTERN_FAIR_PLACE_NONE);
    PosternFairClient *client = client_of(queue, number, rank_of(turn));
    queue->needy -= need_of(client);
    place->client = client;
    place->line = line_of(queue, client, place->section);
    place->link.data = place;
    place->state = POSTERN_FAIR_PLACE_WAITING;
    if (turn == POSTERN_FAIR_TURN_FIRST)
        g_queue_push_head_link(&place->line->waiting, &place->link);
    else
        g_queue_push_tail_link(&place->line->waiting, &place->link);
    client->waiting++;
    queue->waiting++;
    queue->needy += need_of(client);
}

static gboolean may_have_one(const PosternFairQueue *queue, const PosternFairClient *client)
{
    guint left = queue->capacity > queue->admitted ? queue->capacity - queue->admitted : 0;
    return left > 0 &&
           (client->admitted == 0 || client->admitted < left || client->number == POSTERN_FAIR_QUEUE_NOBODY);
}

static void take_out(PosternFairQueue *queue, PosternFairPlace *place)
{
    PosternFairLine *line = place->line;
    g_queue_unlink(&line->waiting, &place->link);
    line->client->waiting--;
    queue->waiting--;
    place->line = NULL;
    if (line->waiting.length > 0)
        return;
    g_queue_unlink(&section_of(queue, line->section)->ready[line->client->rank], &line->ready_link);
    g_tree_remove(queue->lines, line);
}

static PosternFairPlace *admit_first_of(PosternFairQueue *queue, PosternFairLine *line)
{
    PosternFairPlace *place = line->waiting.head->data;
    PosternFairClient *client = line->client;
    queue->needy -= need_of(client);
    section_of(queue, line->section)->admitted++;
    take_out(queue, place);
    place->state = POSTERN_FAIR_PLACE_ADMITTED;
    client->admitted++;
    queue->admitted++;
    queue->needy += need_of(client);
    return place;
}

static PosternFairPlace *admit_from(PosternFairQueue *queue, GQueue *ready)
{
    for (guint looked_at = 0; looked_at < ready->length && queue->admitted < queue->capacity; looked_at++) {
        GList *turn = g_queue_pop_head_link(ready);
        PosternFairLine *line = turn->data;
        g_queue_push_tail_link(ready, turn);
        if (may_have_one(queue, line->client))
            return admit_first_of(queue, line);
    }
    return NULL;
}

PosternFairPlace *postern_fair_queue_admit_needy(PosternFairQueue *queue, guint number)
{
    const Section *section = section_of(queue, number);
    for (guint rank = 0; rank < RANKS; rank++)
        for (const GList *link = section->ready[rank].head; link != NULL; link = link->next)
            if (need_of(((const PosternFairLine *)link->data)->client) > 0)
                return admit_first_of(queue, link->data);
    return NULL;
}

static gboolean has_somebody(const Section *section)
{
    guint lines = 0;
    for (guint rank = 0; rank < RANKS; rank++)
        lines += section->ready[rank].length;
    return lines > 0;
}

/* Whether one of section would be admitted if it were its turn. */
static gboolean may_admit(const PosternFairQueue *queue, const Section *section)
{
    for (guint rank = 0; rank < RANKS; rank++)
        for (const GList *link = section->ready[rank].head; link != NULL; link = link->next)
            if (may_have_one(queue, ((const PosternFairLine *)link->data)->client))
                return TRUE;
    return FALSE;
}

static gboolean is_overdue(const PosternFairQueue *queue, const Section *section)
{
    guint64 most = section->admitted == 0 ? POSTERN_FAIR_QUEUE_PASSED_EMPTY_MAX
                                          : (guint64)queue->capacity * POSTERN_FAIR_QUEUE_PASSED_FACTOR_MAX;
    return section->passed >= most;
}

/* Another section has been passed over too often for section to have its turn now. */
static gboolean is_after_another(const PosternFairQueue *queue, const Section *section)
{
    for (guint i = 0; i < queue->sections->len; i++) {
        const Section *other = &g_array_index(queue->sections, Section, i);
        if (other->passed > section->passed && is_overdue(queue, other) && may_admit(queue, other))
            return TRUE;
    }
    return FALSE;
}

static void note_admission(PosternFairQueue *queue, const Section *section)
{
    for (guint i = 0; i < queue->sections->len; i++) {
        Section *other = &g_array_index(queue->sections, Section, i);
        other->passed = other != section && has_somebody(other) ? other->passed + 1 : 0;
    }
}

/* The first that has somebody and has not had its turns before those behind it, or the last that has. */
static guint rank_in_turn(const Section *section)
{
    guint rank = 0;
    for (guint at = 0; at < RANKS; at++) {
        if (section->ready[at].length == 0)
            continue;
        rank = at;
        if (section->turns[at] + 1 < POSTERN_FAIR_QUEUE_TURNS)
            break;
    }
    return rank;
}

PosternFairPlace *postern_fair_queue_admit_in(PosternFairQueue *queue, guint number)
{
    Section *section = section_of(queue, number);
    if (!has_somebody(section) || is_after_another(queue, section))
        return NULL;
    guint rank = rank_in_turn(section);
    for (guint tried = 0; tried < RANKS; tried++, rank = (rank + 1) % RANKS) {
        PosternFairPlace *place = admit_from(queue, &section->ready[rank]);
        if (place == NULL)
            continue;
        memset(section->turns, 0, rank * sizeof section->turns[0]);
        section->turns[rank]++;
        note_admission(queue, section);
        return place;
    }
    return NULL;
}

PosternFairPlace *postern_fair_queue_admit(PosternFairQueue *queue)
{
    return postern_fair_queue_admit_in(queue, 0);
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
        section_of(queue, place->section)->admitted--;
    }
    queue->needy += need_of(client);
    place->state = POSTERN_FAIR_PLACE_NONE;
    place->client = NULL;
    if (client->admitted == 0 && client->waiting == 0)
        g_tree_remove(queue->clients, client);
}

guint postern_fair_queue_waiting(const PosternFairQueue *queue)
{
    return queue->waiting;
}

guint postern_fair_queue_needy(const PosternFairQueue *queue)
{
    return queue->needy;
}

guint postern_fair_queue_lines(const PosternFairQueue *queue)
{
    return (guint)g_tree_nnodes(queue->lines);
}

guint postern_fair_queue_waiting_with(const PosternFairPlace *place)
{
    return place->client->waiting;
}

gboolean postern_fair_queue_is_full(const PosternFairQueue *queue)
{
    return queue->admitted >= queue->capacity;
}
