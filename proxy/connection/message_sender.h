/*
 * A message on its way to the back-end: its octets leave from where they lie, header, body and dot in one
 * write if the transport takes them.
 */
#pragma once

#include "mail/edits.h"
#include "proxy/connection/stream.h"
#include "proxy/session/transit.h"

typedef struct PosternMessageSender PosternMessageSender;

/* For message (sealed; a reference is taken) with edits (copied; NULL: none). NULL and error if it cannot be
 * read. */
PosternMessageSender *postern_message_sender_new(PosternMessage *message, const PosternEdits *edits,
                                                 GError **error);
/* For transit (a reference is taken), which may not have ended, but has its whole header if there are edits;
 * nobody else takes of it. It must be settled after each write. */
PosternMessageSender *postern_message_sender_new_transit(PosternTransit *transit, const PosternEdits *edits);
void postern_message_sender_free(PosternMessageSender *sender);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMessageSender, postern_message_sender_free)

/*
 * Writes what stream takes now; *ret_octets: how many. 1: all is written, the dot too. 0: the rest when
 * stream is DRAINED. -1: the message holds a bare CR or LF; it must not go on, and not end.
 */
int postern_message_sender_write(PosternMessageSender *sender, PosternStream *stream, gsize *ret_octets);
/* TRUE if all that has come of a transit is written, and more is to come. */
gboolean postern_message_sender_waits(const PosternMessageSender *sender);
