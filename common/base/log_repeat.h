/*
 * What keeps a flood out of the log: of lines that say the same of the same peer the first few are written,
 * the rest are counted, and one line tells how many there were. Knows no clock and no log. One thread, or a
 * lock around it.
 */
#pragma once

#include <glib.h>

typedef struct PosternLogRepeats PosternLogRepeats;

PosternLogRepeats *postern_log_repeats_new(void);
void postern_log_repeats_free(PosternLogRepeats *repeats);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternLogRepeats, postern_log_repeats_free)

/*
 * TRUE: the line is to be written. FALSE: it is counted. Written are, in each window of
 * POSTERN_LOG_REPEAT_WINDOW_SECONDS, POSTERN_LOG_REPEAT_LINES_MAX lines of one key, and
 * POSTERN_LOG_REPEAT_ALL_MAX of all keys together. key: what counts as the same, printable ASCII, cut at
 * POSTERN_LOG_VALUE_MAX_OCTETS; now: milliseconds, monotonic.
 */
gboolean postern_log_repeats_admit(PosternLogRepeats *repeats, const char *key, gint64 now);

/*
 * After the window has ended: a key whose lines were counted, which the caller frees, and how many they were,
 * one a call; NULL: none (left). Keys beyond POSTERN_LOG_REPEAT_KEYS_MAX are counted together, as "others".
 */
char *postern_log_repeats_next(PosternLogRepeats *repeats, gint64 now, guint64 *ret_count);
