/*
 * The serving process: libmilter on the main thread and threads of its own, one event loop on another thread.
 * It takes no signals; the supervisor tells it what to do through a socket.
 */
#pragma once

#include "daemon/daemon.h"

/* One octet each. Its end is AT_ONCE. */
typedef enum {
    POSTERN_MILTER_RELOAD = 'r', /* read the configuration again */
    POSTERN_MILTER_REOPEN = 'o', /* log to the descriptor that comes with it */
    POSTERN_MILTER_DRAIN = 'd',  /* take nothing new, end when all messages have their verdict */
    POSTERN_MILTER_AT_ONCE = 'e',
} PosternMilterOrder;

typedef struct {
    PosternConfiguration *configuration;
    PosternDaemon *daemon; /* without the private inspector, which is the supervisor's */
    int orders;            /* the socket's end to read from */
    int ready;      /* an octet is sent there once mail is served, with the listening socket if it is kept */
    GArray *passed; /* of int: listening sockets that there are already */
    gboolean of_unit; /* they are of a socket unit, which keeps them */
} PosternMilterServerOptions;

/*
 * Serves. Returns only if it cannot (FALSE and error), or if libmilter ends by itself, an error too;
 * otherwise the process ends from inside with status 0.
 */
gboolean postern_milter_server_run(const PosternMilterServerOptions *options,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;
