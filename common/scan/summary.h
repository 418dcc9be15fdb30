/*
 * What many messages came to: counts for each action and each result of the checks, and viruses by name.
 */
#pragma once

#include <glib.h>

#include "scan/result.h"

typedef struct PosternScanSummary PosternScanSummary;

/* The time begins. */
PosternScanSummary *postern_scan_summary_new(void);
void postern_scan_summary_free(PosternScanSummary *summary);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternScanSummary, postern_scan_summary_free)

/* Counts result, which is only read. */
void postern_scan_summary_add(PosternScanSummary *summary, const PosternScanResult *result);

/* Messages so far, those that could not be read among them, and how many were not accepted. */
guint64 postern_scan_summary_messages(const PosternScanSummary *summary);
guint64 postern_scan_summary_refused(const PosternScanSummary *summary);

/* A table of some lines for a person; octets is what was read. A new string. */
char *postern_scan_summary_to_text(const PosternScanSummary *summary, guint64 octets);
