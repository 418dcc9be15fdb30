#include "inspector/account.h"

#include <string.h>

#include "base/limits.h"

#define CRASH_WINDOW_US (POSTERN_INSPECTOR_CRASH_WINDOW_SECONDS * G_USEC_PER_SEC)
#define PAUSE_US (POSTERN_INSPECTOR_CLIENT_PAUSE_SECONDS * G_USEC_PER_SEC)
#define SLICE_US (POSTERN_INSPECTOR_BUDGET_WINDOW_SECONDS * G_USEC_PER_SEC / POSTERN_USAGE_SLICES)
#define BUDGET_US ((gint64)POSTERN_INSPECTOR_BUDGET_MS * 1000)

G_STATIC_ASSERT(POSTERN_INSPECTOR_CLIENT_CRASHES_MAX <= POSTERN_CRASHES_KEPT);
G_STATIC_ASSERT(POSTERN_INSPECTOR_BUDGET_WINDOW_SECONDS % POSTERN_USAGE_SLICES == 0);

void postern_usage_add(PosternUsage *usage, gint64 microseconds, gint64 now)
{
    gint64 slice = now / SLICE_US;
    if (slice - usage->newest >= POSTERN_USAGE_SLICES)
        memset(usage->microseconds, 0, sizeof usage->microseconds);
    else
        for (gint64 i = usage->newest + 1; i <= slice; i++)
            usage->microseconds[i % POSTERN_USAGE_SLICES] = 0;
    usage->newest = MAX(usage->newest, slice);
    usage->microseconds[usage->newest % POSTERN_USAGE_SLICES] += microseconds;
}

gint64 postern_usage_sum(const PosternUsage *usage, gint64 now)
{
    gint64 sum = 0;
    gint64 slice = now / SLICE_US;
    for (gint64 i = MAX(0, slice - POSTERN_USAGE_SLICES + 1); i <= usage->newest; i++)
        sum += usage->microseconds[i % POSTERN_USAGE_SLICES];
    return sum;
}

gboolean postern_account_note_crash(PosternAccount *account, gint64 now)
{
    postern_crashes_note(&account->crashes, now);
    guint crashes = postern_crashes_count(&account->crashes, now, CRASH_WINDOW_US);
    if (crashes < POSTERN_INSPECTOR_CLIENT_CRASHES_MAX || postern_account_is_paused(account, now))
        return FALSE;
    account->paused_until = now + PAUSE_US;
    return TRUE;
}

gboolean postern_account_is_paused(const PosternAccount *account, gint64 now)
{
    return account->paused_until > now;
}

void postern_account_begin(PosternAccount *account, gint64 now)
{
    account->running++;
    account->started_sum += now;
}

void postern_account_end(PosternAccount *account, gint64 started, gint64 microseconds, gint64 now)
{
    account->running--;
    account->started_sum -= started;
    postern_usage_add(&account->usage, microseconds, now);
}

gboolean postern_account_is_heavy(const PosternAccount *account, gint64 now)
{
    gint64 under_way = (gint64)account->running * now - account->started_sum;
    return postern_usage_sum(&account->usage, now) + under_way >= BUDGET_US;
}

gboolean postern_account_is_idle(const PosternAccount *account, gint64 now)
{
    return account->waiting == 0 && account->running == 0 && !postern_account_is_paused(account, now) &&
           postern_crashes_count(&account->crashes, now, CRASH_WINDOW_US) == 0 &&
           postern_usage_sum(&account->usage, now) < BUDGET_US / 100;
}
