/*
 * Who a client that an administrator asks about is by name: looked up by the program that asks, with the
 * [dns] of its configuration.
 */
#pragma once

#include "base/configuration.h"

/* Whether a class describes clients by name. */
gboolean postern_configuration_has_named_clients(const PosternConfiguration *configuration);

/*
 * Waits for the verified name of address (dns/client_name.h), at most [dns] timeout for each of two
 * questions; a new string, "-": it has none. NULL: address is none. NULL and error: it cannot be looked up
 * now.
 */
char *postern_verified_name(const PosternConfiguration *configuration, const char *address, GError **error);
