/*
 * A login (RFC 4954) that is passed through to a back-end, which from then on serves this client alone.
 */
#pragma once

#include "proxy/session/private.h"

/* Wipes it; NULL is allowed. */
void postern_session_login_free(PosternLogin *login);
/* TRUE if this client may log in here and now, and all back-ends let it. */
gboolean postern_session_offers_auth(const PosternSession *session);
void postern_session_auth(PosternSession *session, const PosternCommand *command, gint64 now);
/* A line of the dialogue (RFC 4954 4), without CRLF. */
void postern_session_auth_line(PosternSession *session, const char *line, PosternLineStatus status,
                               gint64 now);
/* The back-end has been told who the client is: the AUTH goes to it. */
void postern_session_auth_identified(PosternSession *session, gint64 now);
void postern_session_auth_reply(PosternSession *session, const PosternReply *reply, gint64 now);
/* No back-end can be had, or it was lost. reason is for the log. */
void postern_session_auth_failed(PosternSession *session, const char *reason, gint64 now);
/* The back-end of the login is gone, and with it the login: the session ends. Nothing if that is not so, or
 * if an answer is still due. */
void postern_session_end_if_login_is_lost(PosternSession *session, gint64 now);
/* The dialogue, or the login, is over: the back-end is let go. Who logged in stays in the record. */
void postern_session_end_login(PosternSession *session, gint64 now);
/* The same, and who it was is forgotten: the session begins anew. */
void postern_session_forget_login(PosternSession *session, gint64 now);
