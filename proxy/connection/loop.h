/*
 * A thread of the proxy in the world: an event loop on a thread of the system, with its own listeners,
 * resolver context and connection to the inspector.
 */
#pragma once

#include <glib.h>

#include "dns/answers_file.h"
#include "dns/resolver_health.h"
#include "greylist/greylist.h"
#include "proxy/connection/spread.h"
#include "proxy/connection/thread.h"
#include "proxy/screen/client_table.h"
#include "proxy/settings/settings.h"

typedef struct {
    PosternProxySettings *settings;            /* a reference is taken */
    PosternClientTable *clients;               /* shared; outlives the threads */
    PosternResolverHealth *health;             /* of the DNS, likewise */
    const char *inspector_path;                /* NULL: nothing is inspected; copied */
    PosternGreylist *greylist;                 /* which outlives it, or NULL */
    PosternAnswersFile *answers;               /* in place of the DNS (a reference is taken), or NULL */
    GArray *listeners[POSTERN_LISTENER_KINDS]; /* of int: listening sockets, taken over */
    PosternSpread *spread;                     /* of these among the threads; outlives them */
    guint number;                              /* of the thread, there */
} PosternProxyLoopOptions;

typedef struct PosternProxyLoop PosternProxyLoop;

/* Starts it. NULL and error if the resolver or the thread cannot be had. */
PosternProxyLoop *postern_proxy_loop_new(const PosternProxyLoopOptions *options,
                                         GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* New sessions go by settings (a reference is taken), and greylist (which outlives it, or NULL) is used if
 * there was none yet. Returns at once. */
void postern_proxy_loop_reload(PosternProxyLoop *loop, PosternProxySettings *settings,
                               PosternGreylist *greylist);

/* No new clients; those that are idle are let go, the others after their message, all of them after
 * timeout_ms. Returns at once. */
void postern_proxy_loop_drain(PosternProxyLoop *loop, guint timeout_ms);

/* Looks at what other threads have left it, such as orders in the client table. */
void postern_proxy_loop_wake(PosternProxyLoop *loop);

/* Waits until it has ended, after a drain, and frees it. */
void postern_proxy_loop_join(PosternProxyLoop *loop);

/* TRUE if it has come around, or has ended, since it was asked last; it is asked again then. */
gboolean postern_proxy_loop_is_alive(PosternProxyLoop *loop);

/* TRUE once it has ended. */
gboolean postern_proxy_loop_has_ended(PosternProxyLoop *loop);
