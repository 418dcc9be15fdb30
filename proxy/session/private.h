/*
 * The inside of PosternSession, shared by its files:
 *
 *   session.c     life, octets in, actions out, the clock
 *   park.c        what is left of it while its client waits
 *   commands.c    the table of commands and those without a transaction
 *   client.c      who the client is: of the connection, of XCLIENT, of XFORWARD
 *   mail.c        MAIL and RCPT
 *   parameters.c  their parameters (RFC 5321 4.1.1.11)
 *   data.c        DATA and the message
 *   verdict.c     inspection and verdict
 *   hold.c        how long a back-end is borrowed
 *   backend.c     what it is asked, its answers, delivery
 *   log.c         replies and closing lines
 */
#pragma once

#include "proxy/session/session.h"
#include "wire/command.h"
#include "wire/data.h"
#include "wire/line.h"

typedef enum {
    POSTERN_RECIPIENT_PENDING,  /* the back-end has not been asked */
    POSTERN_RECIPIENT_SENT,     /* its answer is awaited, and the client awaits it from us */
    POSTERN_RECIPIENT_ACCEPTED, /* the client has had the back-end's 2xx */
    POSTERN_RECIPIENT_REFUSED,
} PosternRecipientState;

/* Who the client is, as the connection, an XCLIENT or an XFORWARD says. */
typedef struct {
    PosternAddress address;
    PosternAddress server; /* where it has connected to; AF_UNSPEC: not known */
    char *name;            /* verified, or NULL */
    char *reverse_name;    /* what the address is called, verified or not, or NULL */
    char *helo;            /* or NULL */
    char *login;           /* or NULL */
    char *queue;           /* what the server in front calls the message, or NULL */
    guint name_known : 1;
    guint name_temporary : 1; /* it could not be looked up now */
    guint reverse_known : 1;  /* FALSE: as little is known of that as of name */
    guint reverse_temporary : 1;
    guint esmtp : 1;
    guint local : 1;
} PosternClientIdentity;

/* What a session remembers from one command to the next. All of it is parked (park.c). */
typedef struct {
    PosternIdentifier identifier;
    guint8 trusted : 1;        /* it may say XCLIENT, and before_queue_filter XFORWARD */
    guint8 submission : 1;     /* its mail is that of users who have logged in */
    guint8 tls : 1;            /* STARTTLS is done, or has come */
    guint8 slow : 1;           /* it had to give a back-end back, and no message was accepted since */
    PosternAddress peer;       /* who has connected */
    PosternClientIdentity own; /* the peer, or whom it has named by XCLIENT */
    PosternEhlo announced;     /* what the back-ends can do */
    gint64 started;
    gint64 client_deadline;
    char *would_reply; /* observe: what would have ended the session, or NULL */
    guint64 octets;
    guint commands;
    guint commands_without_mail;
    guint errors;
    guint refusals;           /* 4xx and 5xx of ours */
    guint refused_recipients; /* 5xx of the back-end, since a message was accepted */
    guint early_greeting;     /* times that the client spoke before it, an XCLIENT's included */
    guint early_data;         /* times that a message came before its 354 */
    guint messages;
    guint messages_accepted;
} PosternSessionCore;

typedef struct {
    char *path;
    char *dsn_parameters;        /* with a leading space each, or "" */
    const PosternPolicy *policy; /* owned by the settings */
    PosternRecipientState state;
} PosternRecipient;

/* Where the session stands with a back-end. */
typedef enum {
    POSTERN_LINK_NONE,
    POSTERN_LINK_WAITING_FOR_PTR, /* one is needed; the client's name is still being looked up */
    POSTERN_LINK_BORROWING,
    POSTERN_LINK_IDENTIFYING,
    POSTERN_LINK_OPEN, /* it has MAIL, and has or gets the recipients */
} PosternLink;

#define POSTERN_NEVER G_MAXINT64

/* How fast a message comes. */
typedef struct {
    gint64 deadline; /* when it is judged next, or POSTERN_NEVER */
    gint64 minute_end;
    guint64 octets; /* since it was judged last */
    guint64 minute_octets;
    gboolean held_up; /* since it was judged last, the back-end had to be waited for */
    gboolean minute_held_up;
    gboolean slow; /* a message that is streamed came too slowly when it was judged last */
} PosternRate;

