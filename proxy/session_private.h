/*
 * The inside of PosternSession, shared by its files:
 *
 *   session.c           life, octets in, actions out, the clock
 *   session_commands.c  the table of commands and those without a transaction
 *   session_mail.c      MAIL and RCPT
 *   session_data.c      DATA, the message, the verdict
 *   session_backend.c   borrowing a back-end, its answers, delivery
 *   session_log.c       replies and closing lines
 */
#pragma once

#include "proxy/session.h"
#include "wire/command.h"
#include "wire/data.h"
#include "wire/line.h"

typedef enum {
    POSTERN_RECIPIENT_PENDING,  /* the back-end has not been asked */
    POSTERN_RECIPIENT_ASKED,    /* its answer is awaited, and the client awaits it from us */
    POSTERN_RECIPIENT_ACCEPTED, /* the client has had the back-end's 2xx */
    POSTERN_RECIPIENT_REFUSED,
} PosternRecipientState;

typedef struct {
    char *path;
    char *parameters; /* with a leading space each, or "" */
    PosternRecipientState state;
} PosternRecipient;

/* Where the session stands with a back-end. */
typedef enum {
    POSTERN_LINK_NONE,
    POSTERN_LINK_BORROWING,
    POSTERN_LINK_NAMING, /* borrowed; the client's name is still being looked up */
    POSTERN_LINK_IDENTIFYING,
    POSTERN_LINK_OPEN, /* it has MAIL, and has or gets the recipients */
} PosternLink;

/* What became of a message, for its closing line. */
typedef enum {
    POSTERN_DELIVERY_NONE,     /* it never went to the back-end */
    POSTERN_DELIVERY_ACCEPTED, /* the back-end said 2xx */
    POSTERN_DELIVERY_REFUSED,  /* the back-end said 4xx or 5xx */
    POSTERN_DELIVERY_FAILED,   /* the back-end was lost before the dot was out */
    POSTERN_DELIVERY_UNKNOWN,  /* lost after the dot: RFC 1047 */
} PosternDelivery;

/* Why the rest of a message is only taken to its end and dropped. */
typedef enum {
    POSTERN_DISCARD_NOT,
    POSTERN_DISCARD_TOO_BIG,
    POSTERN_DISCARD_NO_ROOM,
} PosternDiscard;

typedef struct {
    gint64 started;
    GPtrArray *recipients; /* of PosternRecipient * */
    guint accepted;
    GQueue asked;               /* of PosternRecipient *, in the order of the back-end's replies */
    GString *mail_parameters;   /* those of DSN, with a leading space each, for the back-end */
    gboolean body_given;        /* BODY= */
    guint needed;               /* mask of PosternCapability that MAIL has used */
    guint64 declared_size;      /* SIZE=, or 0 */
    PosternReply *mail_refusal; /* the back-end's, for every RCPT */
    char *failure;              /* why it can only end in 451, for the log */
    guint unanswered;           /* recipients that the client awaits an answer for */
    guint attempts;             /* back-ends lost before they had the message */
    gboolean data_sent;
    PosternMessage *message;
    PosternDataDecoder decoder;
    PosternDiscard discard;
    guint64 discarded;
    gboolean header_seen;
    gboolean inspecting; /* an inspection of the shell's runs */
    PosternVerdict *verdict;
    char *spf; /* for the closing line */
    char *dkim;
    char *virus;
    char *problem;
    char *last_refusal; /* what the client heard last of a refused recipient */
    gboolean logged;
    PosternDelivery delivery;
} PosternTransaction;

