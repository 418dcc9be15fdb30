/*
 * Hands a mail to the local mail server by SMTP, and waits for its reply.
 */
#pragma once

#include "base/configuration.h"

typedef struct {
    const char *server; /* ADDRESS:PORT */
    const char *helo;
    const char *sender;          /* "": the null sender */
    const GPtrArray *recipients; /* of const char * */
    const GString *message;
} PosternSubmission;

/* Of message to recipients, as [report] says; nothing is copied. */
PosternSubmission postern_submission_of(const PosternConfiguration *configuration,
                                        const GPtrArray *recipients, const GString *message);

typedef enum {
    POSTERN_SUBMITTED,      /* for one recipient at least */
    POSTERN_SUBMIT_LATER,   /* not taken: later it may be */
    POSTERN_SUBMIT_REFUSED, /* not taken: a 5xx */
    POSTERN_SUBMIT_UNKNOWN, /* the connection was lost behind the message: RFC 1047 */
} PosternSubmissionResult;

/*
 * before_end is called before the message can be taken; FALSE of it (it sets error) ends the attempt with
 * LATER. error says why it is not SUBMITTED.
 */
typedef gboolean (*PosternSubmissionBeforeEnd)(gpointer user_data, GError **error);
PosternSubmissionResult postern_submit(const PosternSubmission *submission,
                                       PosternSubmissionBeforeEnd before_end, gpointer user_data,
                                       GError **error);
