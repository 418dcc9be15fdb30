/*
 * Header edits: what a verdict changes in a message on its way to the back-end, and a reader that gives the
 * edited message piece by piece without copying it. The body is never touched.
 */
#pragma once

#include <glib.h>

#include "mail/message.h"

typedef enum {
    POSTERN_EDIT_INSERT, /* a new field above all others */
    POSTERN_EDIT_REMOVE, /* the occurrence-th field of that name */
    POSTERN_EDIT_CHANGE, /* its value becomes another; its place, and how its name is written, stay */
    POSTERN_EDIT_REMOVE_ODD_LINE, /* the occurrence-th of the header's odd lines (mail/header.h) */
} PosternEditKind;

typedef struct {
    PosternEditKind kind;
    char *name;  /* field name; NULL for REMOVE_ODD_LINE */
    char *value; /* INSERT, CHANGE: the value; lines of it are folded with CRLF and white space already */
    guint occurrence; /* REMOVE, CHANGE: 0 is the first, counted in the unedited message */
} PosternEdit;

typedef struct {
    GPtrArray *list; /* of PosternEdit *; the last INSERT of the list ends up topmost */
} PosternEdits;

PosternEdits *postern_edits_new(void);
PosternEdits *postern_edits_copy(const PosternEdits *edits);
void postern_edits_free(PosternEdits *edits);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternEdits, postern_edits_free)

/*
 * All copy their strings. FALSE, and nothing added, if POSTERN_HEADER_EDITS_MAX is met, or name or value
 * could break the header: a name outside 0x21-0x7e or with ':', a value with a CR or LF that is not a CRLF
 * followed by white space, or over POSTERN_HEADER_EDIT_MAX_OCTETS.
 */
gboolean postern_edits_insert(PosternEdits *edits, const char *name, const char *value);
gboolean postern_edits_remove(PosternEdits *edits, const char *name, guint occurrence);
gboolean postern_edits_remove_odd_line(PosternEdits *edits, guint occurrence);
gboolean postern_edits_change(PosternEdits *edits, const char *name, guint occurrence, const char *value);

/* The text to be put before a message that begins with octets, if that is all that edits do to it: a new
 * string; NULL: they do more, or its first line must stay the first. */
GString *postern_edits_on_top(const PosternEdits *edits, const char *octets, gsize length);

/*
 * Reads message (sealed; a reference is taken) with edits applied (copied; NULL: none). A field that is both
 * removed and changed is removed; of several changes of one field the last counts.
 */
typedef struct PosternMessageReader PosternMessageReader;
PosternMessageReader *postern_message_reader_new(PosternMessage *message, const PosternEdits *edits,
                                                 GError **error) G_GNUC_WARN_UNUSED_RESULT;
void postern_message_reader_free(PosternMessageReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMessageReader, postern_message_reader_free)

/*
 * The next piece of at most maximum octets: 1 with *ret_octets (valid until reader is freed) and *ret_length;
 * 0 at the end.
 */
int postern_message_reader_next(PosternMessageReader *reader, gsize maximum, const char **ret_octets,
                                gsize *ret_length);
