/*
 * Connections to clamd, made for workers, which have no right to make any. What stands on one is a session
 * (IDSESSION, clamd(8)): in it clamd takes no command that ends or reloads it, whatever becomes of a worker.
 */
#pragma once

#include "checks/check.h"

/*
 * place: [virus] clamd. A non-blocking socket, or -1 and error. *ret_begun: the session was begun; FALSE: the
 * connection is still being made, and who gets it begins it.
 */
int postern_clamd_socket_new(const char *place, gboolean *ret_begun,
                             GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Asks whether clamd is there and finds viruses, as postern_virus_engine_ask_clamd(). */
gboolean postern_clamd_socket_ask(const char *place, PosternVirusEngine *engine, char **ret_version,
                                  GError **error) G_GNUC_WARN_UNUSED_RESULT;
