/*
 * The mails that postern-report sends (RFC 5322, RFC 2045): a text, and other parts, in base64.
 */
#pragma once

#include <glib.h>

typedef struct {
    const char *type;  /* "text/html; charset=utf-8" */
    const char *name;  /* of the file, or NULL: it is shown in the place of the text, if a reader can */
    gboolean is_plain; /* it stays as it is: lines of printable ASCII with CRLF, 998 octets at most */
    gconstpointer octets;
    gsize length;
} PosternReportPart;

typedef struct {
    const char *from;       /* an address */
    const char *name;       /* before it, in words */
    const GPtrArray *to;    /* of const char *, addresses */
    const char *subject;    /* one line; it may have line folds */
    const char *message_id; /* without its brackets */
    const char *text;
    const char *report_type; /* of a multipart/report (RFC 6522), or NULL: its parts are attachments */
    const PosternReportPart *parts;
    gsize count;
    gint64 now;
} PosternReportMail;

/* The message, CRLF at the end of each line; a new string. */
GString *postern_report_mail(const PosternReportMail *mail);
