/*
 * The inside of PosternSession, shared by its files:
 *
 *   session.c     life, octets in, the clock; actions.c actions out
 *   park.c        what is left of it while its client waits
 *   commands.c    the table of commands and those without a transaction
 *   auth.c        AUTH, and the connection of a client that has logged in
 *   client.c      who the client is: of the connection, of XCLIENT, of XFORWARD
 *   mail.c        MAIL and RCPT
 *   parameters.c  their parameters (RFC 5321 4.1.1.11)
 *   capabilities.c what EHLO offers, and what commands may look like
 *   data.c        DATA and the message
 *   chunk.c       BDAT (RFC 3030)
 *   transit.c     a message on its way: its blocks, from the client to the back-end
 *   query.c       what the back-end is asked beside messages
 *   verdict.c     inspection and verdict
 *   hold.c        how long a back-end is borrowed; room.c what its message takes of the memory
 *   backend.c     what it is asked, its answers, delivery
 *   screen.c      what the screen of its client is told, and what it says
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

/* What a session remembers from one command to the next. All of it but announced is parked (park.c). */
typedef struct {
    PosternIdentifier identifier;
    guint8 trusted : 1;        /* it may say XCLIENT, and before_queue_filter XFORWARD */
    guint8 submission : 1;     /* its mail is that of users who have logged in */
    guint8 tls : 1;            /* STARTTLS is done, or has come */
    guint8 authenticated : 1;  /* it has logged in by AUTH: its link to a back-end is its own */
    guint8 untimely : 1;       /* what it said came with a command whose reply it had to await */
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
    guint spared; /* mask of 1 << verb: the first since the last message has come, and was not counted */
    guint errors;
    guint mistakes;           /* of them, what its mail server too would count */
    guint refusals;           /* 4xx and 5xx of ours */
    guint refused_recipients; /* 5xx, the back-end's and ours, since a message was accepted */
    guint failed_logins;
    guint early_greeting; /* times that the client spoke before it, an XCLIENT's included */
    guint early_data;     /* times that a message came before its 354 */
    guint messages, messages_accepted;
    guint turns; /* of what its mail server hears only so often: four bits for each kind */
} PosternSessionCore;

typedef struct {
    char *path;
    char *dsn_parameters;           /* with a leading space each, or "" */
    const PosternPolicy *policy;    /* owned by the settings */
    const PosternProxyGroup *group; /* likewise; where its mail goes, or NULL: nowhere */
    PosternRecipientState state;
    gboolean was_known; /* its refusal, from one that was asked for before (proxy/servers/refusals.h) */
} PosternRecipient;

/* Where the session stands with a back-end. */
typedef enum {
    POSTERN_LINK_NONE,
    POSTERN_LINK_WAITING_FOR_PTR, /* one is needed; the client's name is still being looked up */
    POSTERN_LINK_BORROWING,
    POSTERN_LINK_IDENTIFYING,
    POSTERN_LINK_OPEN, /* it has MAIL, and has or gets the recipients */
    POSTERN_LINK_OWN,  /* it serves this client's login, and has or gets no transaction */
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
} PosternMessageRate;

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
    gint64 started, data_from, data_until, decided_at, replied_at; /* the latter ones: 0, not yet */
    GPtrArray *recipients;                                         /* of PosternRecipient * */
    guint accepted;
    GQueue sent; /* of PosternRecipient *, in the order of the back-end's replies */
    PosternCase *mail_case;
    const PosternProxyGroup *group;    /* where it goes, once a recipient has been asked about, or NULL */
    const PosternPolicy *asked_policy; /* of the recipient that the back-end was asked about last */
    GString *dsn_parameters;           /* of MAIL, with a leading space each, for the back-end */
    char *auth_parameter;              /* of MAIL AUTH=, or NULL */
    gboolean dsn_dropped;              /* the back-end did not get those of DSN */
    gboolean body_given;               /* BODY= */
    guint needed;                      /* mask of PosternCapability that MAIL and RCPT have used */
    guint64 declared_size;             /* SIZE=, or 0 */
    PosternReply *mail_refusal;        /* the back-end's, for every RCPT */
    gint64 backend_wait_ms;            /* that it has waited for a connection, in all */
    char *server, *server_queue, *server_tls; /* where it goes, what that calls it, its TLS; or NULL */
    char *failure;                            /* why it can only end in 451, for the log */
    guint unanswered;                         /* recipients that the client awaits an answer for */
    guint attempts;                           /* back-ends lost before they had the message */
    PosternBudget *budget;                    /* what it is charged to */
    guint64 charged, reserved;                /* octets of that: for recipients, and before the first came */
    PosternTransfer *transfer;                /* if it takes much of that, or NULL */
    PosternMessageRate rate;
    guint repeats;   /* times that MAIL and RCPT were told anew */
    gboolean chunks; /* it comes by BDAT */
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

