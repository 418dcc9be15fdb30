/*
 * One MIME part as its lines come: its header, then the octets that its body would decode to.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_CONTENT_IDENTITY,
    POSTERN_CONTENT_BASE64,
    POSTERN_CONTENT_QUOTED_PRINTABLE,
} PosternContentEncoding;

typedef struct {
    GString *type; /* Content-Type as it comes, or NULL; each at most POSTERN_CONTENT_FIELD_MAX_OCTETS */
    GString *disposition; /* Content-Disposition */
    GString *encoding;    /* Content-Transfer-Encoding */
    GString *current;     /* which of them goes on, or NULL */
    PosternContentEncoding decoding;
    guint64 characters; /* of base64 */
    guint64 octets;     /* decoded; of base64 from characters */
    guint pending;      /* octets of the last line's end, which may belong to a boundary */
} PosternContentPart;

/* A line of the header, without its end; the empty line is not one. */
void postern_content_part_header_line(PosternContentPart *part, const char *line, gsize length);

/* The header is over: what decodes the body is known. */
void postern_content_part_header_end(PosternContentPart *part);

/* A line of the body, its end of end_length octets apart. */
void postern_content_part_body_line(PosternContentPart *part, const char *line, gsize length,
                                    guint end_length);

/* Octets that the body decodes to. bounded: a boundary has ended it, the line end before is not its own. */
guint64 postern_content_part_size(const PosternContentPart *part, gboolean bounded);

/* Frees what it holds and zeroes it, for the next part. */
void postern_content_part_clear(PosternContentPart *part);
