#include "daemon/monitor.h"

#include "base/log.h"
#include "inspector_client/client.h"

struct PosternInspectorMonitor {
    PosternInspectorClient *client;
    char *ready_line; /* NULL: told */
    gboolean down;    /* as the log knows */
};

static void on_changed(PosternInspectorState state, const char *reason, gpointer user_data)
{
    PosternInspectorMonitor *monitor = user_data;
    if (state == POSTERN_INSPECTOR_DOWN) {
        monitor->down = TRUE;
        postern_log(POSTERN_LOG_ERROR,
                    "no inspector can be asked: %s; what needs one is refused for now, until it can", reason);
    } else if (state == POSTERN_INSPECTOR_UP) {
        if (monitor->down)
            postern_log(POSTERN_LOG_NOTICE, "the inspector can be asked again");
        if (monitor->ready_line != NULL)
            postern_log(POSTERN_LOG_NOTICE, "%s", monitor->ready_line);
        monitor->down = FALSE;
        g_clear_pointer(&monitor->ready_line, g_free);
    }
}

PosternInspectorMonitor *postern_inspector_monitor_new(struct event_base *loop, const char *path,
                                                       const char *ready_line)
{
    PosternInspectorMonitor *monitor = g_new0(PosternInspectorMonitor, 1);
    monitor->ready_line = g_strdup(ready_line);
    monitor->client = postern_inspector_client_new(loop, path);
    postern_inspector_client_watch(monitor->client, on_changed, monitor);
    return monitor;
}

void postern_inspector_monitor_free(PosternInspectorMonitor *monitor)
{
    if (monitor == NULL)
        return;
    postern_inspector_client_free(monitor->client);
    g_free(monitor->ready_line);
    g_free(monitor);
}
