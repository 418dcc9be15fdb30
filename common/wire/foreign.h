/*
 * What other protocols say: requests of HTTP, fields of a header or a body that came where a command is due.
 * A client that says so is made to (by a web page, or by another server that takes us for its own), and what
 * follows may be commands that it did not mean (postconf(5), smtpd_forbidden_commands). Pure.
 */
#pragma once

#include <glib.h>

/*
 * TRUE if line (no CRLF) cannot be SMTP's: a method of HTTP (RFC 9110 9.3), "…HTTP/1.1", "Name: value", or
 * one that begins with neither a letter nor white space. An empty line is not foreign. For lines whose verb
 * is not known: wire/command.h knows what is SMTP.
 */
gboolean postern_line_is_foreign(const char *line, gsize length);
/* TRUE if it is a request of HTTP among these. */
gboolean postern_line_is_request(const char *line, gsize length);
