/*
 * Octets of a file on their way into a message: lines that end in a bare LF get CRLF, as they would have had
 * on their way.
 */
#pragma once

#include <glib.h>

#include "mail/message.h"

typedef struct PosternScanLines PosternScanLines;

PosternScanLines *postern_scan_lines_new(void);
void postern_scan_lines_free(PosternScanLines *lines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternScanLines, postern_scan_lines_free)

/* Octets since the last end, with those that are added. */
guint64 postern_scan_lines_size(const PosternScanLines *lines);

/* Adds octets; after a mistake, and beyond POSTERN_MESSAGE_MAX_OCTETS, they are dropped. */
void postern_scan_lines_add(PosternScanLines *lines, const char *octets, gsize length);

/* The sealed message of all octets since the last end, or NULL and error. What comes now is another one. */
PosternMessage *postern_scan_lines_end(PosternScanLines *lines, GError **error) G_GNUC_WARN_UNUSED_RESULT;
