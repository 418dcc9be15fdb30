/*
 * The verified name of a client: the name that its address has in the reverse tree, and that has the address
 * in turn (what RFC 8601 2.7.3 calls iprev). Pure: looks up in answers, and notes what is missing there.
 */
#pragma once

#include "dns/answers.h"

/*
 * 1: known: *ret_name is the name or NULL: it has none; *ret_reverse what the address is called, the same
 * name or, if none is verified, the first, or NULL: nothing; both are the caller's. *ret_temporary TRUE:
 * it could not be looked up now (if there is a *ret_reverse: whether that has the address). 0: answers lacks
 * something; ask, and call again. Of several names the first that is verified is taken, of at most 5 looked
 * at.
 */
int postern_dns_client_name(int family, gconstpointer address, PosternAnswers *answers, char **ret_name,
                            char **ret_reverse, gboolean *ret_temporary);
