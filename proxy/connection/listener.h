/*
 * Listening sockets: one for each address of [proxy] listen and each thread, on the same port (SO_REUSEPORT).
 */
#pragma once

#include <glib.h>

/*
 * Binds and listens on address, "ADDRESS:PORT" or "[ADDRESS]:PORT", count times. Those of passed, of int,
 * that listen there already are taken out of it and used, and shared if they are fewer: all of them, for
 * clients may wait there. *ret_sockets gets an int for each, at least count, the caller's to close. An error
 * names the address and what to do.
 */
gboolean postern_listener_open(const char *address, guint count, GArray *passed, GArray *ret_sockets,
                               GError **error) G_GNUC_WARN_UNUSED_RESULT;
