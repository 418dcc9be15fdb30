/*
 * The filter of this process: what callbacks of all sessions share. libmilter knows one filter a process, and
 * gives its callbacks nothing but the session: so this is the process's, too.
 */
#pragma once

#include "milter/inspection_bridge.h"
#include "milter/settings.h"

typedef struct PosternMilterRuntime PosternMilterRuntime;

/* The filter; to be used once it was started. Any thread. */
PosternMilterRuntime *postern_milter_runtime(void);

/* Before the first callback; takes over settings. */
void postern_milter_runtime_start(PosternMilterBridge *bridge, PosternMilterSettings *settings);

/* Of the filter that was started. */
PosternMilterBridge *postern_milter_runtime_gateway(PosternMilterRuntime *filter);

/* What new messages go by: a reference, the caller's. */
PosternMilterSettings *postern_milter_runtime_settings(PosternMilterRuntime *filter);

/* Takes over settings, for messages that begin from now on. */
void postern_milter_runtime_set_settings(PosternMilterRuntime *filter, PosternMilterSettings *settings);

/*
 * What a message waits for decides how many of [milter] max_waiting it may be among: other clients, whose DNS
 * may be as slow as they like, leave a quarter to our own clients; and who waits at MAIL, if that can be left
 * until the end, half to those at the end.
 */
typedef enum {
    POSTERN_MILTER_WAIT_LOCAL,
    POSTERN_MILTER_WAIT_EXTERNAL,
    POSTERN_MILTER_WAIT_AT_MAIL,
} PosternMilterWait;

/* Of a message at its end, by the class of its client. */
PosternMilterWait postern_milter_runtime_wait_of(PosternClientClass client_class);

/* Whether as many messages wait for their verdict as are allowed to. */
gboolean postern_milter_runtime_is_full(PosternMilterRuntime *filter, const PosternMilterSettings *settings,
                                        PosternMilterWait wait);

/* One more waits for its verdict; FALSE, and none more, if it is full. */
gboolean postern_milter_runtime_enter(PosternMilterRuntime *filter, const PosternMilterSettings *settings,
                                      PosternMilterWait wait);
void postern_milter_runtime_leave(PosternMilterRuntime *filter); /* it waits no more */

/* Whether any message waits for its verdict. */
gboolean postern_milter_runtime_has_waiting(PosternMilterRuntime *filter);

/* Counts messages under way, from MAIL to the end or the abort. */
void postern_milter_runtime_count(PosternMilterRuntime *filter, int change);
guint postern_milter_runtime_under_way(PosternMilterRuntime *filter); /* that count */

/* New sessions and messages are tempfailed from now on. */
void postern_milter_runtime_drain(PosternMilterRuntime *filter);
gboolean postern_milter_runtime_is_draining(PosternMilterRuntime *filter); /* whether that was called */
