/*
 * What other programs do for a verdict, on one event loop: an inspector, and a resolver.
 */
#pragma once

#include <event2/event.h>

#include "base/configuration.h"
#include "daemon/inspector_process.h"
#include "dns/resolver.h"
#include "inspector_client/client.h"

typedef struct {
    struct event_base *loop;
    PosternResolver *resolver;        /* NULL until it is asked for */
    PosternInspectorClient *client;   /* likewise */
    PosternInspectorProcess *process; /* our own; NULL: the shared one is used */
    guint restarts;
    struct event *signals[2];
    int interrupted; /* the signal that ended the loop, SIGINT or SIGTERM; 0: none has come, or none is caught
                      */
} PosternServices;

void postern_services_init(PosternServices *services);
/* From here on SIGINT and SIGTERM end the loop, and services->interrupted says so. */
void postern_services_catch_signals(PosternServices *services);
void postern_services_clear(PosternServices *services);

/* The resolver: answers out of the file answers (NULL: as configuration says). An INPUT error if a file
 * cannot be read. */
gboolean postern_services_resolve(PosternServices *services, const PosternConfiguration *configuration,
                                  const char *answers, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The inspector: the shared one, if shared is TRUE, one is configured and it answers; else one of our own,
 * with the configuration at path (NULL: the usual one). The shared socket is never made. *ret_note (to be
 * freed), or NULL: what the user should know: the shared one does not answer. Once it is there this does
 * nothing.
 */
gboolean postern_services_inspect(PosternServices *services, const PosternConfiguration *configuration,
                                  const char *path, gboolean shared, char **ret_note,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* To be called a few times a second. FALSE and error: our own inspector keeps ending. */
gboolean postern_services_check(PosternServices *services, GError **error) G_GNUC_WARN_UNUSED_RESULT;