/* How long a borrowed back-end has waited for its client, or for the verdict on what came from it. */
typedef struct {
    gint64 ptr_deadline;     /* when one is borrowed although the client's name is not known yet */
    gint64 waits_since;      /* or POSTERN_NEVER: it has something to do */
    gint64 waited_ms;        /* before that, since it was borrowed */
    gint64 silence_deadline; /* when it goes back whether anybody needs it or not */
    gint64 offer_deadline;   /* when it is offered to those who wait for one */
    gboolean offered;
    gboolean recalled; /* somebody needs it: it goes back as soon as it has nothing to do */
} PosternHold;

/* What the output holds that the client has to wait for. */
typedef enum {
    POSTERN_TURN_NONE,
    POSTERN_TURN_GREETING,
    POSTERN_TURN_DATA,
} PosternTurn;

/* Why the rest of a message is only taken to its end and dropped. */
typedef enum {
    POSTERN_DISCARD_NOT,
    POSTERN_DISCARD_TOO_BIG,
    POSTERN_DISCARD_NO_ROOM,
    POSTERN_DISCARD_BARE,   /* it holds a bare CR or LF */
    POSTERN_DISCARD_ANSWER, /* its answer is known */
} PosternDiscard;

typedef struct {
    PosternIdentifier identifier; /* of the message, in its replies, its log lines and its capsule */
    gint64 started;
    GPtrArray *recipients; /* of PosternRecipient * */
    guint accepted;
    GQueue sent; /* of PosternRecipient *, in the order of the back-end's replies */
    PosternCase *mail_case;
    const PosternPolicy *asked_policy; /* of the recipient that the back-end was asked about last */
    GString *dsn_parameters;           /* of MAIL, with a leading space each, for the back-end */
    gboolean dsn_dropped;              /* the back-end did not get those of DSN */
    gboolean body_given;               /* BODY= */
    guint needed;                      /* mask of PosternCapability that MAIL and RCPT have used */
    guint64 declared_size;             /* SIZE=, or 0 */
    PosternReply *mail_refusal;        /* the back-end's, for every RCPT */
    char *failure;                     /* why it can only end in 451, for the log */
    guint unanswered;                  /* recipients that the client awaits an answer for */
    guint attempts;                    /* back-ends lost before they had the message */
    guint64 charged;                   /* octets of the budget, for recipients */
    PosternHold hold;
    PosternRate rate;
    guint repeats; /* times that MAIL and RCPT were told anew */
    gboolean data_sent;
    gboolean streams;        /* DATA may go to the back-end before the message has ended */
    gint64 burst_since;      /* when the burst that comes now began */
    guint64 burst_end;       /* octets of the message at its end */
    char *answer;            /* what the client hears at the message's end, with CRLF; or NULL */
    PosternMessage *message; /* if it is inspected */
    PosternTransit *transit; /* if not */
    guint64 size_limit;      /* of transit */
    PosternDataDecoder decoder;
    PosternDiscard discard;
    guint64 discarded;
    gboolean header_seen;
    gboolean inspecting;   /* an inspection of the shell's runs */
    char *last_refusal;    /* what the client heard last of a refused recipient */
    guint refusals_logged; /* lines of refused recipients */
    gboolean announced;    /* the client has heard its identifier: there has to be a line of it */
    gboolean logged;
    PosternDelivery delivery;
} PosternTransaction;

struct PosternSession {
    PosternSessionCore core;
    PosternProxySettings *settings;
    PosternEnvelope *envelope; /* its client is that of postern_session_identity() */
    PosternSessionState state;
    PosternClientIdentity *forwarded; /* of the next or this transaction, by XFORWARD; or NULL */
    PosternBudget *budget;            /* for its messages */
    gint64 answer_deadline;           /* before_queue_filter: until the client must have its answer */
    guint64 pace_octets;              /* of the message, since the silence was last reckoned from */
    PosternLineReader line;
    PosternCommand *pending_command; /* a command that must wait for answers to those before it */
    GString *output;
    GArray *actions; /* of PosternSessionAction */
    guint acted;     /* of them */
    PosternLink link;
    PosternBackend *backend;
    PosternTransaction *transaction; /* from MAIL on, or NULL */
    const char *leaving;             /* static: why the client is let go after its message, or NULL */
    const char *ended; /* why, for the closing line; static. Before CLOSING: nobody hears what is said. */
    PosternTurn our_turn;
    char *tls; /* "TLSv1.3 TLS_AES_256_GCM_SHA384", or NULL */
};

