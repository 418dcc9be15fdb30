#include "checks/content/item.h"

#include "verdict/check.h"

/* Whoever has the client evaluates it (checks/client/client.h). */
const PosternEvaluation postern_evaluation_client = {.self_test = NULL};
/* The daemon asks its store, once all else is known (greylist/greylist.h). */
const PosternEvaluation postern_evaluation_greylist = {.self_test = NULL};

const PosternEvaluation *const postern_evaluations[] = {
#define ENTRY(NAME, member, Type) &postern_evaluation_##member,
    POSTERN_CHECKS_LIST(ENTRY)
#undef ENTRY
};

/* The checks that take items, while they want more. */
typedef struct {
    const PosternItemUse *uses[POSTERN_CHECKS_COUNT];
    gpointer data[POSTERN_CHECKS_COUNT];
    gboolean done[POSTERN_CHECKS_COUNT];
    guint count;
} Takers;

static gboolean take(const PosternItem *item, gpointer data)
{
    Takers *takers = data;
    gboolean wanted = FALSE;
    for (guint i = 0; i < takers->count; i++) {
        if (!takers->done[i])
            takers->done[i] = !takers->uses[i]->take(item, takers->data[i]);
        wanted = wanted || !takers->done[i];
    }
    return wanted;
}

static void note(PosternVirusKind kind, const char *text, gpointer data)
{
    Takers *takers = data;
    for (guint i = 0; i < takers->count; i++)
        if (takers->uses[i]->note != NULL)
            takers->uses[i]->note(kind, text, takers->data[i]);
}

static void walk_items(const PosternCheckRun *run, guint checks)
{
    Takers takers = {.count = 0};
    const PosternItemVisitor visitor = {take, note, &takers};
    PosternItemBudget budget = postern_item_budget(run->length);
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++) {
        const PosternItemUse *use = &postern_evaluations[i]->item;
        gpointer data =
            (checks & postern_checks[i].check) != 0 && use->begin != NULL ? use->begin(run) : NULL;
        if (data == NULL)
            continue;
        takers.uses[takers.count] = use;
        takers.data[takers.count++] = data;
    }
    if (takers.count > 0)
        postern_items_walk(run->engines->content, run->octets, run->length, &budget, &visitor);
    for (guint i = 0; i < takers.count; i++)
        takers.uses[i]->end(run, takers.data[i]);
}

guint postern_checks_run(const PosternCheckRun *run, guint checks, PosternStage stage)
{
    guint complete = 0;
    if (stage == POSTERN_STAGE_WHOLE)
        walk_items(run, checks);
    for (guint i = 0; i < POSTERN_CHECKS_COUNT; i++) {
        const PosternEvaluation *evaluation = postern_evaluations[i];
        gboolean walked = stage == POSTERN_STAGE_WHOLE && evaluation->item.begin != NULL;
        if ((checks & postern_checks[i].check) != 0 &&
            (evaluation->run[stage] != NULL ? evaluation->run[stage](run) == 1 : walked))
            complete |= postern_checks[i].check;
    }
    return complete;
}
