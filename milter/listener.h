/*
 * The socket that the mail server connects to.
 */
#pragma once

#include "base/configuration.h"

/*
 * Registers callbacks (milter/callbacks.h) with libmilter and listens on [milter] socket. A unix socket gets
 * socket_mode, and socket_group or the group of user; one that a process which is gone has left is replaced.
 * Once in a process, before privileges are dropped. An error says what libmilter only tells the system log.
 */
gboolean postern_milter_listener_open(const PosternConfiguration *configuration, const char *user,
                                      GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* Removes a unix socket; nothing for the other kinds. */
void postern_milter_listener_remove(const PosternConfiguration *configuration);
