/*
 * One thread of the proxy: an event loop with its own listeners, sessions, share of the back-end's limit,
 * resolver context and connection to the inspector. Sessions never move between threads.
 */
#pragma once

#include <glib.h>

#include "dns/answers_file.h"
#include "dns/resolver_health.h"
#include "proxy/screen/client_table.h"
#include "proxy/servers/backend_status.h"
#include "proxy/settings.h"

typedef struct {
    PosternProxySettings *settings; /* a reference is taken */
    PosternClientTable *clients;    /* shared; outlives the threads */
    PosternBackendStatus *problem;  /* likewise */
    PosternResolverHealth *health;  /* of the DNS, likewise */
    const char *inspector_path;     /* NULL: nothing is inspected; copied */
    PosternAnswersFile *answers;    /* in place of the DNS (a reference is taken), or NULL */
    GArray *listeners;              /* of int: listening sockets, taken over */
    GArray *submission_listeners;   /* likewise, those of [proxy] submission_listen */
    guint index;                    /* for its share of the back-end's limit */
} PosternProxyThreadOptions;

typedef struct PosternProxyThread PosternProxyThread;

/* Starts it. NULL and error where the resolver or the thread cannot be had. */
PosternProxyThread *postern_proxy_thread_new(const PosternProxyThreadOptions *options, GError **error);

/* New sessions go by settings (a reference is taken). Returns at once. */
void postern_proxy_thread_reload(PosternProxyThread *thread, PosternProxySettings *settings);

/* No new clients; those that are idle are let go, the others after their message, all of them after
 * timeout_ms. */
void postern_proxy_thread_drain(PosternProxyThread *thread, guint timeout_ms);

/* Waits until it has ended, after a drain, and frees it. */
void postern_proxy_thread_join(PosternProxyThread *thread);

/* TRUE once it has ended. */
gboolean postern_proxy_thread_has_ended(PosternProxyThread *thread);
