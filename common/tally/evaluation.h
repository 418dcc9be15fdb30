/*
 * What of a message's findings reports to the owner of its domain go by (RFC 9990, RFC 9991). Pure.
 */
#pragma once

#include "verdict/case.h"

typedef struct {
    const PosternFindings *findings;
    const PosternDmarcAuthor *author; /* who decides */
    gboolean dkim, spf;               /* aligned, and passed */
} PosternTallyEvaluation;

/* Of findings that outlive it, and have a decisive author. */
PosternTallyEvaluation postern_tally_evaluate(const PosternFindings *findings);

/* TRUE if domain, or NULL, is aligned with the author's (RFC 9989 4.10.2). */
gboolean postern_tally_is_aligned(const PosternTallyEvaluation *evaluation, const char *domain,
                                  gboolean strict);

/*
 * TRUE if the owner of the author's domain may be told: it has a DMARC Policy Record, DMARC was checked, and
 * the client is from elsewhere. Never of what passes and comes from reporter, the address of our own reports.
 */
gboolean postern_tally_is_reported(const PosternCase *mail_case, const PosternFindings *findings,
                                   const char *reporter);
