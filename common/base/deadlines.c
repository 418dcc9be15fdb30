#include "base/deadlines.h"

struct PosternDeadlines {
    GPtrArray *heap; /* of PosternDeadline *, the one at place n at n - 1 */
};

PosternDeadlines *postern_deadlines_new(void)
{
    PosternDeadlines *deadlines = g_new0(PosternDeadlines, 1);
    deadlines->heap = g_ptr_array_new();
    return deadlines;
}

static PosternDeadline *at_place(const PosternDeadlines *deadlines, guint place)
{
    return g_ptr_array_index(deadlines->heap, place - 1);
}

static void put(PosternDeadlines *deadlines, PosternDeadline *deadline, guint place)
{
    g_ptr_array_index(deadlines->heap, place - 1) = deadline;
    deadline->place = place;
}

void postern_deadlines_free(PosternDeadlines *deadlines)
{
    if (deadlines == NULL)
        return;
    for (guint place = 1; place <= deadlines->heap->len; place++)
        at_place(deadlines, place)->place = 0;
    g_ptr_array_unref(deadlines->heap);
    g_free(deadlines);
}

/* Moves deadline, whose place is free, to where none above it is later and none below it earlier. */
static void settle(PosternDeadlines *deadlines, PosternDeadline *deadline, guint place)
{
    for (; place > 1 && at_place(deadlines, place / 2)->at > deadline->at; place /= 2)
        put(deadlines, at_place(deadlines, place / 2), place);
    for (guint below = 2 * place; below <= deadlines->heap->len; below = 2 * place) {
        below += below < deadlines->heap->len &&
                 at_place(deadlines, below + 1)->at < at_place(deadlines, below)->at;
        if (at_place(deadlines, below)->at >= deadline->at)
            break;
        put(deadlines, at_place(deadlines, below), place);
        place = below;
    }
    put(deadlines, deadline, place);
}

static void take_out(PosternDeadlines *deadlines, PosternDeadline *deadline)
{
    guint place = deadline->place;
    PosternDeadline *last = at_place(deadlines, deadlines->heap->len);
    g_ptr_array_set_size(deadlines->heap, (gint)deadlines->heap->len - 1);
    deadline->place = 0;
    if (last != deadline)
        settle(deadlines, last, place);
}

void postern_deadlines_set(PosternDeadlines *deadlines, PosternDeadline *deadline, gint64 at)
{
    if (at == G_MAXINT64) {
        if (deadline->place != 0)
            take_out(deadlines, deadline);
        return;
    }
    if (deadline->place == 0) {
        g_ptr_array_add(deadlines->heap, deadline);
        deadline->place = deadlines->heap->len;
    }
    deadline->at = at;
    settle(deadlines, deadline, deadline->place);
}

gint64 postern_deadlines_next(const PosternDeadlines *deadlines)
{
    return deadlines->heap->len > 0 ? at_place(deadlines, 1)->at : G_MAXINT64;
}

PosternDeadline *postern_deadlines_passed(const PosternDeadlines *deadlines, gint64 now)
{
    return deadlines->heap->len > 0 && at_place(deadlines, 1)->at <= now ? at_place(deadlines, 1) : NULL;
}
