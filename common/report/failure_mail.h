/*
 * The mail that a failure report is (RFC 9991, RFC 6591, RFC 5965). Pure.
 */
#pragma once

#include "base/configuration.h"
#include "tally/failure.h"

/*
 * Of failure to addresses (of const char *). spf_record: what failure->spf_domain publishes, or NULL: not
 * known; now: seconds since 1970. A new string.
 */
GString *postern_failure_mail(const PosternConfiguration *configuration, const PosternTallyFailure *failure,
                              const char *spf_record, const GPtrArray *addresses, gint64 now);
