/*
 * Mailboxes that the servers of a group have said not to exist, and in which words: a directory harvest does
 * not reach them each time. For a while, and bounded: the oldest goes when there is no room. Any thread.
 */
#pragma once

#include "wire/reply.h"

typedef struct PosternRefusals PosternRefusals;

/* Keeps none until it has room. */
PosternRefusals *postern_refusals_new(void);
void postern_refusals_free(PosternRefusals *refusals);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternRefusals, postern_refusals_free)

/* From now on at most maximum (0: none) are kept, for keep_ms; what is there is forgotten, and what is on its
 * way is not kept. */
void postern_refusals_begin(PosternRefusals *refusals, guint maximum, guint keep_ms);
/* Grows with each begin(); to be taken when the server is, before it is asked. */
guint postern_refusals_generation(PosternRefusals *refusals);

/*
 * What a server has said to RCPT of recipient, a path without angle brackets. It is kept if it is the
 * mailbox's alone, whoever sends and whoever asks: 5yz 5.1.1 (there is none) or 5.1.6 (it has moved), of RFC
 * 3463 3.2; and if generation, the one in which that server was taken, is not over. now: monotonic
 * milliseconds.
 */
void postern_refusals_note(PosternRefusals *refusals, guint generation, const char *recipient,
                           const PosternReply *reply, gint64 now);
/* What was said of it, the caller's; NULL: nothing that holds still. */
PosternReply *postern_refusals_find(PosternRefusals *refusals, const char *recipient, gint64 now);
/* How many there are. */
guint postern_refusals_size(PosternRefusals *refusals);
