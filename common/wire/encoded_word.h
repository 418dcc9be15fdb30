/*
 * Encoded words (RFC 2047 2): `=?utf-8?q?J=C3=B6rg?=`.
 */
#pragma once

#include <glib.h>

/*
 * The octets of the encoded word that text begins with, or 0. What RFC 2047 5 forbids in a phrase but much
 * mail has passes here, if it cannot be taken for the structure of an address list: no blank, no quote, no
 * comment, none of `<>,;:\`.
 */
gsize postern_encoded_word_length(const char *text, gsize length);

/*
 * The same for a reader who looks for encoded words before all else: in the text anything may stand but '?',
 * such as the comma of `=?utf-8?q?Acme,_Inc.?=`.
 */
gsize postern_encoded_word_careless_length(const char *text, gsize length);

/*
 * Appends to out the octets that the encoded word of length octets (found by either of the above) stands for;
 * they stay in its own character set, of ISO-2022 (RFC 1468, 1557) only those of ASCII. What is badly encoded
 * is left out.
 *
 * FALSE: in its character set other octets than those of ASCII stand for ASCII (UTF-7, UTF-16 …), and what is
 * appended is not what a reader sees.
 */
gboolean postern_encoded_word_decode(GString *out, const char *text, gsize length);
