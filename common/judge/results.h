/*
 * Findings as Authentication-Results (RFC 8601). Inner part of judge/verdict.h.
 */
#pragma once

#include "judge/findings.h"
#include "mail/envelope.h"
#include "wire/authentication_results.h"

/*
 * spf with smtp.mailfrom or smtp.helo, and dkim with header.d, header.s, header.a and header.b for each
 * signature; a skipped one is dkim=policy. What was not checked is not named. The caller's.
 */
PosternAuthenticationResults *postern_results_of_findings(const char *authserv_id,
                                                          const PosternFindings *findings,
                                                          const PosternEnvelope *envelope);
