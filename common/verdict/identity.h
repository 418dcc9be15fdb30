/*
 * Identities as ASCII can write them.
 */
#pragma once

/*
 * address, `local@domain` or a domain, a new string, or NULL for NULL. If it is UTF-8 (RFC 6531), domain,
 * the same domain with A-labels (RFC 5890 2.3.2.1), takes the place of its own; and a local part that is not
 * ASCII, for which there is no other form, is left out. domain may be NULL: not known, and address is copied
 * as it is.
 */
char *postern_identity_to_ascii(const char *address, const char *domain);
