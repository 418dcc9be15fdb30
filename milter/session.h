/*
 * One SMTP session as the mail server tells of it. Callbacks of a session come one after the other, but on
 * whichever thread is free.
 */
#pragma once

#include "base/identifier.h"
#include "mail/envelope.h"
#include "milter/inspection_bridge.h"
#include "milter/libmilter/negotiation.h"
#include "milter/transaction.h"
#include "verdict/case.h"

typedef enum {
    POSTERN_MILTER_IDLE,     /* no message is under way */
    POSTERN_MILTER_ENVELOPE, /* from MAIL to the end of the header */
    POSTERN_MILTER_BODY,
    POSTERN_MILTER_INSPECTING, /* the verdict is awaited */
} PosternMilterState;

typedef struct {
    PosternIdentifier identifier;
    PosternMilterState state;
    PosternIdentifier message; /* of the message, from MAIL on; before, its text is empty */
    PosternMilterNegotiation negotiation;
    PosternEnvelope *envelope;
    PosternCase *mail_case;                /* from MAIL to the end of the message, else NULL */
    PosternMilterTransaction *transaction; /* the same; NULL too if the message is not taken */
    PosternMilterTicket *ticket;           /* the same */
    PosternFindings *client_findings;      /* what is known of the client, or NULL: it was not asked for */
    const char *refused;                   /* why the client was, before MAIL; or NULL */
    char *queue;                           /* the server's queue id of the message, or NULL */
    char *server;                          /* its own name for itself, and for where it listens, or NULL */
    char *daemon;
    char *tls;          /* what the client uses of it, or NULL */
    gboolean connected; /* a client was announced */
    gboolean local;     /* mail is handed in on the server's own machine */
    guint messages;
    guint messages_refused;
    gint64 started; /* monotonic, microseconds */
    gint64 message_started;
} PosternMilterSession;

PosternMilterSession *postern_milter_session_new(const PosternMilterNegotiation *negotiation);
/* The id of the message, or of the session if there is none; owned by session. */
const char *postern_milter_session_id(const PosternMilterSession *session);
void postern_milter_session_free(PosternMilterSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMilterSession, postern_milter_session_free)

/*
 * MAIL came, and no message is under way: from here on there is a case, and replies and lines have an id of
 * the message. sender is taken over.
 */
void postern_milter_session_mail(PosternMilterSession *session, const PosternMilterSettings *settings,
                                 char *sender);

/* The message is taken: its inspection begins. parameters of MAIL are taken over. */
void postern_milter_session_begin(PosternMilterSession *session, PosternMilterBridge *bridge,
                                  PosternMilterSettings *settings, char *parameters);

/*
 * RCPT came; takes recipient. FALSE: it has another policy than those before it, and is to be refused for
 * now.
 */
gboolean postern_milter_session_add_recipient(PosternMilterSession *session, char *recipient);

/*
 * The header is over: a trusted relay's client is looked for in it, and its questions are asked while the
 * body still comes. Calls after the first do nothing.
 */
void postern_milter_session_end_header(PosternMilterSession *session);

/* The one place where the state changes. */
void postern_milter_session_set_state(PosternMilterSession *session, PosternMilterState state);

/* The message is over. */
void postern_milter_session_end_message(PosternMilterSession *session);

/* Decides on the message, which is at its end, and keeps a capsule of it if one is wanted. findings are taken
 * over (NULL: they did not come in time), and so is problem. */
void postern_milter_session_decide(PosternMilterSession *session, PosternFindings *findings, char *problem);

/* Forgets the message: it is over, or was aborted. */
void postern_milter_session_reset(PosternMilterSession *session);

/* Counts the message, which is over, and writes its closing line. failure: why it did not come to the mail
 * server, or NULL. */
void postern_milter_message_log(const PosternMilterSession *session, const PosternMilterSettings *settings,
                                const char *failure);

/* Writes the line of a recipient that is refused with reply. */
void postern_milter_refusal_log(const PosternMilterSession *session, const PosternMilterSettings *settings,
                                const char *recipient, const char *reply);

/* Counts session, which is over, and writes its closing line. */
void postern_milter_session_log(const PosternMilterSession *session, const PosternMilterSettings *settings);