struct PosternSession {
    PosternProxySettings *settings;
    PosternIdentifier identifier;
    PosternEnvelope *envelope;
    PosternSessionState state;
    PosternEhlo announced;
    gboolean name_known;
    gboolean name_temporary;
    gint64 started;
    gint64 client_deadline;
    gint64 silence_deadline; /* when a back-end that waits for the client goes back */
    guint64 pace_octets;     /* of the message, since the silence was last reckoned from */
    gint64 name_deadline;    /* when a borrowed back-end is told that the name could not be looked up */
    PosternLineReader line;
    PosternCommand *held; /* a command that must wait for answers to those before it */
    GByteArray *decoded;
    GString *output;
    GQueue actions; /* of PosternSessionAction * */
    PosternLink link;
    PosternBackend *backend;
    PosternTransaction *transaction; /* from MAIL on, or NULL */
    gboolean draining;
    const char *ended; /* why, for the closing line; static */
    guint commands;
    guint commands_without_mail;
    guint errors;
    guint refusals; /* 4xx and 5xx of ours */
    guint messages;
    guint messages_accepted;
    guint64 octets;
};

/* session.c */
/* The one place where the state changes. */
void postern_session_set_state(PosternSession *session, PosternSessionState state, gint64 now);
/* Queues an action; message (a reference is taken) and line (taken over) may be NULL. */
void postern_session_act(PosternSession *session, PosternSessionActionKind kind, PosternMessage *message,
                         PosternLogLine *line);
/* Ends the session after what is in the output; why is static. */
void postern_session_finish(PosternSession *session, const char *why, gint64 now);
/* Ends the transaction, whatever stands of it: logs it where a message came, forgets envelope and message. */
void postern_session_end_transaction(PosternSession *session, gint64 now);

/* session_commands.c */
/* Runs command, or keeps it as held where those before it are not answered; it is taken over. */
void postern_session_run(PosternSession *session, PosternCommand *command, gint64 now);
/* Runs what was held, once nothing is awaited. */
void postern_session_run_held(PosternSession *session, gint64 now);

/* session_mail.c */
void postern_session_mail(PosternSession *session, const PosternCommand *command, gint64 now);
/* FALSE: it must wait (its answer would overtake those before it). */
gboolean postern_session_rcpt(PosternSession *session, const PosternCommand *command, gint64 now);
/* The largest message that is taken: ours, or the back-end's less room for our header fields. */
guint64 postern_session_size_limit(const PosternSession *session);
PosternTransaction *postern_session_transaction_new(gint64 now);
void postern_session_transaction_free(PosternTransaction *transaction);

/* session_data.c */
void postern_session_data(PosternSession *session, gint64 now);
gsize postern_session_receive_data(PosternSession *session, const char *octets, gsize length, gint64 now);
/* The message's end: its closing line, its reply (with CRLF) to the client, and on to the next. */
void postern_session_conclude(PosternSession *session, const char *reply, gint64 now);

/* session_backend.c */
/* TRUE while the back-end has answers to give that the client waits for. */
gboolean postern_session_awaits_answers(const PosternSession *session);
/* Asks the back-end about all recipients that are PENDING, borrowing one where there is none. */
void postern_session_ask_recipients(PosternSession *session, gint64 now);
/* The back-end's answer for one recipient, which is not awaited any more: to the client, word for word. */
void postern_session_answer_recipient(PosternSession *session, PosternRecipient *recipient,
                                      const PosternReply *reply, gint64 now);
/* Starts or goes on with giving the accepted message to the back-end. */
void postern_session_deliver(PosternSession *session, gint64 now);
/* The client's name has had its time. */
void postern_session_give_up_name(PosternSession *session, gint64 now);
/* Gives the back-end back: reset, or closed where it is in the middle of a message. */
void postern_session_release_backend(PosternSession *session, gint64 now);
/* Starts the time after which a silent client's back-end goes back to the pool. */
void postern_session_watch_silence(PosternSession *session, gint64 now);

/* session_log.c */
/* "CODE X.Y.Z text\r\n"; a 4xx or 5xx gets the session id. */
void postern_session_reply(PosternSession *session, guint code, const char *enhanced, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* What postern_session_reply() would say; a new string. */
char *postern_session_format_reply(PosternSession *session, guint code, const char *enhanced,
                                   const char *text);
/* The same for a mistake of the client's: counted, and too many end the session. */
void postern_session_error(PosternSession *session, gint64 now, guint code, const char *enhanced,
                           const char *text);
void postern_session_log_message(PosternSession *session, const char *reply, gint64 now);
void postern_session_log_end(PosternSession *session, gint64 now);
