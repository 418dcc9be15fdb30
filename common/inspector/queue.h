/*
 * What waits for a worker. Users of the socket take turns, and within each of them the clients whose mail it
 * is, each in the order of its own asking: who asks much waits for itself. One user alone may not fill more
 * than half of the queue. Pure: knows no sockets.
 */
#pragma once

#include <glib.h>

typedef struct PosternQueue PosternQueue;

PosternQueue *postern_queue_new(guint maximum);
/* Items are the caller's. */
void postern_queue_free(PosternQueue *queue);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternQueue, postern_queue_free)

/* client is the same for the same client of user, and not NULL. FALSE, and nothing done: the queue, or the
 * share of user, is full, or client_maximum items of client wait. */
gboolean postern_queue_push(PosternQueue *queue, guint user, gpointer client, guint client_maximum,
                            gpointer item);
/* An item that was popped comes back, before all others and whatever the limits. */
void postern_queue_push_back(PosternQueue *queue, gpointer item);

/* TRUE if item, the first of client's, may be popped now. */
typedef gboolean (*PosternQueueWants)(gpointer client, gpointer item, gpointer user_data);

/* The next item, or NULL; one that wants takes (NULL: any). What came back is always taken. */
gpointer postern_queue_pop(PosternQueue *queue, PosternQueueWants wants, gpointer user_data);
/* TRUE if postern_queue_pop() would have one. */
gboolean postern_queue_has(PosternQueue *queue, PosternQueueWants wants, gpointer user_data);
/* Takes item out; FALSE: it is not there. */
gboolean postern_queue_remove(PosternQueue *queue, guint user, gpointer client, gpointer item);
guint postern_queue_length(const PosternQueue *queue);
