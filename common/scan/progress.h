/*
 * A progress bar on a terminal: only if standard error is one, and more than a few messages are scanned.
 */
#pragma once

#include <glib.h>

typedef struct {
    guint64 messages; /* done */
    guint64 octets;   /* read */
    double fraction;  /* of the inputs, 0 to 1; 0 if it is not known */
} PosternScanProgress;

/* Shows progress, refused messages of it; draws nothing if it would disturb. */
void postern_scan_progress_show(const PosternScanProgress *progress, guint64 refused);
/* Takes the bar away, so that other text may stand there. */
void postern_scan_progress_clear(void);
