/*
 * Where a program can be read: /metrics for Prometheus, / a page for people, /status.json what is drawn on
 * it. libevent's HTTP server on the program's own loop. Nothing can be changed by it, and who reads is not
 * trusted: requests, connections and their time are bounded, and what is made is kept for a moment.
 *
 * On a loopback address anybody of this machine may read (a page of somebody else's in a browser may not:
 * Host must be an address or localhost), at a Unix socket who may open it; elsewhere a password is asked for.
 */
#pragma once

#include <event2/event.h>

#include "base/configuration.h"
#include "base/counters.h"
#include "http/status.h"

typedef struct PosternHttp PosternHttp;

/* FALSE and error: text, the value of an option of [http], is one that only a password may open, and there is
 * none. */
gboolean postern_http_check(const PosternConfiguration *configuration, const char *text,
                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * Listens at text, as the options of [http] have it (ADDRESS:PORT or unix:PATH), for user if that is a
 * socket, and reads [http] password_file if it is needed. NULL without an error: text is "". NULL and error:
 * it cannot. counters outlive it; they remember refusals from now on.
 */
gboolean postern_http_open(const PosternConfiguration *configuration, const char *text, const char *user,
                           PosternCounters *counters, PosternHttp **ret_http,
                           GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Fills status; from the loop. */
typedef void (*PosternHttpTell)(PosternStatus *status, gpointer user_data);

/* Answers from loop, as program. NULL is allowed. */
void postern_http_serve(PosternHttp *http, struct event_base *loop, const char *program, PosternHttpTell tell,
                        gpointer user_data);
/* Before its loop. NULL is allowed. */
void postern_http_free(PosternHttp *http);
