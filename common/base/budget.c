#include "base/budget.h"

#include <stdatomic.h>

struct PosternBudget {
    guint64 maximum;
    guint64 assured;
    _Atomic guint64 used;
    PosternBudget *parent; /* or NULL */
};

PosternBudget *postern_budget_new(guint64 maximum)
{
    PosternBudget *budget = g_atomic_rc_box_new0(PosternBudget);
    budget->maximum = maximum;
    atomic_init(&budget->used, 0);
    return budget;
}

PosternBudget *postern_budget_new_share(PosternBudget *parent, guint64 maximum, guint64 assured)
{
    PosternBudget *budget = postern_budget_new(maximum);
    budget->assured = assured;
    budget->parent = postern_budget_ref(parent);
    return budget;
}

PosternBudget *postern_budget_ref(PosternBudget *budget)
{
    return g_atomic_rc_box_acquire(budget);
}

static void clear(gpointer data)
{
    PosternBudget *budget = data;
    g_clear_pointer(&budget->parent, postern_budget_unref);
}

void postern_budget_unref(PosternBudget *budget)
{
    if (budget != NULL)
        g_atomic_rc_box_release_full(budget, clear);
}

static gboolean take(PosternBudget *budget, guint64 octets)
{
    guint64 used = atomic_load(&budget->used);
    do {
        if (octets > budget->maximum - used)
            return FALSE;
    } while (!atomic_compare_exchange_weak(&budget->used, &used, used + octets));
    return TRUE;
}

static void give_back(PosternBudget *budget, guint64 octets)
{
    guint64 used = atomic_load(&budget->used);
    do {
        g_return_if_fail(octets <= used);
    } while (!atomic_compare_exchange_weak(&budget->used, &used, used - octets));
}

/* More than is left for others, and more than is assured. Other threads may change both meanwhile: it is a
 * rule of thumb, and the maximum of parent none. */
static gboolean is_greedy(PosternBudget *budget)
{
    guint64 used = atomic_load(&budget->used);
    return used > budget->assured && used > budget->parent->maximum - atomic_load(&budget->parent->used);
}

gboolean postern_budget_reserve(PosternBudget *budget, guint64 octets)
{
    if (!take(budget, octets))
        return FALSE;
    if (budget->parent == NULL)
        return TRUE;
    if (postern_budget_reserve(budget->parent, octets)) {
        if (octets == 0 || !is_greedy(budget))
            return TRUE;
        postern_budget_release(budget->parent, octets);
    }
    give_back(budget, octets);
    return FALSE;
}

gboolean postern_budget_has_room(PosternBudget *budget, guint64 octets)
{
    if (!postern_budget_reserve(budget, octets))
        return FALSE;
    postern_budget_release(budget, octets);
    return TRUE;
}

gboolean postern_budget_is_crowded(PosternBudget *budget)
{
    if (budget->parent != NULL)
        return postern_budget_is_crowded(budget->parent);
    return atomic_load(&budget->used) > budget->maximum / 2;
}

void postern_budget_release(PosternBudget *budget, guint64 octets)
{
    give_back(budget, octets);
    if (budget->parent != NULL)
        postern_budget_release(budget->parent, octets);
}

guint64 postern_budget_used(PosternBudget *budget)
{
    return atomic_load(&budget->used);
}
