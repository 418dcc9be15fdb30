/*
 * The socket that an administrator asks the running proxy over ([screen] control): one line, and the answer
 * as text behind a line of its own, "ok" or "error". Only root and the user of the proxy are heard.
 */
#pragma once

#include <event2/event.h>
#include <glib.h>

typedef struct PosternControl PosternControl;

/* Appends the answer to request to out; FALSE: it says what is wrong with request. */
typedef gboolean (*PosternControlAnswer)(const char *request, GString *out, gpointer user_data);

/* Listens at path, whose file is user's; a socket that nobody listens at is replaced. NULL and error: it
 * cannot. */
PosternControl *postern_control_open(const char *path, const char *user,
                                     GError **error) G_GNUC_WARN_UNUSED_RESULT;
/* Answers from loop. */
void postern_control_serve(PosternControl *control, struct event_base *loop, PosternControlAnswer answer,
                           gpointer user_data);
/* NULL is allowed. */
void postern_control_free(PosternControl *control);

/* What the proxy that listens at path answers; a new string. NULL and error: there is none, or
 * (POSTERN_ERROR_USAGE) it says what is wrong with request. */
char *postern_control_ask(const char *path, const char *request, GError **error) G_GNUC_WARN_UNUSED_RESULT;
