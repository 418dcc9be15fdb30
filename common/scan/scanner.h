/*
 * Scans many messages at once: each goes through the same inspection and the same verdict as in the daemons.
 * Memory is bounded whatever their number and size: the messages under way have [proxy] message_memory
 * together, a larger one is alone; of the results, the last thousand at most wait for one before them.
 */
#pragma once

#include <glib.h>

#include "base/configuration.h"
#include "scan/options.h"
#include "scan/progress.h"
#include "scan/result.h"
#include "scan/walk.h"

/* Once for each message, in the order of the inputs. result is the callee's. */
typedef void (*PosternScannerReport)(PosternScanResult *result, const PosternScanProgress *progress,
                                     gpointer user_data);

typedef struct {
    PosternScannerReport report;
    PosternScanComplain complain; /* of inputs that are left out */
    PosternScanComplain notice;   /* what else the user should know */
    gpointer user_data;
} PosternScannerCallbacks;

/*
 * Scans all inputs of options. FALSE and error if no more could be scanned: no inspector, no resolver,
 * answers or policies that cannot be read, a capsule that cannot be written. *ret_signal: 0, or the signal,
 * SIGINT or SIGTERM, that ended the scan before its time.
 */
gboolean postern_scanner_run(const PosternScanOptions *options, const PosternConfiguration *configuration,
                             const PosternScannerCallbacks *callbacks, int *ret_signal,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;
