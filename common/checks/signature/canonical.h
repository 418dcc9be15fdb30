/*
 * Canonicalisation (RFC 6376 3.4), for the signatures of DKIM and those and the seals of ARC.
 */
#pragma once

#include <glib.h>

#include "mail/header.h"

typedef struct {
    gboolean relaxed_header; /* else simple */
    gboolean relaxed_body;
} PosternCanonicalisation;

/*
 * c= (RFC 6376 3.5); NULL is simple/simple. FALSE: not known.
 */
gboolean postern_canonical_parse(const char *value, PosternCanonicalisation *ret_canonicalisation);

/* Appends the field with its final CRLF (3.4.1, 3.4.2). */
void postern_canonical_append_field(GString *out, const PosternHeaderField *field, gboolean relaxed);

/*
 * The same for a field that holds a tag list, with the value of its tag b= and the white space around it
 * deleted, and without the final CRLF (3.7).
 */
void postern_canonical_append_unsigned(GString *out, const PosternHeaderField *field, gboolean relaxed);

/*
 * Gives the canonical body (3.4.3, 3.4.4) piece by piece to take; returns its length in octets. A line may
 * end with CRLF or LF; an end that is missing is added.
 */
typedef void (*PosternCanonicalTake)(const char *octets, gsize length, gpointer user_data);
gsize postern_canonical_body(const char *body, gsize length, gboolean relaxed, PosternCanonicalTake take,
                             gpointer user_data);
