/*
 * The Author Domains of a message (RFC 9989 3.2.2, 5.3.1): what From names.
 */
#pragma once

#include "mail/header.h"

/*
 * The domains of the addresses of all From fields: distinct, lower case, A-labels, in order; never NULL, of
 * char *, the caller unrefs it. *ret_problem, a new string or NULL: why From is not one field of RFC 5322
 * with one domain that all readers see alike; it is missing, double, malformed (wire/mailbox.h), names
 * several domains or one that the DNS cannot have. Neither a domain nor a problem: From says that there is no
 * author (RFC 6854).
 */
GPtrArray *postern_author_domains(const PosternHeader *header, char **ret_problem);
