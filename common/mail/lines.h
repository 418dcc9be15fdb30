/*
 * Octets of a file on their way into a message: lines that end in a bare LF get CRLF, as they would have had
 * on their way.
 */
#pragma once

#include <glib.h>

#include "mail/message.h"

typedef struct PosternLines PosternLines;

PosternLines *postern_lines_new(void);
void postern_lines_free(PosternLines *lines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternLines, postern_lines_free)

/* Octets since the last end, with those that are added. */
guint64 postern_lines_size(const PosternLines *lines);

/* Adds octets; after a mistake, and beyond POSTERN_MESSAGE_MAX_OCTETS, they are dropped. */
void postern_lines_add(PosternLines *lines, const char *octets, gsize length);

/* The sealed message of all octets since the last end, or NULL and error. What comes now is another one. */
PosternMessage *postern_lines_end(PosternLines *lines, GError **error) G_GNUC_WARN_UNUSED_RESULT;
