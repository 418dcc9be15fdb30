/*
 * What DKIM and DMARC ask first can be read in a header before it is evaluated, and often nothing follows.
 * Guesses that save rounds to the inspector: its evaluation does not rely on them. Pure.
 */
#pragma once

#include "dns/answers.h"
#include "mail/message.h"
#include "verdict/findings.h"

/*
 * The questions that those of checks which header raises will have, and answers does not know, of
 * PosternQuestion *; the caller unrefs the array: keys (RFC 6376 3.6.2.1), and the names from the author's
 * domain upwards (RFC 9989 4.10). *ret_all: nobody is likely to have any more; FALSE, and none: the header is
 * not as simple as that.
 */
GPtrArray *postern_header_prefetch_questions(PosternMessage *header, PosternChecks checks,
                                             const PosternAnswers *answers, gboolean *ret_all);
