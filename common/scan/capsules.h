/*
 * The capsules that --capsule asks for.
 */
#pragma once

#include "capsule/capsule.h"
#include "scan/result.h"

typedef struct {
    const char *path; /* of the capsule, or of an existing directory: then there is one for each message */
    const char *configuration; /* the text of the configuration's dump */
    const char *versions;
} PosternScanCapsules;

/* Writes the capsule of a message that was judged: result has case and findings, and number is its place
 * among all, from 0. */
gboolean postern_scan_capsules_save(const PosternScanCapsules *capsules, const PosternScanResult *result,
                                    guint number, PosternInspection *inspection, PosternMessage *message,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;