/* session.c */
/* The one place where the state changes. */
void postern_session_set_state(PosternSession *session, PosternSessionState state, gint64 now);
/* The one place where the link to the back-end changes. */
void postern_session_set_link(PosternSession *session, PosternLink link);
/* Queues an action, whose payload is the caller's to set before the next one is queued. */
PosternSessionAction *postern_session_act(PosternSession *session, PosternSessionActionKind kind);
/* Ends the session after what is in the output; why is static. */
void postern_session_finish(PosternSession *session, const char *why, gint64 now);
/* Ends the transaction, whatever stands of it: logs it if a message came, forgets envelope and message. */
void postern_session_end_transaction(PosternSession *session, gint64 now);

/* The 220 of a session that begins, at the connection or after an XCLIENT. */
void postern_session_greet(PosternSession *session);
/* Starts filter_timeout, if this is a filter and somebody waits for an answer. */
void postern_session_expect_answer(PosternSession *session, gint64 now);

/* With nothing but what any has, to be filled; settings: a reference is taken. */
PosternSession *postern_session_alloc(PosternProxySettings *settings);

/* park.c */
void postern_session_core_clear(PosternSessionCore *core);

/* client.c */
void postern_session_client_init(PosternSession *session, const PosternAddress *client, gboolean submission);
/* Frees what identity holds; it is nobody's then. */
void postern_session_identity_clear(PosternClientIdentity *identity);
/* Who the client is now. */
PosternClientIdentity *postern_session_identity(PosternSession *session);
/* The envelope tells of the client that there is now. */
void postern_session_show_client(PosternSession *session);
/* What XFORWARD told ends with its transaction (XFORWARD_README). */
void postern_session_forget_forwarded(PosternSession *session);
/* Adds XCLIENT and XFORWARD to what is announced, if this client may say them. */
void postern_session_offer_client_commands(const PosternSession *session, PosternEhlo *announced);
void postern_session_xclient(PosternSession *session, const PosternCommand *command, gint64 now);
void postern_session_xforward(PosternSession *session, const PosternCommand *command, gint64 now);

/* commands.c */
/* Runs command, or keeps it as pending if those before it are not answered; it is taken over. */
void postern_session_run(PosternSession *session, PosternCommand *command, gint64 now);
/* Runs what is pending, once nothing is awaited. */
void postern_session_run_pending(PosternSession *session, gint64 now);

/* mail.c */
void postern_session_mail(PosternSession *session, const PosternCommand *command, gint64 now);
/* TRUE if so many refusals of the back-end more would be as many as [proxy] max_refused_recipients. */
gboolean postern_session_may_guess_no_more(const PosternSession *session, guint more);
/* FALSE: it must wait (its answer would overtake those before it). */
gboolean postern_session_rcpt(PosternSession *session, const PosternCommand *command, gint64 now);
/* Frees it, and gives back what it is charged; none is allowed. */
void postern_session_drop_transaction(PosternSession *session);

/* parameters.c */
/* The largest message that is taken: ours, or the back-end's less room for our header fields. */
guint64 postern_session_size_limit(const PosternSession *session);
/* The parameters of MAIL into transaction. FALSE: one is not taken, and the client knows. */
gboolean postern_session_take_mail_parameters(PosternSession *session, PosternTransaction *transaction,
                                              const PosternCommand *command, gint64 now);
/* Those of RCPT into recipient. FALSE: one is not for here. */
gboolean postern_session_take_recipient_parameters(PosternSession *session, const PosternCommand *command,
                                                   PosternRecipient *recipient);
/* TRUE if MAIL or RCPT had a parameter that the back-end gets. */
gboolean postern_session_uses_extensions(const PosternSession *session);
/* MAIL's parameters as the borrowed back-end takes them, with a leading space each; a new string. */
char *postern_session_mail_parameters(const PosternSession *session);
/* Those of a RCPT, likewise; owned by recipient. */
const char *postern_session_recipient_parameters(const PosternSession *session,
                                                 const PosternRecipient *recipient);
/* Names of what the client has used and the back-end has not, for people: "8BITMIME, DSN"; or NULL: none. */
char *postern_session_missing_capabilities(const PosternSession *session);

/* data.c */
void postern_session_data(PosternSession *session, gint64 now);
gsize postern_session_receive_data(PosternSession *session, const char *octets, gsize length, gint64 now);
/* The message's end: its closing line, its reply (with CRLF) to the client, and on to the next. */
void postern_session_conclude(PosternSession *session, const char *reply, gint64 now);