/* The dialogue of an AUTH. */
typedef struct {
    char *line;           /* what the back-end is to hear first, or NULL; may hold credentials: wiped */
    char *user;           /* who logs in, if it could be read, or NULL */
    guint mechanism;      /* as wire/sasl.h has it */
    guint responses;      /* of the client */
    gboolean asks_client; /* the client is to answer a 334 */
    gboolean cancelled;   /* by the client */
    gboolean lost;        /* the back-end was lost while the client is asked */
} PosternLogin;

/* What follows a BDAT. */
typedef struct {
    guint64 octets;
    guint64 left; /* of them, that have not come */
    gboolean last;
    char *refusal; /* of this one, with CRLF; or NULL */
} PosternChunk;

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
    guint refusals_generation; /* when it was assigned (proxy/servers/refusals.h) */
    PosternHold hold;
    gint64 borrows_since;            /* BORROWING: when it has asked */
    PosternLogin *login;             /* AUTHENTICATING, else NULL */
    char *query;                     /* ASKING: what, with CRLF; else NULL */
    PosternTransaction *transaction; /* from MAIL on, or NULL */
    PosternChunk chunk;
    const char *leaving; /* static: why the client is let go after its message, or NULL */
    const char *ended;   /* why, for the closing line; static. Before CLOSING: nobody hears what is said. */
    PosternTurn our_turn;
    PosternScreen *screen;  /* its client's, who owns it; or NULL */
    gboolean greets;        /* the reply to HELO or EHLO has not left */
    gboolean pipelines;     /* it was noted that it sends commands ahead, until all replies have left */
    gboolean checks_client; /* CHECK_CLIENT is to be answered: nothing is read, and nothing said */
    PosternFindings *client_findings; /* its answer, for one decision or for the recipients; or NULL */
    char *tls;                        /* "TLSv1.3 TLS_AES_256_GCM_SHA384", or NULL */
    char *tls_name;                   /* that the client has asked for, or NULL */
    char *tls_client;                 /* whose certificate it has, or NULL */
    gboolean tls_resumed;
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

/* The 220 of a session that begins, at the connection or after an XCLIENT; or what refuses its client. */
void postern_session_greet(PosternSession *session, gint64 now);
/* Starts filter_timeout, if this is a filter and somebody waits for an answer. */
void postern_session_expect_answer(PosternSession *session, gint64 now);

/* With nothing but what any has, to be filled; settings: a reference is taken. */
PosternSession *postern_session_alloc(PosternProxySettings *settings);

/* park.c */
void postern_session_core_clear(PosternSessionCore *core);

/* client_identity.c */
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
/* TRUE if so many refusals more would be as many as [proxy] max_refused_recipients. */
gboolean postern_session_may_guess_no_more(const PosternSession *session, guint more);
/* FALSE: it must wait (its answer would overtake those before it). */
gboolean postern_session_rcpt(PosternSession *session, const PosternCommand *command, gint64 now);
/* Frees it, and gives back what it is charged; none is allowed. */
void postern_session_drop_transaction(PosternSession *session);

/* capabilities.c */
/* What the mail server behind does otherwise than others. */
const PosternManners *postern_session_manners(const PosternSession *session);
/* What addresses and commands may look like, a mask of PosternPathSyntax. */
guint postern_session_path_syntax(const PosternSession *session);
/* The largest message that is taken: ours, or the back-end's less room for our header fields. */
guint64 postern_session_size_limit(const PosternSession *session);
/* The most recipients of one message. */
guint postern_session_recipient_limit(const PosternSession *session);
/* Whether EHLO announces it: policy, and what the back-ends announce. */
gboolean postern_session_offers(const PosternSession *session, PosternCapability capability);
/* The whole reply to EHLO; a new string. */
char *postern_session_ehlo_reply(const PosternSession *session);

/* parameters.c */
/* The parameters of MAIL into transaction. NULL, or why they or the path are refused: "CODE X.Y.Z text",
 * static. */
const char *postern_session_take_mail_parameters(const PosternSession *session,
                                                 PosternTransaction *transaction,
                                                 const PosternCommand *command);
