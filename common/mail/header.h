/*
 * The header fields of a message (RFC 5322 2.2), as places in its octets; nothing is copied or unfolded.
 * Takes any octets: lines that are no field are skipped and counted, a missing empty line means no body.
 * CRLF and, for messages from files, bare LF end lines.
 */
#pragma once

#include <glib.h>

typedef struct {
    const char *name;   /* points into the message; not NUL-terminated */
    gsize name_length;  /* octets of the name, white space before the colon left out */
    const char *value;  /* after the colon, leading space kept */
    gsize value_length; /* up to but without the final line end; folds inside kept */
    gsize offset;       /* octets from the start of the message to the name */
    gsize length;       /* octets of the whole field with its final line end */
} PosternHeaderField;

typedef struct {
    const char *octets;    /* of the message */
    GArray *fields;        /* of PosternHeaderField, in order */
    gsize header_length;   /* octets of the header block, without the empty line */
    gsize body_offset;     /* octets before the body; message length where there is none */
    guint malformed_lines; /* lines that are neither field nor continuation */
    gboolean too_many;     /* POSTERN_HEADER_FIELDS_MAX or POSTERN_HEADER_BLOCK_MAX_OCTETS was met */
} PosternHeader;

/* Indexes octets, which must outlive the result. Never fails. */
PosternHeader *postern_header_parse(const char *octets, gsize length);
void postern_header_free(PosternHeader *header);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternHeader, postern_header_free)

/* The occurrence-th field (0 is the first) of that name (ASCII case ignored), or NULL. */
const PosternHeaderField *postern_header_find(const PosternHeader *header, const char *name,
                                              guint occurrence);

/*
 * TRUE where some reader may see more fields of that name than postern_header_find does: behind a bare CR, as
 * the first line though it begins with white space, or with octets around the name that no name has.
 */
gboolean postern_header_hides(const PosternHeader *header, const char *name);

/* The value of a field unfolded (RFC 5322 2.2.3) and without outer white space, a new string; NUL octets
 * become '?'. */
char *postern_header_field_unfold(const PosternHeaderField *field);
