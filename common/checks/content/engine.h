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
    char *name;          /* filename= or name=, or NULL */
    gboolean attachment; /* Content-Disposition says so */
} PosternContentHeader;

/* The values are unfolded, or NULL if the part has no such field; default_type stands for the missing
 * type. */
void postern_content_engine_read(PosternContentEngine *engine, const char *type, const char *disposition,
                                 const char *default_type, PosternContentHeader *header);
void postern_content_header_clear(PosternContentHeader *header);
