/*
 * A thread of the proxy in the world: an event loop on a thread of the system, with its own listeners,
 * resolver context and connection to the inspector.
 */
#pragma once

#include <glib.h>

#include "dns/answers_file.h"
#include "dns/resolver_health.h"
#include "proxy/screen/client_table.h"
#include "proxy/servers/group.h"
#include "proxy/settings.h"

typedef struct {
    PosternProxySettings *settings; /* a reference is taken */
    PosternClientTable *clients;    /* shared; outlives the threads */
    PosternServerGroup *servers;    /* likewise */
    PosternResolverHealth *health;  /* of the DNS, likewise */
    const char *inspector_path;     /* NULL: nothing is inspected; copied */
    PosternAnswersFile *answers;    /* in place of the DNS (a reference is taken), or NULL */
    GArray *listeners;              /* of int: listening sockets, taken over */
    GArray *submission_listeners;   /* likewise, those of [proxy] submission_listen */
} PosternProxyLoopOptions;

typedef struct PosternProxyLoop PosternProxyLoop;

/* Starts it. NULL and error if the resolver or the thread cannot be had. */
PosternProxyLoop *postern_proxy_loop_new(const PosternProxyLoopOptions *options,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* New sessions go by settings (a reference is taken). Returns at once. */
void postern_proxy_loop_reload(PosternProxyLoop *loop, PosternProxySettings *settings);

/* No new clients; those that are idle are let go, the others after their message, all of them after
 * timeout_ms. Returns at once. */
void postern_proxy_loop_drain(PosternProxyLoop *loop, guint timeout_ms);

/* Waits until it has ended, after a drain, and frees it. */
void postern_proxy_loop_join(PosternProxyLoop *loop);

/* TRUE once it has ended. */
gboolean postern_proxy_loop_has_ended(PosternProxyLoop *loop);
