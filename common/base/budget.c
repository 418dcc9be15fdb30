#include "base/budget.h"

#include <stdatomic.h>

struct PosternBudget {
    guint64 maximum;
    _Atomic guint64 used;
};

PosternBudget *postern_budget_new(guint64 maximum)
{
    PosternBudget *budget = g_atomic_rc_box_new0(PosternBudget);
    budget->maximum = maximum;
    atomic_init(&budget->used, 0);
    return budget;
}

PosternBudget *postern_budget_ref(PosternBudget *budget)
{
    return g_atomic_rc_box_acquire(budget);
}

void postern_budget_unref(PosternBudget *budget)
{
    if (budget != NULL)
        g_atomic_rc_box_release(budget);
}

gboolean postern_budget_reserve(PosternBudget *budget, guint64 octets)
{
    guint64 used = atomic_load(&budget->used);
    do {
        if (octets > budget->maximum - used)
            return FALSE;
    } while (!atomic_compare_exchange_weak(&budget->used, &used, used + octets));
    return TRUE;
}

void postern_budget_release(PosternBudget *budget, guint64 octets)
{
    guint64 used = atomic_load(&budget->used);
    do {
        g_return_if_fail(octets <= used);
    } while (!atomic_compare_exchange_weak(&budget->used, &used, used - octets));
}

guint64 postern_budget_used(PosternBudget *budget)
{
    return atomic_load(&budget->used);
}
