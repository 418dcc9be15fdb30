/*
 * The domain of an identity that SPF checks, as the DNS has it (RFC 7208 4.3, RFC 8616 4).
 */
#pragma once

#include <glib.h>

/*
 * domain in lower case, internationalized labels as A-labels (RFC 5890 2.3.2.1, UTS 46 non-transitional),
 * without a final dot: a new string. NULL: it has no such form.
 */
char *postern_spf_domain_to_ascii(const char *domain);
