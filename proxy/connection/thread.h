/*
 * One thread of the proxy: its sessions, connections to the back-end and share of the back-end's limit. All
 * that it does begins with a call of its world (world.h) or of these functions, on one loop; it knows no
 * sockets. Sessions never move between threads.
 */
#pragma once

#include "proxy/connection/world.h"
#include "proxy/screen/client_table.h"
#include "proxy/servers/backend_status.h"

typedef struct {
    PosternWorld *world;            /* outlives the thread */
    PosternProxySettings *settings; /* a reference is taken */
    PosternClientTable *clients;    /* shared; outlives the threads */
    PosternBackendStatus *problem;  /* likewise */
    guint index;                    /* for its share of the back-end's limit */
} PosternProxyThreadOptions;

typedef struct PosternProxyThread PosternProxyThread;

/* One without clients, which asks nothing of its world but timers yet. */
PosternProxyThread *postern_proxy_thread_new(const PosternProxyThreadOptions *options);
/* Whatever it has is closed at once. */
void postern_proxy_thread_free(PosternProxyThread *thread);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternProxyThread, postern_proxy_thread_free)

/* The relay probe begins. Once. */
void postern_proxy_thread_start(PosternProxyThread *thread);

/* A client has connected to server (AF_UNSPEC: not known) over transport, which is taken over; over a limit
 * it gets 421. submission: where users who have logged in come from ([proxy] submission_listen). */
void postern_proxy_thread_accept(PosternProxyThread *thread, PosternTransport *transport,
                                 const PosternAddress *client, const PosternAddress *server,
                                 gboolean submission);

/* New sessions go by settings, which is taken over. */
void postern_proxy_thread_reload(PosternProxyThread *thread, PosternProxySettings *settings);

/* Clients that are idle are let go, the others after their message, all of them after timeout_ms; then the
 * world is told. */
void postern_proxy_thread_drain(PosternProxyThread *thread, guint timeout_ms);
