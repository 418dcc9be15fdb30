/*
 * What the pool remembers of a user whose programs ask it, and of a client whose mail crashes worker after
 * worker, which has to pause. Pure; times are monotonic microseconds.
 */
#pragma once

#include "inspector/crashes.h"

typedef struct {
    guint user;
    guint connections;
    PosternCrashes crashes;
    gint64 paused_until; /* 0: not paused */
} PosternAccount;

/* A request of the account killed a worker at now. TRUE: with this one it must pause. */
gboolean postern_account_note_crash(PosternAccount *account, gint64 now);
gboolean postern_account_is_paused(const PosternAccount *account, gint64 now);
/* TRUE where nothing is remembered that matters still. */
gboolean postern_account_is_idle(const PosternAccount *account, gint64 now);
