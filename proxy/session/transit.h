/*
 * A message that is only passed on: its octets as they are on the wire (RFC 5321 4.5.2, without the end of
 * data), from the client to the back-end. What has been taken at the front is not kept, so that a message of
 * any size needs no more room than what waits. Of one thread.
 */
#pragma once

#include <glib.h>
#include <sys/uio.h>

#include "base/budget.h"

typedef struct PosternTransit PosternTransit;

/* An empty one that about expected octets will come for, charged to budget (a reference is taken). */
PosternTransit *postern_transit_new(guint64 expected, PosternBudget *budget);
/* Charges the budget for octets that are to come; FALSE: they are not there. */
gboolean postern_transit_reserve(PosternTransit *transit, guint64 octets) G_GNUC_WARN_UNUSED_RESULT;
PosternTransit *postern_transit_ref(PosternTransit *transit);
void postern_transit_unref(PosternTransit *transit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternTransit, postern_transit_unref)

/* Adds decoded octets of any kind; those of a message end in CRLF. FALSE: there is no room, and nothing was
 * added. */
gboolean postern_transit_add(PosternTransit *transit, const char *octets, gsize length);
/*
 * Adds octets that postern_data_decoder_pass() gave. While somebody takes them (postern_transit_start()) they
 * are not copied, and must last until postern_transit_settle(). FALSE as above.
 */
gboolean postern_transit_pass(PosternTransit *transit, const char *octets, gsize length);
/* Copies what was not copied and is still there. FALSE: there is no room, and the message is not whole any
 * more. */
gboolean postern_transit_settle(PosternTransit *transit);
/* No more will be added. */
void postern_transit_end(PosternTransit *transit);

/* Octets of the message so far, decoded; taken or not. */
guint64 postern_transit_size(const PosternTransit *transit);
/* Octets that wait. */
guint64 postern_transit_waiting(const PosternTransit *transit);
/* Octets of the budget that it takes. */
guint64 postern_transit_charged(const PosternTransit *transit);
/* TRUE once the empty line after the header has come. */
gboolean postern_transit_header_complete(const PosternTransit *transit);
/* Before anything is taken: the header with the empty line, or all that is there. Valid until something is
 * added or taken. */
const char *postern_transit_header(const PosternTransit *transit, gsize *ret_length);

/* From now on octets are taken as they come. */
void postern_transit_start(PosternTransit *transit);
/* The first octets that wait, in at most maximum pieces: their number. Valid as the header is. */
int postern_transit_pieces(const PosternTransit *transit, struct iovec *ret_pieces, int maximum);
/* Drops so many of those that wait. */
void postern_transit_take(PosternTransit *transit, gsize length);
gboolean postern_transit_has_ended(const PosternTransit *transit);