/* Those of RCPT into recipient, likewise. */
const char *postern_session_take_recipient_parameters(const PosternSession *session,
                                                      const PosternCommand *command,
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
/* The message of the transaction is to come, by chunks or until its dot. NULL, or why it may not: "CODE X.Y.Z
 * text", static. */
const char *postern_session_begin_message(PosternSession *session, gboolean chunks, gint64 now);
/* TRUE if what has come of the message is refused whatever follows: the reply is in its case. */
gboolean postern_session_refuses_octets(PosternSession *session);
/* All of it has come. */
void postern_session_end_message(PosternSession *session, gint64 now);
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

/* chunk.c */
/* refusal: why it is refused by what came before it, or NULL. */
void postern_session_bdat(PosternSession *session, const PosternCommand *command, const char *refusal,
                          gint64 now);
gsize postern_session_receive_chunk(PosternSession *session, const char *octets, gsize length, gint64 now);

/* query.c */
/* Whether the back-end answers such a command, for this client. */
gboolean postern_session_may_query(const PosternSession *session, PosternCapability capability);
void postern_session_query(PosternSession *session, const PosternCommand *command, gint64 now);
/* The back-end knows of the client. */
void postern_session_query_identified(PosternSession *session, gint64 now);
void postern_session_query_answered(PosternSession *session, const PosternReply *reply, gint64 now);
void postern_session_query_failed(PosternSession *session, gint64 now);

/* verdict.c */
/* The sender is known: the inspection begins. */
void postern_session_begin_inspection(PosternSession *session);
/* octets begin with a header that is whole: the case looks at it. */
void postern_session_read_header(PosternSession *session, const char *octets, gsize length);
/* Once the header is whole, its questions are asked while the body still comes. */
void postern_session_look_for_header(PosternSession *session);
/* The message is whole and sealed. */
void postern_session_inspect(PosternSession *session, gint64 now);

/* server_replies.c */
/* A 451, for want of a server. */
extern const char postern_session_no_server_reply[];
/* A back-end's reply as the client gets it, with CRLF; a new string. */
char *postern_session_reply_for_client(const PosternReply *reply);
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
/* The group of servers that its transaction goes to, or that is asked what is of none. */
const PosternProxyGroup *postern_session_group(const PosternSession *session);
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

/* screen.c */
/* The client gave reason for suspicion. */
void postern_session_note(PosternSession *session, PosternReason reason, gint64 now);
/* It has done number times what its class limits. */
void postern_session_count(PosternSession *session, PosternClientCount what, guint number, gint64 now);
/* The screen hears whose session it is: that of a server in front, or of the client that it has named. */
void postern_session_tell_screen(PosternSession *session, gint64 now);
/* It was refused a recipient for good. */
void postern_session_count_refused_address(PosternSession *session, gint64 now);
/* It fell silent in the middle of a message, or sent it too slowly. */
void postern_session_note_timeout(PosternSession *session, gint64 now);
/* TRUE if the client, who wants one more of MESSAGES or RECIPIENTS, is to be refused; what of it passes that
 * is only observed. */
gboolean postern_session_is_over_limit(PosternSession *session, PosternClientCount what, gint64 now,
                                       PosternScreenRefusal *ret_refusal);
/* TRUE if the client had to go: it has heard why. */
gboolean postern_session_lets_suspect_go(PosternSession *session, gint64 now);
/* A command has come: before the reply to the last one only if PIPELINING was offered (RFC 2920 3.1). */
void postern_session_note_command(PosternSession *session, gint64 now);
/* TRUE if what is known of the client may refuse it at that stage, and is being asked for: wait. */
gboolean postern_session_awaits_client(PosternSession *session, PosternRefuseAt stage);
/* The reply that refuses the client, for recipient or (NULL) for all, "550 5.7.1 text", a new string; NULL:
 * nothing does. With observe it is noted, and NULL. */
char *postern_session_client_refusal(PosternSession *session, const char *recipient);
/* What is known of the client is of no more use. */
void postern_session_forget_client(PosternSession *session);
/* The back-end has taken the message. */
void postern_session_praise(PosternSession *session, gint64 now);

/* log.c */
/* The id of the message, or of the session if there is no transaction; owned by session. */
const char *postern_session_id(const PosternSession *session);
/* "CODE X.Y.Z text\r\n"; a 4xx or 5xx gets that id. */
void postern_session_reply(PosternSession *session, guint code, const char *enhanced, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* "CODE X.Y.Z text" as postern_session_reply() would say it; a new string. */
char *postern_session_finish_reply(PosternSession *session, const char *reply);
/* The same as if a server had said it; a new one. */
PosternReply *postern_session_own_reply(PosternSession *session, const char *reply);
/* The same for a mistake of the client's: counted, and too many end the session. */
void postern_session_error(PosternSession *session, gint64 now, guint code, const char *enhanced,
                           const char *text);
/* "CODE X.Y.Z text", of which a 5xx is counted; mistake: as for postern_session_count_error(). */
void postern_session_refuse(PosternSession *session, const char *refusal, gboolean mistake, gint64 now);
/* What TLS is to its client. */
PosternTls postern_session_tls_level(const PosternSession *session);
/* Whether mode = observe: what can pass does. */
gboolean postern_session_observes(const PosternSession *session);
/* With mode = observe the message, or without one the session, passes all the same; its line says so. */
void postern_session_would_refuse(PosternSession *session, const char *reply);
/* Counts a refusal of ours that the client has heard; mistake: of what RFC 5321 does not let it say. */
void postern_session_count_error(PosternSession *session, gboolean mistake, gint64 now);
/* The line of a recipient that was refused with reply by "proxy" or "backend" (NULL: accepted); argument: of
 * RCPT, if no path could be read. */
void postern_session_log_refusal(PosternSession *session, const PosternRecipient *recipient,
                                 const char *argument, const char *by, const char *reply);
/* The line of a login that failed: user, or NULL. */
void postern_session_log_login(PosternSession *session, const char *user, const char *reply);
/* The line of a message whose MAIL was refused. */
void postern_session_log_refused_sender(PosternSession *session, const PosternCommand *command,
                                        const char *reply);
void postern_session_log_message(PosternSession *session, const char *reply, gint64 now);
void postern_session_log_end(PosternSession *session, gint64 now);
