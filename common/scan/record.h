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
} PosternRecord;

/* Writes the capsule of a message that was judged: result has findings and verdict, and number is its place
 * among all, from 0. */
gboolean postern_record_save(const PosternRecord *record, const PosternScanResult *result, guint number,
                             PosternInspection *inspection, PosternMessage *message,
                             const PosternEnvelope *envelope, const PosternPolicy *policy, GError **error);
