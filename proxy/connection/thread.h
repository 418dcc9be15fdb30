/*
 * One thread of the proxy: its sessions and its connections to the groups of servers that all threads share.
 * All that it does begins with a call of its world (world.h) or of these functions, on one loop; it knows no
 * sockets. Sessions never move between threads.
 */
#pragma once

#include "proxy/connection/world.h"
#include "proxy/screen/client_table.h"
#include "proxy/settings/settings.h"

typedef struct {
    PosternWorld *world;            /* outlives the thread */
    PosternProxySettings *settings; /* a reference is taken; with the groups of servers, which are shared */
    PosternClientTable *clients;    /* shared; outlives the threads */
} PosternProxyThreadOptions;

typedef struct PosternProxyThread PosternProxyThread;

/* Where a client comes in. */
typedef enum {
    POSTERN_LISTENER_MAIL,           /* [proxy] listen */
    POSTERN_LISTENER_SUBMISSION,     /* submission_listen: where users who have logged in come from */
    POSTERN_LISTENER_TLS,            /* tls_listen: TLS begins at once */
    POSTERN_LISTENER_SUBMISSION_TLS, /* submission_tls_listen: both */
    POSTERN_LISTENER_KINDS,
} PosternListenerKind;

/* One without clients, which asks nothing of its world but timers yet. */
PosternProxyThread *postern_proxy_thread_new(const PosternProxyThreadOptions *options);
/* Whatever it has is closed at once. */
void postern_proxy_thread_free(PosternProxyThread *thread);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternProxyThread, postern_proxy_thread_free)

/* Its world was woken, or it begins: another thread may have left it something to do. */
void postern_proxy_thread_look(PosternProxyThread *thread);

/* A client has connected to server (AF_UNSPEC: not known) over transport, which is taken over; over a limit
 * it gets 421. */
void postern_proxy_thread_accept(PosternProxyThread *thread, PosternTransport *transport,
                                 const PosternAddress *client, const PosternAddress *server,
                                 PosternListenerKind kind);

/* New sessions go by settings, which is taken over. */
void postern_proxy_thread_reload(PosternProxyThread *thread, PosternProxySettings *settings);

/* Clients that are idle are let go, the others after their message, all of them after timeout_ms; then the
 * world is told. */
void postern_proxy_thread_drain(PosternProxyThread *thread, guint timeout_ms);