/* The message is streamed, and the back-end has not taken what has come. */
gboolean postern_session_is_held_up(const PosternSession *session);
/* Others need the back-end of a message that is streamed: it ends if it comes too slowly. */
void postern_session_judge_stream(PosternSession *session, gint64 now);
/* The answer to the message, with CRLF, is known: what still comes is dropped. */
void postern_session_answer_message(PosternSession *session, const char *reply, gint64 now);

/* Begins a minute that is measured, or ends it if no message comes in. */
void postern_session_measure_rate(PosternSession *session, gint64 now);
/* It is time to judge: the client goes, or is measured on. */
void postern_session_judge_rate(PosternSession *session, gint64 now);
/* "CODE X.Y.Z text" ends the message. */
void postern_session_conclude_with(PosternSession *session, const char *reply, gint64 now);

/* verdict.c */
/* The sender is known: the inspection begins. */
void postern_session_begin_inspection(PosternSession *session);
/* octets begin with a header that is whole: the case looks at it. */
void postern_session_read_header(PosternSession *session, const char *octets, gsize length);
/* Once the header is whole, its questions are asked while the body still comes. */
void postern_session_look_for_header(PosternSession *session);
/* The message is whole and sealed. */
void postern_session_inspect(PosternSession *session, gint64 now);

/* backend.c */
/* TRUE while the back-end has answers to give that the client waits for. */
gboolean postern_session_awaits_answers(const PosternSession *session);
/* Asks the back-end about all recipients that are PENDING, borrowing one if there is none. */
void postern_session_ask_recipients(PosternSession *session, gint64 now);
/* The back-end's answer for one recipient, which is not awaited any more: to the client, word for word. */
void postern_session_answer_recipient(PosternSession *session, PosternRecipient *recipient,
                                      const PosternReply *reply, gint64 now);
/* Starts or goes on with giving the accepted message to the back-end. */
void postern_session_deliver(PosternSession *session, gint64 now);
/* filter_timeout has passed: who waits for an answer gets 451, before the server in front gives up. */
void postern_session_give_up_answer(PosternSession *session, gint64 now);
/* hold.c */
void postern_session_hold_init(PosternHold *hold);
/* The next of its deadlines. */
gint64 postern_session_hold_deadline(const PosternHold *hold);
/* Asks for a back-end, once the client's name is known or has had its time. */
void postern_session_borrow(PosternSession *session, gint64 now);
/* Gives the back-end back: reset, or closed if it is in the middle of a message. */
void postern_session_release_backend(PosternSession *session, gint64 now);
/* It is gone. */
void postern_session_unlink_backend(PosternSession *session);
/* The client has spoken, or who is to speak has changed: reckons how long the back-end has waited, and gives
 * it back if it was recalled and has nothing to do. */
void postern_session_watch_hold(PosternSession *session, gint64 now);
/* A deadline of the hold has passed. */
void postern_session_judge_hold(PosternSession *session, gint64 now);
/* TRUE if the envelope has been told so often that no more may be added to it. */
gboolean postern_session_has_repeated_enough(const PosternSession *session);

/* log.c */
/* The id of the message, or of the session if there is no transaction; owned by session. */
const char *postern_session_id(const PosternSession *session);
/* "CODE X.Y.Z text\r\n"; a 4xx or 5xx gets that id. */
void postern_session_reply(PosternSession *session, guint code, const char *enhanced, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* "CODE X.Y.Z text" as postern_session_reply() would say it; a new string. */
char *postern_session_finish_reply(PosternSession *session, const char *reply);
/* The same for a mistake of the client's: counted, and too many end the session. */
void postern_session_error(PosternSession *session, gint64 now, guint code, const char *enhanced,
                           const char *text);
/* Whether mode = observe: what can pass does. */
gboolean postern_session_observes(const PosternSession *session);
/* With mode = observe the message, or without one the session, passes all the same; its line says so. */
void postern_session_would_refuse(PosternSession *session, const char *reply);
/* Counts a mistake that was answered already. */
void postern_session_count_error(PosternSession *session, gint64 now);
/* The line of a recipient that was refused with reply by "proxy" or "backend"; argument: that of RCPT, if no
 * path could be read. */
void postern_session_log_refusal(PosternSession *session, const PosternRecipient *recipient,
                                 const char *argument, const char *by, const char *reply);
void postern_session_log_message(PosternSession *session, const char *reply, gint64 now);
void postern_session_log_end(PosternSession *session, gint64 now);
