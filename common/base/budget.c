#include "base/budget.h"

#include <stdatomic.h>

struct PosternBudget {
    guint64 maximum;
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

PosternBudget *postern_budget_new_share(PosternBudget *parent, guint64 maximum)
{
    PosternBudget *budget = postern_budget_new(maximum);
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

gboolean postern_budget_reserve(PosternBudget *budget, guint64 octets)
{
    if (!take(budget, octets))
        return FALSE;
    if (budget->parent == NULL || postern_budget_reserve(budget->parent, octets))
        return TRUE;
    give_back(budget, octets);
    return FALSE;
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
