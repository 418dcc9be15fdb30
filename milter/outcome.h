/*
 * The end of a message: what was found, what is decided, and what the log is told of it.
 */
#pragma once

#include "milter/session.h"
#include "verdict/verdict.h"

typedef struct {
    PosternFindings *findings; /* NULL: none were waited for */
    PosternVerdict *verdict;   /* NULL: refused at MAIL, or put off, for the reason that reply names */
    const char *check;         /* the row that decided at MAIL; static; or NULL */
    char *reply;               /* "451 4.3.2 text" what the client is told, without id; or NULL: accepted */
    char *problem;             /* what could not be checked and why, or NULL */
    char *message_id;          /* of the header, for the log; or NULL */
    char *header_from;
    gboolean deferred; /* this message was not judged: trouble of ours, that passes */
} PosternMilterOutcome;

/* A message that is put off; reply as in the struct. Where policy only observes, it is accepted all the same.
 */
PosternMilterOutcome *postern_milter_outcome_defer(const PosternMilterSettings *settings, const char *reply);

/*
 * What SPF alone says to refuse at MAIL; NULL: nothing. findings (taken over; NULL: none came in time) are
 * those of the envelope stage.
 */
PosternMilterOutcome *postern_milter_outcome_at_mail(const PosternMilterSession *session,
                                                     PosternFindings *findings);

/*
 * Decides on session's message, which is at its end, by findings (taken over; NULL: none came in time) and
 * problem (taken over). Of a message that is too big nothing of its body counts but a virus.
 */
PosternMilterOutcome *postern_milter_outcome_new(const PosternMilterSession *session,
                                                 PosternFindings *findings, char *problem);
void postern_milter_outcome_free(PosternMilterOutcome *outcome);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMilterOutcome, postern_milter_outcome_free)

/* Writes the closing line of session's message. failure: why it did not come to the MTA, or NULL. */
void postern_milter_outcome_log(const PosternMilterOutcome *outcome, const PosternMilterSession *session,
                                const char *failure);

/* Writes the line of a recipient of session's message that is refused with reply. */
void postern_milter_refusal_log(const PosternMilterSession *session, const char *recipient,
                                const char *reply);

/* Writes the closing line of session. */
void postern_milter_session_log(const PosternMilterSession *session);
