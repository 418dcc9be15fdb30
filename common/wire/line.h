/*
 * Lines of a command dialogue (RFC 5321 2.3.8): CRLF ends a line, and nothing else does. Resumable: feed what
 * there is, get one line a call.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_LINE_OK,
    POSTERN_LINE_TOO_LONG, /* over the maximum; consumed to its end, text is cut */
    POSTERN_LINE_BARE, /* holds a CR without LF or a NUL, or ended in an LF without CR; wins over TOO_LONG */
} PosternLineStatus;

typedef struct {
    GString *partial;  /* octets of a line without CRLF, not ended yet or just given out; NULL: none */
    gsize maximum;     /* octets of a line with its CRLF, at least 3; may be set anew between two lines */
    gboolean carriage; /* the last octet consumed was CR */
    gboolean newline;  /* what is bare in it is a CR or an LF */
    gboolean too_long; /* of the line not ended yet: told before its end, for who will not wait for that */
    gboolean bare;
    gboolean ended; /* partial was given out: the next call puts its own line there */
} PosternLineReader;

void postern_line_reader_init(PosternLineReader *reader, gsize maximum);
/* Frees what is held; the reader stands at the start of a line again, with the same maximum. */
void postern_line_reader_clear(PosternLineReader *reader);

/* TRUE if no line has begun that has not ended. */
gboolean postern_line_reader_is_between_lines(const PosternLineReader *reader);

/*
 * Takes octets from data. 1: a line has ended; *ret_line is its text without CRLF, NUL-terminated, owned by
 * the reader and valid until its next call; *ret_status says how it was. 0: all was taken, the line goes on.
 * *ret_consumed octets were taken in either case. A CR without LF stays in the text, and the line goes on to
 * a CRLF or LF. A call with length 0 frees the line given out before. A bare LF ends the line too (status
 * BARE), so that a dialogue with a careless client goes on in step; the caller refuses such a line.
 */
int postern_line_reader_next(PosternLineReader *reader, const char *data, gsize length, gsize *ret_consumed,
                             const char **ret_line, gsize *ret_length, PosternLineStatus *ret_status);
