/*
 * What a daemon remembers of each day for postern-report, [report] store: counted in memory as messages are
 * judged, and written every [report] interval by a thread of its own. No message waits for a disk: if it is
 * full, or the file cannot be written, what is counted waits, up to POSTERN_TALLY_WAITING_MAX different
 * rows; more are lost, and the log is told.
 */
#pragma once

#include "base/configuration.h"
#include "verdict/case.h"

typedef struct PosternTally PosternTally;

/* Starts the thread, which opens the store as the user who writes it. NULL: [report] store is not set. */
PosternTally *postern_tally_start(const PosternConfiguration *configuration);
/* Writes what waits, once, and ends. NULL is allowed. */
void postern_tally_free(PosternTally *tally);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternTally, postern_tally_free)

/* Any thread; tally may be NULL: nothing is remembered. */

/* message, sealed, was decided by findings: for DMARC reports. */
void postern_tally_note_verdict(PosternTally *tally, const PosternCase *mail_case,
                                const PosternFindings *findings, PosternMessage *message);
/* The end of a message, and of a session: for the day's summary. */
void postern_tally_note_message(PosternTally *tally, const PosternRecord *record);
void postern_tally_note_session(PosternTally *tally, const PosternSessionRecord *record);
