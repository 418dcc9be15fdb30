/*
 * A progress bar on a terminal: only where standard error is one, and more than a few messages are scanned.
 */
#pragma once

#include <glib.h>

/* Shows done of total, refused of them; draws nothing where it would disturb. */
void postern_scan_progress_show(guint done, guint total, guint refused);
/* Takes the bar away, so that other text may stand there. */
void postern_scan_progress_clear(guint total);
