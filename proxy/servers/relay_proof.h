/*
 * What the relay probe has proved: a back-end is an open relay if it accepts a remote
 * recipient from one, and does not if it refuses to *relay* to it. Any other refusal, of the client, its
 * HELO, the sender, or the recipient's domain, proves nothing: a client whom none of them meets might relay
 * all the same. Pure.
 */
#pragma once

#include <glib.h>

#include "wire/reply.h"

typedef enum {
    POSTERN_RELAY_SAFE,    /* it refused to relay */
    POSTERN_RELAY_OPEN,    /* it took a foreign recipient */
    POSTERN_RELAY_UNCLEAR, /* neither */
} PosternRelayState;

/* What a recipient of the probe is for. All but the foreign ones are controls. */
typedef enum {
    POSTERN_RELAY_FOREIGN,    /* the back-end must not take it from an external client */
    POSTERN_RELAY_POSTMASTER, /* its own, which Postfix takes from everybody, whatever else it refuses */
    POSTERN_RELAY_MAILBOX,    /* its own, which the administrator has named: it is treated like any other */
    POSTERN_RELAY_GUESS,      /* perhaps its own; if not, its answer says nothing */
} PosternRelayRole;

/* One RCPT of the probe, and its answer. */
typedef struct {
    char *path;
    PosternRelayRole role;
    PosternReply *reply; /* NULL: it was not answered */
} PosternRelayRecipient;

PosternRelayRecipient *postern_relay_recipient_new(const char *path, PosternRelayRole role);
void postern_relay_recipient_free(PosternRelayRecipient *recipient);

/*
 * mail: the reply to MAIL, or NULL: none came. recipients: of PosternRelayRecipient *, all of one
 * transaction. lmtp: it delivers into mailboxes that it knows, and does nothing else (RFC 2033). *ret_reason,
 * the caller's: what was answered, in one line of printable ASCII.
 */
PosternRelayState postern_relay_proof_judge(const PosternReply *mail, const GPtrArray *recipients,
                                            gboolean lmtp, char **ret_reason);
