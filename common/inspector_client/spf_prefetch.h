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

/* TRUE if no SPF record in answers has a term that leads to another question (RFC 7208 5.2 to 5.5, 5.7, 6).
 */
gboolean postern_spf_prefetch_is_enough(const PosternAnswers *answers);
