/*
 * Replays capsules, one after the other: --replay.
 */
#pragma once

#include "scan/scanner.h"

/* Replays all that options names, with callbacks and ret_signal as in postern_scanner_run(). FALSE and error
 * if no more could be replayed: there is no inspector. */
gboolean postern_replayer_run(const PosternScanOptions *options, const PosternConfiguration *configuration,
                              const PosternScannerCallbacks *callbacks, int *ret_signal,
                              GError **error) G_GNUC_WARN_UNUSED_RESULT;
