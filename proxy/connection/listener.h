/*
 * Listening sockets: one for each address of [proxy] listen and each thread, on the same port (SO_REUSEPORT).
 */
#pragma once

#include <glib.h>

/*
 * Binds and listens on address, "ADDRESS:PORT" or "[ADDRESS]:PORT", count times. *ret_sockets gets an int for
 * each, the caller's to close. An error names the address and what to do.
 */
gboolean postern_listener_open(const char *address, guint count, GArray *ret_sockets,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
