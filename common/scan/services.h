/*
 * What the programs of others do for a scan, on one event loop: an inspector, and a resolver.
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
} PosternScanServices;

void postern_scan_services_init(PosternScanServices *services);
void postern_scan_services_clear(PosternScanServices *services);

/* The resolver: answers out of the file answers (NULL: as configuration says). An INPUT error if a file
 * cannot be read. */
gboolean postern_scan_services_resolve(PosternScanServices *services,
                                       const PosternConfiguration *configuration, const char *answers,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The inspector: the shared one, if shared is TRUE, one is configured and it answers; else one of our own,
 * with the configuration at path (NULL: the usual one). The shared socket is never made. *ret_note (to be
 * freed), or NULL: what the user should know: the shared one does not answer. Once it is there this does
 * nothing.
 */
gboolean postern_scan_services_inspect(PosternScanServices *services,
                                       const PosternConfiguration *configuration, const char *path,
                                       gboolean shared, char **ret_note,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* To be called a few times a second. FALSE and error: our own inspector keeps ending. */
gboolean postern_scan_services_check(PosternScanServices *services, GError **error) G_GNUC_WARN_UNUSED_RESULT;
