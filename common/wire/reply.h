/*
 * SMTP replies (RFC 5321 4.2): lines of a back-end to a struct, and ours to lines.
 */
#pragma once

#include <glib.h>

#include "wire/line.h"

typedef struct {
    guint code;  /* 200 to 599 */
    guint lines; /* how many it has, at least one */
    gsize length, room;
    char text[]; /* what follows the code in each line, NUL-terminated, one behind the other; length octets */
} PosternReply;

/* A reply of one line, the first of its text. */
PosternReply *postern_reply_new(guint code, const char *text);
/* Appends a line of length octets without NUL: *reply may be another one then. */
void postern_reply_add(PosternReply **reply, const char *text, gsize length);
/* The line behind one of reply's, or NULL. */
const char *postern_reply_next(const PosternReply *reply, const char *line);
/* The same words under code. */
PosternReply *postern_reply_copy(const PosternReply *reply, guint code);
void postern_reply_free(PosternReply *reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternReply, postern_reply_free)

/* 2, 3, 4 or 5. */
guint postern_reply_class(const PosternReply *reply);

/* "550 5.7.1 text" or several lines, each ended by CRLF: for the wire, word for word; unprintable octets of
 * the back-end become '?'. A new string. */
char *postern_reply_to_wire(const PosternReply *reply);

/*
 * What a mail server that has taken a message calls it, as its reply to the end of data says: "queued as ID"
 * (Postfix), "id=ID" (Exim), "ID Message accepted for delivery" (Sendmail, OpenSMTPD), "InternalId=ID"
 * (Exchange), "qp ID" (qmail). A new string of printable ASCII; NULL: it says none.
 */
char *postern_reply_queue_id(const PosternReply *reply);

/* The code and all text in one line, unprintable octets as '?', for the log; a new string. */
char *postern_reply_to_text(const PosternReply *reply);

typedef struct {
    PosternLineReader line;
    PosternReply *partial;
    gsize octets; /* of the reply that comes in */
    gsize kept;   /* of these in partial */
} PosternReplyParser;

void postern_reply_parser_init(PosternReplyParser *parser);
/* Frees what is held, and begins anew. */
void postern_reply_parser_clear(PosternReplyParser *parser);

/*
 * 1: *ret_reply is the next reply, the caller's. 0: all was taken, more needed. -1: not SMTP, lines of one
 * reply with different codes, or more than POSTERN_REPLY_SKIPPED_MAX_OCTETS; *ret_problem (static) says
 * which; the connection is no longer usable. *ret_consumed octets were taken. A line is cut at
 * POSTERN_REPLY_LINE_MAX_OCTETS, a reply at POSTERN_REPLY_LINES_MAX lines and POSTERN_REPLY_MAX_OCTETS: what
 * it says is its code. Lines that end in a bare LF are taken (real back-ends exist that do).
 */
int postern_reply_parser_next(PosternReplyParser *parser, const char *data, gsize length, gsize *ret_consumed,
                              PosternReply **ret_reply, const char **ret_problem);
