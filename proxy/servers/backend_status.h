/*
 * What is wrong with the back-end, told by whichever thread finds it, and logged once while it stays the
 * same. Any thread.
 */
#pragma once

#include <glib.h>

typedef struct PosternBackendStatus PosternBackendStatus;

PosternBackendStatus *postern_backend_status_new(void);
void postern_backend_status_free(PosternBackendStatus *problem);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternBackendStatus, postern_backend_status_free)

/* Logs text (NULL: nothing is wrong any more) about backend, unless that was the last to be said. */
void postern_backend_status_note(PosternBackendStatus *problem, const char *backend, const char *text);

/* The same for a warning: backend is in service all the same. NULL: there is none any more; that is not
 * logged. */
void postern_backend_status_warn(PosternBackendStatus *problem, const char *backend, const char *text);
