/*
 * Where to listen or to connect, as an administrator writes it. Only addresses: names would need the network.
 */
#pragma once

#include <gio/gio.h>

/*
 * "ADDRESS:PORT", or "[ADDRESS]:PORT" for IPv6, as a new GInetSocketAddress. Port 0 and scope ids ("%eth0")
 * are errors (POSTERN_ERROR_CONFIGURATION), and say how it is written.
 */
GInetSocketAddress *postern_endpoint_parse(const char *text, GError **error) G_GNUC_WARN_UNUSED_RESULT;
