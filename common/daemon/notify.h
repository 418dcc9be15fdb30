/*
 * What a service manager is told (sd_notify(3)): a datagram to the socket that $NOTIFY_SOCKET names.
 * libsystemd would bring five libraries for it.
 */
#pragma once

#include <glib.h>

/*
 * Sends state, lines like "READY=1" or "STATUS=text". Nothing happens if no service manager listens. Any
 * process of the service may (NotifyAccess=all).
 */
void postern_notify(const char *state);
