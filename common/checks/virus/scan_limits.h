/*
 * Room for one scan. libclamav does not look whether its last buffer of a temporary file was written, nor at
 * every failed allocation: with a full disk it scans what is there and answers CL_CLEAN without a word
 * (measured). So no scan begins that could run out: the room there is for files, descriptors and memory is
 * measured before, the library's own limit on what it unpacks is set to fit into it (over that it raises an
 * alert), and whether the room lasted is looked at as the layers come and at the end.
 */
#pragma once

#include <glib.h>

typedef struct {
    int directory;       /* the temporary folder, or -1 */
    guint64 scan_octets; /* what may be unpacked in all, in files that together take at most twice as much */
} PosternVirusScanLimits;

/*
 * Measures: at most wanted octets; workers processes share the folder. FALSE and error if not even
 * POSTERN_VIRUS_SCAN_MIN_OCTETS can be had, or no file can be made.
 */
gboolean postern_virus_scan_limits_open(PosternVirusScanLimits *room, const char *directory, guint64 wanted,
                                        guint workers, GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_virus_scan_limits_close(PosternVirusScanLimits *room);

/* Why room is too small at this moment (static), or NULL. */
const char *postern_virus_scan_limits_full(const PosternVirusScanLimits *room);
/* At the end: the same, or why it may have been too small since it was opened. */
const char *postern_virus_scan_limits_problem(const PosternVirusScanLimits *room);
