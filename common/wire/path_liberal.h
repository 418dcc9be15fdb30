/*
 * The forms of a path beside those of RFC 5321, for wire/path.c.
 */
#pragma once

#include <glib.h>

/* As postern_path_parse(), for a path that is none of RFC 5321; syntax has LIBERAL or TAKEN. */
const char *postern_path_parse_liberally(const char *text, gsize length, guint syntax, gsize *ret_consumed,
                                         char **ret_path);

/* Of path.c. Whether octet may stand in an atom (RFC 5322 3.2.3); ASCII alone. */
gboolean postern_path_is_atom(guchar octet);
/* Whether text is all a domain, or an address literal. */
gboolean postern_path_is_domain(const char *text, gsize length, gboolean utf8);
/* The octets of the quoted string or comment that text begins with, its ends among them; 0: it has no end. */
gsize postern_path_length_of_wrapped(const char *text, gsize length);
/* Of path.c. The octets of the source route, with its ':', that text begins with, or 0: it is none. */
gsize postern_path_source_route(const char *text, gsize length);
