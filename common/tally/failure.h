/*
 * What a failure report (RFC 9991, RFC 6591) tells of a message. Pure.
 */
#pragma once

#include "tally/redact.h"
#include "verdict/case.h"

/* Texts are its own. Those of like incidents have the same day, hour, domain and cause. */
typedef struct {
    guint day, hour;  /* UTC; day: since 1970 */
    char *domain;     /* the DMARC Policy Domain */
    char *cause;      /* what failed, of whom, and how */
    char *record;     /* the DMARC Policy Record */
    char *spf_domain; /* whose SPF record it is about, or "" */
    char *fields;     /* of message/feedback-report; CRLF at the end of each line */
    char *header;     /* redacted, likewise */
    guint incidents;
} PosternTallyFailure;

/*
 * One without fields and header if the owner of the domain asks for it by ruf= and fo=, else NULL. Never of a
 * message with the null sender, or of our own reports (from reporter). now: seconds since 1970.
 */
PosternTallyFailure *postern_tally_failure_new(const PosternCase *mail_case, const PosternFindings *findings,
                                               const char *reporter, gint64 now);
void postern_tally_failure_free(PosternTallyFailure *failure);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternTallyFailure, postern_tally_failure_free)

/*
 * Adds fields and header; octets begin with that of the message. FALSE: the message says that a program has
 * written it, so that a report about it might be one about a report.
 */
gboolean postern_tally_failure_describe(PosternTallyFailure *failure, const PosternCase *mail_case,
                                        const PosternFindings *findings, const char *octets, gsize length,
                                        const guint8 key[POSTERN_REDACTION_KEY_OCTETS], gint64 now);
