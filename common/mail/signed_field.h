/*
 * The header fields that our DKIM signatures cover, and the form in which they reach the next server: mail
 * servers break lines that are too long (Postfix smtp_line_length_limit, Sendmail's L=), in the midst of a
 * word if it comes so, and the signature with them (RFC 6376 5.3).
 */
#pragma once

#include "mail/header.h"

/* TRUE if our signature covers fields of that name. */
gboolean postern_signed_field_is(const PosternHeaderField *field);

/* TRUE if a line of field is over POSTERN_SIGN_LINE_MAX_OCTETS. */
gboolean postern_signed_field_is_long(const PosternHeaderField *field);

/*
 * The value of a field that is long, folded before blanks that stand in it already, so that no line is long
 * and relaxed canonicalization (RFC 6376 3.4.2) sees no difference; without white space at its begin. A new
 * string; NULL: it has a word that is too long, or no form that a header edit (mail/edits.h) may have.
 */
char *postern_signed_field_fold(const PosternHeaderField *field);
