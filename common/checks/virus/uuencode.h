/*
 * Lines that begin a uuencoded file and are not followed by one: libclamav makes a file for each, and mail
 * may have nothing but them.
 */
#pragma once

#include <glib.h>

/*
 * Hides such lines, in place, by a capital letter: each "begin MODE NAME" behind which no line of data comes.
 * *work (or NULL) grows by the octets looked at, a few times length at most.
 */
void postern_virus_uuencode_hide(char *octets, gsize length, guint64 *work);
