/*
 * What a day's summary tells of messages and sessions: the counts of a closing line, by domain. Pure.
 */
#pragma once

#include "tally/rows.h"
#include "verdict/record.h"

/*
 * Kinds and names, each with the domain of the author (of the sender, if there is none that DMARC knows):
 *   action   what was done: accept, quarantine, reject …        check    the rule that decided
 *   would    what observing has not done                        tls      TLSv1.3 … or none
 *   spf, dkim, dmarc, virus   the result; dkim: pass if one signature does
 *   server_tls  as tls, of the mail server that a message went to
 * FALSE: there was no room.
 */
gboolean postern_tally_add_record(PosternTallyRows *rows, guint day, const PosternRecord *record);
/* slow: a client was slowed; suspect: it had points of suspicion. Without a domain. */
gboolean postern_tally_add_session(PosternTallyRows *rows, guint day, const PosternSessionRecord *record);
