/*
 * What SPF found as Received-SPF (RFC 7208 9.1). Inner part of verdict/verdict.h.
 */
#pragma once

#include "mail/envelope.h"
#include "verdict/findings.h"

/*
 * The value of the field, folded with CRLF and a tab; a new string. NULL: SPF was not checked. receiver is
 * our own name. What a client said is quoted if it is no dot-atom, '?' in place of what is not printable
 * ASCII, and cut at 255 octets.
 */
char *postern_received_spf_value(const PosternSpfFinding *spf, const PosternEnvelope *envelope,
                                 const char *receiver);

/* TRUE if the value of such a field says who wrote it: with receiver=, or in a comment. */
gboolean postern_received_spf_names_receiver(const char *value, gsize length);
