/*
 * A budget of octets that all messages in memory are charged to, shared by all threads. What cannot be
 * reserved is refused (452 4.3.1), so memory is bounded whatever clients do.
 */
#pragma once

#include <glib.h>

typedef struct PosternBudget PosternBudget;

/* A budget of maximum octets; one reference, the caller's. */
PosternBudget *postern_budget_new(guint64 maximum);
/*
 * A share of parent (a reference is taken): what is taken out of it is taken out of both. Never more than
 * maximum, nor more than is then left in parent for all others, so that n shares that take all they can leave
 * the n+1st part; but assured octets, as far as parent has them.
 */
PosternBudget *postern_budget_new_share(PosternBudget *parent, guint64 maximum, guint64 assured);
PosternBudget *postern_budget_ref(PosternBudget *budget);
void postern_budget_unref(PosternBudget *budget);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternBudget, postern_budget_unref)

/* Takes octets out of the budget; FALSE, and nothing taken, if they are not there. Any thread. */
gboolean postern_budget_reserve(PosternBudget *budget, guint64 octets) G_GNUC_WARN_UNUSED_RESULT;

/*
 * How long what is in the way may stay there: G_MAXUINT while half of all is free (of the parent, for a
 * share), most where just less is, and in proportion to what is free below that. Any thread.
 */
guint postern_budget_patience(PosternBudget *budget, guint most);

/* TRUE if octets would fit were all others gone: those of a share, below its maximum. Any thread. */
gboolean postern_budget_may_hold(PosternBudget *budget, guint64 octets);

/*
 * Octets in use will be given back very soon, and may be taken before they are: of the parent, for a share.
 * FALSE: a quarter of the budget is promised already. What was promised is to be kept just before it is
 * given back, or once it is known that it will not be soon. Any thread.
 */
gboolean postern_budget_promise(PosternBudget *budget, guint64 octets) G_GNUC_WARN_UNUSED_RESULT;
void postern_budget_keep_promise(PosternBudget *budget, guint64 octets);

/* Gives back what postern_budget_reserve took. Any thread. */
void postern_budget_release(PosternBudget *budget, guint64 octets);

/* Octets in use now. Any thread. */
guint64 postern_budget_used(PosternBudget *budget);
