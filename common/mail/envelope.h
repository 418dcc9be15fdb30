/*
 * The envelope of one message (RFC 5321 2.3.1) and what is known of the client that sends it (RFC 5598).
 */
#pragma once

#include "base/address.h"
#include "base/octets.h"

typedef struct {
    PosternAddress client;   /* who speaks to us, or of whom a trusted relay tells us */
    char *client_name;       /* verified reverse name, or NULL: not known */
    char *helo;              /* argument of EHLO or HELO as given, or NULL */
    gboolean esmtp;          /* EHLO was used */
    char *login;             /* authenticated user name, or NULL */
    char *sender;            /* reverse path without brackets; "" is the null sender; NULL: no MAIL yet */
    char *sender_parameters; /* ESMTP parameters of MAIL as given, or NULL */
    GPtrArray *recipients;   /* of char *: forward paths without brackets, in order; never NULL */
    char *session;           /* id of the session, of the message from MAIL on; or NULL */
} PosternEnvelope;

PosternEnvelope *postern_envelope_new(void);
PosternEnvelope *postern_envelope_copy(const PosternEnvelope *envelope);
void postern_envelope_free(PosternEnvelope *envelope);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternEnvelope, postern_envelope_free)

/* Forgets sender, parameters and recipients: RSET, or the end of a message (RFC 5321 4.1.1.5). */
void postern_envelope_reset(PosternEnvelope *envelope);

/*
 * The domain of a path: what follows the last '@', in a new lower-case string without a final dot, or NULL
 * if there is none. An address literal is returned as it stands, with its brackets.
 */
char *postern_path_domain(const char *path);

/* The envelope as octets, and back, from an untrusted peer: what has not the form or is over a limit is an
 * error. */
void postern_envelope_encode(const PosternEnvelope *envelope, GByteArray *out);
PosternEnvelope *postern_envelope_decode(PosternOctets *in, GError **error) G_GNUC_WARN_UNUSED_RESULT;

/*
 * The mailbox that path names, as tables of addresses have it: *ret_local_part in lower case, without quotes,
 * for "user" and user are the same (RFC 5321 4.1.2); *ret_domain in lower case, without a final dot, with
 * A-labels, or "". Both are the caller's.
 */
void postern_path_mailbox(const char *path, char **ret_local_part, char **ret_domain);
