/*
 * The supervisor: takes the signals, for a SIGHUP would end libmilter; starts the private inspector and the
 * serving process (milter/server.h), and each of them again if it has died. It listens to nobody, and so
 * may keep the rights that opening the socket again needs.
 *
 * SIGHUP reads the configuration again (a bad file changes nothing), SIGTERM and SIGINT let messages under
 * way get their verdict and end, a second one ends at once, SIGUSR1 opens the log file again.
 */
#pragma once

#include "base/configuration.h"

/*
 * Runs until it is told to end. configuration is taken over; path is where it came from (NULL: the
 * compiled-in place or defaults). TRUE: ended as told; FALSE: could not start, error says why; if it is
 * NULL the serving process has said so.
 */
gboolean postern_milter_supervisor_run(PosternConfiguration *configuration, const char *path,
                                       GError **error) G_GNUC_WARN_UNUSED_RESULT;
