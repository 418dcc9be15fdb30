/*
 * Scans many messages at once: each goes through the same inspection and the same verdict as in the daemons.
 */
#pragma once

#include <glib.h>

#include "base/configuration.h"
#include "scan/options.h"
#include "scan/result.h"

/* Once for each input, in the order of the inputs. result is the callee's. done of total are finished. */
typedef void (*PosternScannerReport)(PosternScanResult *result, guint done, guint total, gpointer user_data);

/*
 * Scans the files of paths (of char *), with options and configuration. FALSE and error where nothing could
 * be scanned at all: no inspector, no resolver, answers that cannot be read.
 */
gboolean postern_scanner_run(const PosternScanOptions *options, const PosternConfiguration *configuration,
                             const GPtrArray *paths, PosternScannerReport report, gpointer user_data,
                             GError **error);
