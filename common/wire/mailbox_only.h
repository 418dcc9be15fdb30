/*
 * The one address of a field that no grammar has: `Acme, Inc. <a@example.com>`, `Jane @ Acme
 * <a@example.com>`,
 * `=?utf-8?q?Acme,_Inc.?= <a@example.com>`. Readers cut such a field in many ways, at commas, semicolons and
 * colons, before or after they decode; if all of it has one `@` with a domain, all come to that address.
 */
#pragma once

#include <glib.h>

/*
 * The domain of that address, a new string as it is written, or NULL: there is more that somebody may take
 * for an address, or the address is not in `<` and `>` at the end, or the words before it hold octets that
 * hide something: controls, backslashes, quotes, parentheses or brackets without their partner, encoded words
 * in a character set that hides ASCII. An `@` between blanks that no dotted name follows is a word.
 */
char *postern_mailbox_only_domain(const char *value, gsize length);
