/*
 * DMARC's result (RFC 9989 5.3): made of what the DMARC check found out, and of what SPF and DKIM found.
 * Pure.
 */
#pragma once

#include "verdict/findings.h"

/*
 * postern_findings_conclude() of DMARC: sets findings->dmarc.result and decisive. Of several Author Domains
 * each is evaluated: PASS if all pass, else the one with the strictest policy decides. Nothing is ever
 * PASS if from_invalid or ambiguous; if ambiguous it is FAIL or PERMERROR, for no answer of the DNS could
 * make it PASS. NONE if From says that there is no author. Without the check (no authors, no problem) the
 * result stays NOT_CHECKED; so it does if SPF was not checked, for the client is not known, and DKIM does
 * not pass: a failure cannot be told from mail that SPF would vouch for. TEMPERROR if it hangs on an
 * answer that the DNS did not give.
 */
void postern_dmarc_conclude(PosternFindings *findings);

/*
 * RFC 9989 4.4: TRUE if identifier, a domain that SPF or DKIM vouches for, is aligned with author.
 * *ret_temporary: it could not be told, for the DNS failed.
 */
gboolean postern_dmarc_is_aligned(const PosternDmarcFinding *dmarc, const PosternDmarcAuthor *author,
                                  const char *identifier, gboolean strict, gboolean *ret_temporary);
