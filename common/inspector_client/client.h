/*
 * The client's side of postern-inspector, on one event loop: many requests under way, each with a deadline.
 * Connects, and connects again with growing pauses, by itself. An inspector tells first how it is; if none
 * has for three seconds, requests are UNAVAILABLE at once until one does. Speaks only with an inspector that
 * root or our own user runs.
 */
#pragma once

#include <event2/event.h>
#include <glib.h>

#include "inspector_client/request.h"

typedef struct PosternInspectorClient PosternInspectorClient;

/* For the socket at path. loop must outlive it. Never fails: a missing inspector is an error of each request.
 */
PosternInspectorClient *postern_inspector_client_new(struct event_base *loop, const char *path);
/* Whether an inspector that may be trusted takes connections at path, now. FALSE and error: why not. */
gboolean postern_inspector_client_probe(const char *path, GError **error) G_GNUC_WARN_UNUSED_RESULT;
typedef enum {
    POSTERN_INSPECTOR_STARTING, /* not known, or it loads its signatures: requests wait */
    POSTERN_INSPECTOR_UP,
    POSTERN_INSPECTOR_DOWN, /* requests fail at once */
} PosternInspectorState;

/* From the loop, at each change. reason: why it is DOWN, only during the call; else NULL. */
typedef void (*PosternInspectorChanged)(PosternInspectorState state, const char *reason, gpointer user_data);

/* Keeps client connected from now on, and tells how the inspector is; it is STARTING at first. Once. */
void postern_inspector_client_watch(PosternInspectorClient *client, PosternInspectorChanged changed,
                                    gpointer user_data);

/* TRUE: the inspector is there, and has not loaded its signatures yet. */
gboolean postern_inspector_client_is_loading(const PosternInspectorClient *client);
/* The loop it was made with. */
struct event_base *postern_inspector_client_loop(const PosternInspectorClient *client);
/* Requests under way end without their callback. */
void postern_inspector_client_free(PosternInspectorClient *client);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternInspectorClient, postern_inspector_client_free)

/*
 * Once for each request, from the loop, never from inside postern_inspector_client_send. response is the
 * callee's to free; or NULL, and error says why (owned by the caller): UNAVAILABLE, TIMEOUT, LIMIT or
 * PROTOCOL. A request whose connection broke is sent once more on a new one before it is UNAVAILABLE.
 */
typedef void (*PosternInspectorDone)(PosternResponse *response, const GError *error, gpointer user_data);

typedef struct PosternInspectorCall PosternInspectorCall;

/* Sends request (only read during the call) and message (sealed; NULL: none). */
PosternInspectorCall *postern_inspector_client_send(PosternInspectorClient *client,
                                                    const PosternRequest *request, PosternMessage *message,
                                                    guint deadline_ms, PosternInspectorDone done,
                                                    gpointer user_data);

/* Ends a call without its callback. NULL is allowed. */
void postern_inspector_client_cancel(PosternInspectorCall *call);
