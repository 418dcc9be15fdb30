/*
 * The EICAR test file, which every scanner knows and no scanner may find in our own files: it is put together
 * in memory.
 */
#pragma once

#include <glib.h>

/* The test file, 68 octets, a new string. */
char *postern_virus_sample_eicar(void);

/* Its signature as a line of a libclamav .ldb file, a new string. */
char *postern_virus_sample_signature(void);

/* A zip archive (stored) of one file called name. */
GByteArray *postern_virus_sample_zip(const char *name, const void *octets, gsize length);

/* A message with the attachment in base64, lines ended by CRLF; a new string. */
char *postern_virus_sample_message(const char *name, const void *attachment, gsize length);
