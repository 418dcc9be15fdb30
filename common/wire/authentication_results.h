/*
 * Authentication-Results (RFC 8601): writing ours, and knowing forged ones.
 */
#pragma once

#include <glib.h>

typedef struct PosternAuthenticationResults PosternAuthenticationResults;

/* A field value in the making for authserv_id (2.2). It holds at most POSTERN_HEADER_EDIT_MAX_OCTETS; a
 * method or property that would go over that is left out. */
PosternAuthenticationResults *postern_authentication_results_new(const char *authserv_id);
void postern_authentication_results_free(PosternAuthenticationResults *results);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternAuthenticationResults, postern_authentication_results_free)

/*
 * Begins `method=result`, both ours and tokens. reason (or NULL) may be untrusted text: it becomes a
 * quoted string of printable ASCII, other octets as '?', cut at 255 octets.
 */
void postern_authentication_results_add(PosternAuthenticationResults *results, const char *method,
                                        const char *result, const char *reason);

/*
 * Adds ` type.property=value` to the last method. value may be untrusted: it is quoted if it is no
 * token, `local@domain` or `@domain`; control octets, CR, LF and octets over 0x7e become '?'; cut at 255
 * octets. NULL adds nothing.
 */
void postern_authentication_results_add_property(PosternAuthenticationResults *results, const char *type,
                                                 const char *property, const char *value);

/* The value: `AUTHSERV-ID; spf=pass smtp.mailfrom=…; …`, or `AUTHSERV-ID; none` if nothing was added. One
 * line if folded is FALSE, else folded with CRLF and a tab before each method, and before a property if
 * the line would be over 998 octets (RFC 5322 2.1.1). A new string. */
char *postern_authentication_results_format(const PosternAuthenticationResults *results, gboolean folded);

/*
 * TRUE if a field value (folds and comments inside allowed, RFC 5322 3.2.2) names authserv_id as its
 * authserv-id, case ignored, quoted or not: such a field from outside is forged (5). A value that cannot be
 * parsed is TRUE too if authserv_id occurs in it anywhere, also if only comments, quotes, white space
 * or control octets stand between its letters, for a careless reader may pass over these. A-labels and
 * U-labels are the same name, and so are forms of a letter that IDNA takes for one (RFC 8616 5, UTS 46 4).
 */
gboolean postern_authentication_results_is_of(const char *value, gsize length, const char *authserv_id);

/* TRUE if authserv_id occurs in a value anywhere, read as carelessly as above. */
gboolean postern_authentication_results_mentions(const char *value, gsize length, const char *authserv_id);

/*
 * An identity for a property as ASCII can write it: address, `local@domain` or a domain, a new string, or
 * NULL for NULL. If it is UTF-8 (RFC 6531), domain, the same domain with A-labels (RFC 5890 2.3.2.1), takes
 * the place of its own; and a local part that is not ASCII, for which there is no other form, is left out.
 * domain may be NULL: not known, and address is copied as it is.
 */
char *postern_identity_to_ascii(const char *address, const char *domain);
