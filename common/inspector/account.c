#include "inspector/account.h"

#include "base/limits.h"

#define WINDOW_US (POSTERN_INSPECTOR_CRASH_WINDOW_SECONDS * G_USEC_PER_SEC)
#define PAUSE_US (POSTERN_INSPECTOR_CLIENT_PAUSE_SECONDS * G_USEC_PER_SEC)

G_STATIC_ASSERT(POSTERN_INSPECTOR_CLIENT_CRASHES_MAX <= POSTERN_CRASHES_KEPT);

gboolean postern_account_note_crash(PosternAccount *account, gint64 now)
{
    postern_crashes_note(&account->crashes, now);
    if (postern_crashes_count(&account->crashes, now, WINDOW_US) < POSTERN_INSPECTOR_CLIENT_CRASHES_MAX ||
        postern_account_is_paused(account, now))
        return FALSE;
    account->paused_until = now + PAUSE_US;
    return TRUE;
}

gboolean postern_account_is_paused(const PosternAccount *account, gint64 now)
{
    return account->paused_until > now;
}

gboolean postern_account_is_idle(const PosternAccount *account, gint64 now)
{
    return account->connections == 0 && !postern_account_is_paused(account, now) &&
           postern_crashes_count(&account->crashes, now, WINDOW_US) == 0;
}
