/*
 * One SMTP session as the mail server tells of it. Callbacks of a session come one after the other, but on
 * whichever thread is free.
 */
#pragma once

#include "base/identifier.h"
#include "mail/envelope.h"
#include "milter/inspection_bridge.h"
#include "milter/negotiation.h"
#include "milter/transaction.h"

typedef struct {
    PosternIdentifier identifier;
    PosternIdentifier message; /* of the message, from MAIL on; before, its text is empty */
    PosternMilterNegotiation negotiation;
    PosternEnvelope *envelope;
    PosternMilterTransaction *transaction; /* from MAIL to the end of the message, else NULL */
    PosternMilterTicket *ticket;           /* the same */
    char *queue;                           /* the server's queue id of the message, or NULL */
    char *server;                          /* its own name for itself, and for where it listens, or NULL */
    char *daemon;
    char *tls;          /* what the client uses of it, or NULL */
    gboolean connected; /* a client was announced */
    gboolean local;     /* mail is handed in on the server's own machine */
    guint messages;
    guint messages_refused;
    gint64 started; /* monotonic, microseconds */
} PosternMilterSession;

PosternMilterSession *postern_milter_session_new(const PosternMilterNegotiation *negotiation);
/* The id of the message, or of the session if there is none; owned by session. */
const char *postern_milter_session_id(const PosternMilterSession *session);
void postern_milter_session_free(PosternMilterSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMilterSession, postern_milter_session_free)

/* MAIL came, the message has its name, and none is under way: begins it. */
void postern_milter_session_begin(PosternMilterSession *session, PosternMilterBridge *bridge,
                                  PosternMilterSettings *settings, char *sender, char *parameters);

/*
 * RCPT came; takes recipient. Those over POSTERN_RECIPIENTS_MAX are counted, and none of them is exempt.
 * FALSE: it has another policy than those before it, and is to be refused for now.
 */
gboolean postern_milter_session_add_recipient(PosternMilterSession *session, char *recipient);

/*
 * The header is over: a trusted relay's client is looked for in it, and its questions are asked while the
 * body still comes. Calls after the first do nothing.
 */
void postern_milter_session_end_header(PosternMilterSession *session);

/* MAIL has come: from here on replies and lines have an id of the message. */
void postern_milter_session_name_message(PosternMilterSession *session);

/* Forgets the message: it is over, or was aborted. */
void postern_milter_session_reset(PosternMilterSession *session);
