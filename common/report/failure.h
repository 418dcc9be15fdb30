/*
 * `postern-report failures`: reports about single failures (RFC 9991), those of an hour that is over.
 */
#pragma once

#include "base/configuration.h"
#include "tally/store.h"

typedef struct {
    const PosternConfiguration *configuration;
    PosternTallyStore *store;
    gint64 now;         /* seconds since 1970 */
    const char *domain; /* of it alone, or NULL */
    gboolean send;      /* else what would be sent is only told */
} PosternFailureRun;

/* Tells on standard output what is done with each report. *ret_left: some are to be tried again. FALSE and
 * error: it could not go on. */
gboolean postern_failure_run(const PosternFailureRun *run, gboolean *ret_left,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
