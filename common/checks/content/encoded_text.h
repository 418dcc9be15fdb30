/*
 * Files that stand encoded within text: base64 or hexadecimal digits in pages, scripts, calendars, cards and
 * other data, and URLs that hold what they name (data:, RFC 2397). Browsers and office programs save or open
 * them.
 */
#pragma once

#include <glib.h>

/* A file that was found; the receiver takes its own reference. FALSE: no more are wanted. */
typedef gboolean (*PosternEncodedTake)(GBytes *octets, const char *decoding, gpointer data);

/*
 * Hands each on. Lines, and quoted pieces that a script puts together, are one. What is too short for a file,
 * a part of a URL or of a word is none. Linear in length. FALSE: no memory.
 */
gboolean postern_encoded_text_find(const char *octets, gsize length, PosternEncodedTake take, gpointer data);

/*
 * The text without the escapes of HTML ("&#65;"), of scripts ("\x41") and of styles ("\41 "), new octets.
 * NULL: there are none.
 */
GBytes *postern_encoded_text_resolve(const char *octets, gsize length);
