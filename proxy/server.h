/*
 * The proxy as a whole: listeners, the private inspector, privileges, threads, signals.
 *
 * SIGHUP reads the configuration again (a bad file changes nothing), SIGTERM and SIGINT let every client
 * finish its message and end, a second one ends at once, SIGUSR1 opens the log file again.
 */
#pragma once

#include <glib.h>

#include "base/configuration.h"

/*
 * Runs until it is told to end. configuration is taken over; path is where it came from (NULL: the
 * compiled-in place or defaults), for reloads. TRUE: ended as told; FALSE and error: could not start.
 */
gboolean postern_server_run(PosternConfiguration *configuration, const char *path,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;
