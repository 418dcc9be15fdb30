/*
 * The words of a display name or a comment as somebody sees them whose reader decodes first and looks for
 * addresses then.
 */
#pragma once

#include <glib.h>

typedef struct {
    GString *text;
    gboolean encoded; /* some of it was an encoded word */
    gboolean quotes;  /* one had a quote or a backslash: decoded, quoted strings are others */
    gboolean opaque;  /* of one it is not known what it says */
} PosternMailboxSeen;

void postern_mailbox_seen_init(PosternMailboxSeen *seen);
void postern_mailbox_seen_clear(PosternMailboxSeen *seen);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PosternMailboxSeen, postern_mailbox_seen_clear)

/* Adds words as they stand in the field. */
void postern_mailbox_seen_add(PosternMailboxSeen *seen, const char *text, gsize length);

/* Why a reader may take an encoded word for an address, static, or NULL: there is none, or it is harmless. */
const char *postern_mailbox_seen_doubt(const PosternMailboxSeen *seen);

/* TRUE if there is an `<…@domain>` in it, of another domain than all of domains (of char *). */
gboolean postern_mailbox_seen_names_other(const PosternMailboxSeen *seen, const GPtrArray *domains);

/* Why a reader may decode a local part, or cut it at another '@', static, or NULL. */
const char *postern_mailbox_local_part_doubt(const char *text, gsize length);

/* TRUE if anywhere in value, decoded or not, an '@' stands before what is none of domains (of char *). */
gboolean postern_mailbox_mentions_other(const char *value, gsize length, const GPtrArray *domains);

/* TRUE if text has a `<` and an `@` behind it. */
gboolean postern_mailbox_holds_angle_address(const char *text, gsize length);
