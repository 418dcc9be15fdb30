/*
 * Where lines of our own log come from: files, also those that logrotate has compressed, standard input, and
 * the journal.
 */
#pragma once

#include "base/log_entry.h"

typedef void (*PosternLogRead)(const PosternLogEntry *entry, gpointer user_data);

/* Reads path ("-": standard input) to its end; lines of others, and what of a line is over
 * POSTERN_LOG_LINE_MAX_OCTETS by far, are left out. FALSE and error: it cannot be read. */
gboolean postern_log_read_file(const char *path, PosternLogRead read, gpointer user_data,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* What journalctl has of our programs since a time it understands ("2026-12-01", "yesterday"; NULL: all). */
gboolean postern_log_read_journal(const char *since, PosternLogRead read, gpointer user_data,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
