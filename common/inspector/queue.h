/*
 * What waits for a worker. Clients take turns, each in the order of its own asking; one client alone may not
 * fill more than half of the queue. Pure: knows no sockets.
 */
#pragma once

#include <glib.h>

typedef struct PosternQueue PosternQueue;

PosternQueue *postern_queue_new(guint maximum);
/* Items are the caller's. */
void postern_queue_free(PosternQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternQueue, postern_queue_free)

/* FALSE, and nothing done: the queue, or the share of client, is full. */
gboolean postern_queue_push(PosternQueue *queue, guint client, gpointer item);
/* An item that was popped comes back, before all others and whatever the limits. */
void postern_queue_push_back(PosternQueue *queue, gpointer item);
/* The next item, or NULL. */
gpointer postern_queue_pop(PosternQueue *queue);
/* Takes item out; FALSE: it is not there. */
gboolean postern_queue_remove(PosternQueue *queue, guint client, gpointer item);
guint postern_queue_length(const PosternQueue *queue);
