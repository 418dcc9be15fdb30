/*
 * Lists of hosts with exceptions, as opendkim has them, as lists without. Pure.
 */
#pragma once

#include <glib.h>

/*
 * "ADDRESS" or "ADDRESS/BITS", or an exception with '!' before it: the longest that holds an address decides,
 * an exception before its like. The networks that are left, of char *, in the order of items; the caller
 * unrefs it. What is neither is appended to ret_odd, "a, b"; exceptions over POSTERN_IMPORT_EXCEPTIONS_MAX
 * too.
 */
GPtrArray *postern_import_networks(const char *const *items, GString *ret_odd);

#define POSTERN_IMPORT_EXCEPTIONS_MAX 64
