/*
 * Findings as Authentication-Results (RFC 8601). Inner part of verdict/verdict.h.
 */
#pragma once

#include "verdict/rules.h"
#include "wire/authentication_results.h"

/*
 * What facts->findings say of the checks that facts->policy has; what was not checked is not named. Methods,
 * properties and results are those of IANA's registry "Email Authentication Parameters":
 *
 *   spf    smtp.mailfrom or smtp.helo
 *   dkim   header.d, header.s, header.a, header.b and header.i of each signature; one that was skipped is
 *          dkim=policy
 *   dmarc  header.from, and policy.dmarc, the policy that applies; where ARC overrides it, the reason says so
 *   arc    smtp.remote-ip; there is no temperror: such a chain is arc=fail, and the reason says so
 *
 * Of signatures, POSTERN_DKIM_SIGNATURES_MAX and some more are named. The caller's.
 */
PosternAuthenticationResults *postern_results_of_case(const PosternCase *facts);
