/*
 * How a judgement is said in libmilter's words, from within a callback.
 */
#pragma once

#include <libmilter/mfapi.h>

#include "milter/session.h"

/*
 * Does what the case says: reply, hold, header edits; what the callback has to return. If the mail server
 * does not take an edit the message is put off, and *ret_failure (a static text) says so; else it is NULL.
 */
sfsistat postern_milter_answer(SMFICTX *context, const PosternMilterSession *session,
                               const char **ret_failure);

/* Sets reply, "451 4.3.2 text", for the callback's result, that is returned. */
sfsistat postern_milter_answer_reply(SMFICTX *context, const PosternMilterSession *session,
                                     const char *reply);
