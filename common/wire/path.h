/*
 * Paths of MAIL and RCPT (RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3).
 */
#pragma once

#include <glib.h>

/*
 * Parses a path that begins at text with '<'. Returns NULL, sets *ret_consumed to its octets with the
 * brackets and *ret_path to a new string of what is between them: "", "postmaster" (any case), or
 * local@domain, a source route taken off (RFC 5321 C). Else returns what is wrong, static text; *ret_path is
 * NULL then.
 *
 * The local part is a dot-string or a quoted string, the domain has labels of letters, digits, '-' and '_'
 * (which real hosts have), none empty, or is an address literal of IPv4 or IPv6, the only registered ones.
 * Octets over 0x7f pass where utf8 is TRUE and they are UTF-8; control octets never pass.
 */
const char *postern_path_parse(const char *text, gsize length, gboolean utf8, gsize *ret_consumed,
                               char **ret_path);
