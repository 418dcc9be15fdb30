/*
 * Tells the log how a daemon's inspector is, one line at each change: when it can be asked at first, when it
 * cannot, and when it can again.
 */
#pragma once

#include <event2/event.h>

typedef struct PosternInspectorMonitor PosternInspectorMonitor;

/* Watches the inspector at path from loop. ready_line (copied) is what is logged once it can be asked. */
PosternInspectorMonitor *postern_inspector_monitor_new(struct event_base *loop, const char *path,
                                                       const char *ready_line);
/* Before its loop. NULL is allowed. */
void postern_inspector_monitor_free(PosternInspectorMonitor *monitor);
