/*
 * What is made of lines of the log: the history of a message, a session, an address or a Message-ID, for
 * people, and a summary.
 */
#pragma once

#include "base/log_entry.h"

/* TRUE if the entry is about what: an id of a session or message, ours or a mail server's; a Message-ID, with
 * or without < >; an address of a client; a mail address, or a domain ("@example.org"), of sender or
 * recipient. Letter case does not count. */
gboolean postern_log_answers(const PosternLogEntry *entry, const char *what);

/* Appends lines for people that say what became of it. */
void postern_log_tell(const PosternLogEntry *entry, GString *out);

typedef struct PosternLogSummary PosternLogSummary;

PosternLogSummary *postern_log_summary_new(void);
void postern_log_summary_free(PosternLogSummary *summary);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternLogSummary, postern_log_summary_free)
/* Counts it. */
void postern_log_summary_add(PosternLogSummary *summary, const PosternLogEntry *entry);
/* Appends it, for people. */
void postern_log_summary_tell(const PosternLogSummary *summary, GString *out);
