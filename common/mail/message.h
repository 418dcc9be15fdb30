/*
 * One message: octets in the heap while they are few, else in a memfd, charged to a budget, and an index of
 * its header fields.
 *
 * Lines end in CRLF as on the wire (RFC 5321 2.3.8), dots unstuffed. A message that came in through SMTP
 * keeps every octet. Life: new, append…, seal; then map, index and read. Not shared between threads
 * while it grows; a sealed one may be read by any.
 */
#pragma once

#include <glib.h>

#include "base/budget.h"

typedef struct PosternMessage PosternMessage;

/*
 * An empty message that may grow to maximum octets, charged to budget (a reference is taken; NULL: no
 * budget). Never NULL, and no error.
 */
PosternMessage *postern_message_new(guint64 maximum, PosternBudget *budget,
                                    GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * A sealed message around a descriptor of an untrusted peer, which is taken over in any case. It must be a
 * memfd with seals F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE and at most maximum octets.
 */
PosternMessage *postern_message_from_descriptor(int descriptor, guint64 maximum,
                                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* A sealed message of octets, which a reference is taken of. */
PosternMessage *postern_message_from_octets(GBytes *octets);

PosternMessage *postern_message_ref(PosternMessage *message);
void postern_message_unref(PosternMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMessage, postern_message_unref)

/* Charges the budget for octets that are to come, if that is more than it is charged for already; the rest of
 * them is given back when it is sealed. FALSE: they are not there. */
gboolean postern_message_reserve(PosternMessage *message, guint64 octets) G_GNUC_WARN_UNUSED_RESULT;
/*
 * Appends length octets. POSTERN_ERROR_LIMIT: over the maximum (postern_message_is_too_big() is then TRUE)
 * or the budget; POSTERN_ERROR_SYSTEM: no memory. After an error the message stays as it was.
 */
gboolean postern_message_append(PosternMessage *message, const void *octets, gsize length,
                                GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* TRUE once an append was refused for the maximum, not the budget. */
gboolean postern_message_is_too_big(const PosternMessage *message);

/* Octets so far. */
guint64 postern_message_size(const PosternMessage *message);

/* Octets of the budget that it takes. */
guint64 postern_message_charged(const PosternMessage *message);

/* Ends growth: seals the memfd, if there is one, and gives back what was reserved and not used. Once. */
gboolean postern_message_seal(PosternMessage *message, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/* The memfd, owned by message, for passing to the inspector once sealed; -1: there is none, for the message
 * has no more than POSTERN_MESSAGE_HEAP_MAX_OCTETS. */
int postern_message_descriptor(const PosternMessage *message);

/*
 * The octets of a sealed message, valid as long as message; those of a memfd are mapped MAP_PRIVATE and
 * read-only on first use.
 * A message of 0 octets gives "". NULL and error if it cannot be mapped.
 */
const char *postern_message_octets(PosternMessage *message, gsize *ret_length,
                                   GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * A new sealed message that holds only the header block of message so far (to the empty line, included),
 * for the header stage of an inspection while the body still arrives. NULL and error as for new.
 */
PosternMessage *postern_message_copy_header(const PosternMessage *message,
                                            GError **error) G_GNUC_WARN_UNUSED_RESULT;

#define POSTERN_MESSAGE_DIGEST_OCTETS 32

/* SHA-256 of what follows the empty line of a sealed message, and octets of what stands before that, with it.
 * What came in pieces was digested as it came. FALSE: it cannot be read. */
gboolean
postern_message_body_digest(PosternMessage *message, guint64 *ret_header_octets,
                            guint8 ret_digest[POSTERN_MESSAGE_DIGEST_OCTETS]) G_GNUC_WARN_UNUSED_RESULT;

/* TRUE once the empty line after the header has been appended; *ret_octets: octets of header with it. */
gboolean postern_message_header_complete(const PosternMessage *message, guint64 *ret_octets);
