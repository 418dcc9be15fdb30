/*
 * GMime's readers of MIME header values (RFC 2045, 2047, 2183, 2231), kept to character sets whose converters
 * are loaded: an iconv module is a file, and a sandbox opens none.
 */
#pragma once

#include "checks/check.h"

/* What the header of one part says. Text is UTF-8. */
typedef struct {
    char *type;          /* "text/plain"; never NULL, lower case */
    char *boundary;      /* of a multipart, or NULL */
    char *charset;       /* of its text, lower case, or NULL */
    char *name;          /* filename= or name=, or NULL */
    gboolean attachment; /* Content-Disposition says so */
} PosternContentHeader;

/* The values are unfolded, or NULL if the part has no such field; default_type stands for the missing
 * type. */
void postern_content_engine_read(PosternContentEngine *engine, const char *type, const char *disposition,
                                 const char *default_type, PosternContentHeader *header);
/* A name or text as it stands in a field: encoded words decoded (RFC 2047), UTF-8, its last
 * POSTERN_ATTACHMENT_NAME_MAX_OCTETS; a new string or NULL. */
char *postern_content_engine_text(PosternContentEngine *engine, const char *text);
void postern_content_header_clear(PosternContentHeader *header);

/*
 * Text as UTF-8, a new string of *ret_length octets: from charset (lower case; NULL, or one that is not
 * loaded: UTF-8 if it is that, else windows-1252), or as its mark of the byte order says. What is no
 * character becomes U+FFFD.
 */
char *postern_content_engine_to_utf8(PosternContentEngine *engine, const char *charset, const char *octets,
                                     gsize length, gsize *ret_length);

/* The character set (static) of text whose letters are not octets of ASCII: charset, if it is such a one, or
 * what the octets look like; or NULL: it is another. */
const char *postern_content_engine_wide(const char *charset, const char *octets, gsize length);

/* The value of a header field with its encoded words decoded (RFC 2047), a new string. */
char *postern_content_engine_decode_words(PosternContentEngine *engine, const char *value);
