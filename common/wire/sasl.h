/*
 * What is to be known of SASL (RFC 4422, RFC 4954) by one who only passes it on: the names of mechanisms,
 * what may be a line of the dialogue, and who logs in, where that can be read.
 */
#pragma once

#include <glib.h>

/*
 * The mask of the mechanisms named in text, apart by spaces. Passed over are unknown ones, and those that
 * cannot be handed on: EXTERNAL, which would be our own identity, and those of channel binding (-PLUS), which
 * see that the client's TLS ends here.
 */
guint postern_sasl_mechanisms_parse(const char *text);
/* The way back: the names of a mask, each behind a space ("" if there are none); a new string. */
char *postern_sasl_mechanisms_names(guint mask);

/* TRUE if text is base64 (RFC 4648 4), "" included: of what comes before it ends, nothing else may be said.
 */
gboolean postern_sasl_is_base64(const char *text);

/*
 * Who logs in, if mechanism (of one bit) tells that in the client's first response (base64): the name whose
 * password is given by PLAIN, LOGIN and CRAM-MD5. A new string of at most 255 octets of UTF-8 without control
 * characters, never ""; NULL: it cannot be read.
 */
char *postern_sasl_user(guint mechanism, const char *response);
