/*
 * `postern-report dmarc`: the aggregate reports of a day (RFC 9990).
 */
#pragma once

#include "base/configuration.h"
#include "tally/store.h"

typedef struct {
    const PosternConfiguration *configuration;
    PosternTallyStore *store;
    guint day;          /* since 1970, UTC; 0: with send, each that is over and still to be reported */
    guint today;        /* likewise */
    const char *domain; /* of it alone, or NULL */
    const char *output; /* a folder for the files, or NULL */
    gboolean send;      /* else what would be sent is only told */
} PosternDmarcRun;

/* Tells on standard output what is done with each report. *ret_left: some are to be tried again. FALSE and
 * error: it could not go on. */
gboolean postern_dmarc_run(const PosternDmarcRun *run, gboolean *ret_left,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;
