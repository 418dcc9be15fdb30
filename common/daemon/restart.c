#include "daemon/restart.h"

#include "base/limits.h"

#define PAUSE_FIRST_US G_USEC_PER_SEC
#define PAUSE_MAX_US ((gint64)POSTERN_RESTART_PAUSE_MAX_MS * 1000)
#define KEEPS_FAILING 2

void postern_restart_note_start(PosternRestart *restart, gint64 now)
{
    restart->started = now;
}

char *postern_restart_note_end(PosternRestart *restart, const char *how, gint64 now)
{
    gint64 pause = 0;
    if (now - restart->started >= PAUSE_MAX_US)
        restart->failures = 0;
    for (guint i = 0; i < MIN(restart->failures, 16); i++)
        pause = MIN(i == 0 ? PAUSE_FIRST_US : pause * 2, PAUSE_MAX_US);
    restart->not_before = now + pause;
    restart->failures++;
    if (restart->failures > KEEPS_FAILING)
        return NULL;
    return restart->failures < KEEPS_FAILING
               ? g_strdup(how)
               : g_strdup_printf("%s; it keeps ending, and is tried again with pauses of up to %d s", how,
                                 POSTERN_RESTART_PAUSE_MAX_MS / 1000);
}

gboolean postern_restart_is_due(const PosternRestart *restart, gint64 now)
{
    return now >= restart->not_before;
}
