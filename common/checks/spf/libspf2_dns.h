/*
 * The DNS that libspf2 sees: the table of answers. If an answer is missing, the question is noted and the
 * library is told of no record (of a harmless one, if it wants an SPF record), so that it goes on and asks
 * what the rest may ask; what it then says is of no worth.
 */
#pragma once

/* It uses what these define, and does not include them. */
#include <netinet/in.h>
#include <stdlib.h>

#include <spf2/spf.h>

#include "dns/answers.h"
#include "verdict/findings.h"

typedef struct {
    SPF_dns_server_t server; /* what the library is given; its hooks get at the rest by its member hook */
    PosternAnswers *answers;
    PosternFindings *findings; /* that steps are told to */
    guint lookups;             /* of POSTERN_SPF_LIBSPF2_LOOKUPS_MAX */
    guint missing;             /* answers, of POSTERN_SPF_PREFETCH_QUESTIONS_MAX */
    gboolean waiting;          /* an answer was missing: run again */
    gboolean exhausted;        /* there were too many look-ups, the last ones failed */
} PosternSpfLibspf2Dns;

/* Sets the look-up hook; all else, get_exp too, is the caller's. Nothing is to be freed. */
void postern_spf_libspf2_dns_init(PosternSpfLibspf2Dns *dns, PosternAnswers *answers,
                                  PosternFindings *findings);
