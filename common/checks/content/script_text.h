/*
 * Files that a script in text puts together: lists of numbers, strings of escapes ("\\x41", "\\101", "%41"),
 * and letters of base64 in many pieces, in order or backwards. No script is run: what takes a computation
 * stays hidden.
 */
#pragma once

#include "checks/content/encoded_text.h"

/* Hands each on, octets by octets as the script would have them. Text without a script has none. Linear in
 * length. FALSE: no memory. */
gboolean postern_script_text_find(const char *octets, gsize length, PosternEncodedTake take, gpointer data);
