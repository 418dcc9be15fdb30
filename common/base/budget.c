#include "base/budget.h"

#include <stdatomic.h>

#define PROMISED_PART 4 /* at most so much of it may be promised, unless one alone is more */

struct PosternBudget {
    guint64 maximum;
    guint64 assured;
    _Atomic guint64 used;
    _Atomic guint64 promised; /* of used, what is given back very soon */
    PosternBudget *parent;    /* or NULL */
};

PosternBudget *postern_budget_new(guint64 maximum)
{
    PosternBudget *budget = g_atomic_rc_box_new0(PosternBudget);
    budget->maximum = maximum;
    atomic_init(&budget->used, 0);
    atomic_init(&budget->promised, 0);
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

/* If so many are used. */
static guint64 left(PosternBudget *budget, guint64 used)
{
    guint64 most = budget->maximum + atomic_load(&budget->promised);
    return most > used ? most - used : 0;
}

static gboolean take(PosternBudget *budget, guint64 octets)
{
    guint64 used = atomic_load(&budget->used);
    do {
        if (octets > left(budget, used))
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
    return used > budget->assured && used > left(budget->parent, atomic_load(&budget->parent->used));
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

guint postern_budget_patience(PosternBudget *budget, guint most)
{
    if (budget->parent != NULL)
        return postern_budget_patience(budget->parent, most);
    guint64 half = budget->maximum - budget->maximum / 2;
    guint64 free_octets = left(budget, atomic_load(&budget->used));
    return free_octets >= half ? G_MAXUINT : (guint)((double)free_octets / (double)half * most);
}

gboolean postern_budget_may_hold(PosternBudget *budget, guint64 octets)
{
    if (budget->parent == NULL)
        return octets <= budget->maximum;
    return octets <= left(budget, atomic_load(&budget->used)) &&
           postern_budget_may_hold(budget->parent, octets);
}

gboolean postern_budget_promise(PosternBudget *budget, guint64 octets)
{
    if (budget->parent != NULL)
        return postern_budget_promise(budget->parent, octets);
    guint64 promised = atomic_load(&budget->promised);
    do {
        if (promised > 0 &&
            octets > budget->maximum / PROMISED_PART - MIN(promised, budget->maximum / PROMISED_PART))
            return FALSE;
    } while (!atomic_compare_exchange_weak(&budget->promised, &promised, promised + octets));
    return TRUE;
}

void postern_budget_keep_promise(PosternBudget *budget, guint64 octets)
{
    if (budget->parent != NULL)
        postern_budget_keep_promise(budget->parent, octets);
    else
        atomic_fetch_sub(&budget->promised, octets);
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
