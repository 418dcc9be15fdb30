/*
 * What an aggregate report tells of a message (RFC 9990). Pure.
 */
#pragma once

#include "tally/rows.h"
#include "verdict/case.h"

/*
 * Adds the row of a message that was decided by findings, and the policy that applied. Nothing: it has no
 * policy, DMARC was not checked, or the client is not from elsewhere. reporter: the address that our own
 * reports come from; those of them that pass are left out, so that no report is about reports alone.
 * FALSE: there was no room.
 */
gboolean postern_tally_add_dmarc(PosternTallyRows *rows, guint day, const PosternCase *mail_case,
                                 const PosternFindings *findings, const char *reporter);
