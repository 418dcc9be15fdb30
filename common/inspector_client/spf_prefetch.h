/*
 * What SPF asks first is known from MAIL and EHLO, before it is evaluated, and often nothing follows. Guesses
 * that save rounds to the inspector: its evaluation does not rely on them. Pure.
 */
#pragma once

#include "dns/answers.h"
#include "mail/envelope.h"

/* The questions for the records of sender and HELO (RFC 7208 2.3, 2.4) that answers does not know, of
 * PosternQuestion *; the caller unrefs the array. */
GPtrArray *postern_spf_prefetch_questions(const PosternEnvelope *envelope, gboolean helo_too,
                                          const PosternAnswers *answers);

/*
 * The questions that the SPF records in answers lead to (RFC 7208 5.2 to 5.4, 6.1) and that answers does not
 * know, as above, at most POSTERN_SPF_PREFETCH_QUESTIONS_MAX; of a record that the client matches before,
 * none. *ret_enough: no more are likely to follow. There are none and it is FALSE if that cannot be told
 * without an evaluation (macros, exists, ptr, exp), if a record goes beyond the limits of RFC 7208 4.6.4
 * (terms, void look-ups, names of an MX) or POSTERN_SPF_RECORD_MAX_OCTETS, or if what it names is no name.
 * Linear in the octets of the records.
 */
GPtrArray *postern_spf_prefetch_follow(const PosternEnvelope *envelope, const PosternAnswers *answers,
                                       gboolean *ret_enough);
