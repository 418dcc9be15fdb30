#include "inspector/crashes.h"

void postern_crashes_note(PosternCrashes *crashes, gint64 now)
{
    crashes->times[crashes->next] = now;
    crashes->next = (crashes->next + 1) % POSTERN_CRASHES_KEPT;
}

guint postern_crashes_count(const PosternCrashes *crashes, gint64 now, gint64 window)
{
    guint count = 0;
    for (guint i = 0; i < POSTERN_CRASHES_KEPT; i++)
        count += crashes->times[i] != 0 && crashes->times[i] > now - window;
    return count;
}

void postern_crashes_clear(PosternCrashes *crashes)
{
    *crashes = (PosternCrashes){0};
}
