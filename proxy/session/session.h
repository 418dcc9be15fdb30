/*
 * One client's SMTP session (RFC 5321), a state machine without sockets: octets of the client, events of its
 * back-end, verdicts and the clock go in; octets for the client and actions come out. So a simulation can run
 * a million of them, and a fuzzer reaches every state.
 *
 * The journey of a message: MAIL is answered by us. The first RCPT borrows a back-end, which then gives the
 * answers to RCPT. DATA is answered by us, and the message gathered. At the dot it is inspected and judged.
 * Refused: our reply, and the back-end's transaction is reset. Accepted: DATA, message and dot go to the
 * back-end, and the client's reply is the back-end's. A client gets 2xx for a message only in that one place.
 *
 * If nothing is inspected, a message of a fast client that is larger than [proxy] burst_size is streamed: the
 * back-end gets DATA while it still comes, and of what comes only that is kept which the back-end has not
 * taken. If that goes wrong the rest is taken and dropped, and the reply at the dot says so.
 */
#pragma once

#include <glib.h>

#include "base/identifier.h"
#include "base/limits.h"
#include "base/log.h"
#include "capsule/capsule.h"
#include "mail/message.h"
#include "proxy/screen/screen.h"
#include "proxy/servers/backend.h"
#include "proxy/session/transit.h"
#include "proxy/settings/settings.h"
#include "verdict/verdict.h"

typedef enum {
    POSTERN_SESSION_COMMAND,        /* waits for commands, or for the back-end's answers to RCPT */
    POSTERN_SESSION_STARTING_TLS,   /* STARTTLS has come: nothing is read until TLS has begun */
    POSTERN_SESSION_AUTHENTICATING, /* AUTH has come: its dialogue with the back-end runs (RFC 4954 4) */
    POSTERN_SESSION_ASKING,         /* the back-end is asked what is no part of a message: VRFY … */
    POSTERN_SESSION_DATA,           /* the message comes in */
    POSTERN_SESSION_CHUNK,          /* octets of BDAT come in, whether they are taken or not */
    POSTERN_SESSION_BETWEEN_CHUNKS, /* waits for a command, most likely the next BDAT */
    POSTERN_SESSION_INSPECTING,     /* the verdict is awaited */
    POSTERN_SESSION_DELIVERING,     /* the back-end gets the message */
    POSTERN_SESSION_CLOSING,        /* the last reply is on its way; nothing more is read or done */
    POSTERN_SESSION_PARKED,         /* no session's, but that of a client who has none meanwhile */
} PosternSessionState;
G_STATIC_ASSERT(POSTERN_SESSION_PARKED + 1 == POSTERN_STATES_COUNTED);

/* Its name in the log and among the counters, static. */
const char *postern_session_state_name(PosternSessionState state);
/* After postern_proxy_settings_keep(): each state has its place among their counters. */
void postern_session_place_states(PosternProxySettings *settings);
/* One session more, or less (change: 1, -1), is in that state. */
void postern_session_count_state(const PosternProxySettings *settings, PosternSessionState state, int change);

typedef enum {
    POSTERN_SESSION_BORROW,           /* a back-end: borrowed() or borrow_failed() answers */
    POSTERN_SESSION_BORROW_CANCEL,    /* no more */
    POSTERN_SESSION_OFFER,            /* the back-end is used slowly: others may need it; recalled() then */
    POSTERN_SESSION_RETURN,           /* done with the back-end; it may still be answering RSET */
    POSTERN_SESSION_ABANDON,          /* close the back-end's connection as it is, without its dot */
    POSTERN_SESSION_SEND_MESSAGE,     /* message or transit with edits, then the dot, to the back-end;
                                         postern_backend_message_sent() */
    POSTERN_SESSION_LOOK_UP_NAME,     /* of the client in the envelope: client_name() answers; a look-up that
                                         runs is of no more interest */
    POSTERN_SESSION_CHECK_CLIENT,     /* that of the envelope: client_checked() answers */
    POSTERN_SESSION_INSPECT_ENVELOPE, /* the sender is known: SPF may start; checks */
    POSTERN_SESSION_INSPECT_ORIGIN,   /* envelope: the client that a trusted relay had the message from */
    POSTERN_SESSION_INSPECT_HEADER,   /* message holds a header block: DKIM's questions may start */
    POSTERN_SESSION_INSPECT_MESSAGE, /* message is whole: inspected() answers; checks that are still wanted */
    POSTERN_SESSION_INSPECT_CANCEL,  /* the inspection is of no more interest; none runs after it */
    POSTERN_SESSION_KEEP,            /* capsule lacks what the inspection went by; then it is to be kept */
    POSTERN_SESSION_START_TLS,       /* answer_starttls(), and with its 220 tls_begins() */
    POSTERN_SESSION_LOG,             /* write line */
    POSTERN_SESSION_CLOSE,           /* send what is to be sent, then close */
} PosternSessionActionKind;

typedef struct {
    PosternSessionActionKind kind;
    const PosternProxyGroup *group; /* BORROW: of the settings */
    PosternMessage *message;        /* INSPECT_HEADER, INSPECT_MESSAGE, SEND_MESSAGE: owned by the action */
    PosternTransit *transit;        /* SEND_MESSAGE without inspection: likewise */
    PosternEnvelope *envelope;      /* INSPECT_ORIGIN: owned by the action */
    PosternChecks checks;           /* INSPECT_ENVELOPE, INSPECT_MESSAGE */
    PosternClientHistory history;   /* INSPECT_ENVELOPE: of its client */
    PosternEdits *edits;            /* SEND_MESSAGE: owned by the action; NULL: none */
    PosternCapsule *capsule;        /* KEEP: owned by the action */
    PosternLogLine *line;           /* LOG: owned by the action */
} PosternSessionAction;

/* Frees what the action owns (not the struct). */
void postern_session_action_clear(PosternSessionAction *action);

typedef struct PosternSession PosternSession;

/*
 * A client has connected; its greeting, or that it may not be here, is in the output. submission: it came in
 * where users who have logged in come from ([proxy] submission_listen). now: monotonic milliseconds, here and
 * below.
 */
PosternSession *postern_session_new(PosternProxySettings *settings, const PosternAddress *client,
                                    gboolean submission, gint64 now);
void postern_session_free(PosternSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternSession, postern_session_free)

/*
 * What is left of a session while its client waits for its greeting or is to speak: what it remembers, in as
 * few octets as hold it; elsewhere only if names are long. To be embedded; only the functions below look into
 * it.
 */
typedef union {
    guint8 *elsewhere;
    struct {
        guint8 here[POSTERN_PARKED_SESSION_OCTETS];
        guint8 is_elsewhere;
    };
} PosternParkedSession;

/* If nothing of the session is under way (a transaction, a part of a line, an action, output that was not
 * taken), it is freed, and *ret_parked what is left of it; FALSE, and nothing is done, at any other time. */
gboolean postern_session_park(PosternSession *session, PosternParkedSession *ret_parked);
/* The session goes on as if it had never been parked; what parked holds is taken over. settings are those
 * that it began with; the budget and the capabilities are to be set as for a new one. */
PosternSession *postern_session_resume(PosternProxySettings *settings, PosternParkedSession *parked);
/* Frees what it holds, if it was not resumed. */
void postern_parked_session_clear(PosternParkedSession *parked);

/*
 * Octets that came from the client. Returns how many were taken: fewer than length while the session waits
 * for something else; they are to be given again after the next event.
 */
gsize postern_session_receive(PosternSession *session, const char *octets, gsize length, gint64 now);

/*
 * TRUE while the output holds the greeting, or the 354 of DATA: a client speaks only after it has heard them
 * (RFC 5321 3.1, 3.3). What comes before is counted, and told in the closing line. To be called before each
 * sending; our_turn_ends() follows: early says whether octets of the client have come already.
 */
gboolean postern_session_has_our_turn(const PosternSession *session);
void postern_session_our_turn_ends(PosternSession *session, gboolean early, gint64 now);

/* TRUE while the output holds the greeting. */
gboolean postern_session_is_greeting(const PosternSession *session);
/* The client spoke while its greeting, which was taken, was held back. */
void postern_session_spoke_early(PosternSession *session, gint64 now);
/* What was taken is held back: that the client is silent meanwhile, or sends none of its message, is no
 * fault. */
void postern_session_hears_slowly(PosternSession *session);
/* The client has heard all that was taken: its time to speak begins. */
void postern_session_has_heard(PosternSession *session, gint64 now);

/* TRUE while the message is on its way to the back-end although its client still sends: what receive() took
 * is to be sent at once, for only until settle() it need not be kept. */
gboolean postern_session_is_streaming(const PosternSession *session);
void postern_session_settle(PosternSession *session, gint64 now);

/*
 * After START_TLS: the reply to STARTTLS (RFC 3207 4) is in the output. early: octets of the client have come
 * behind the command, which nobody knows who said (CVE-2011-0411): they are thrown away, and the session
 * ends.
 */
void postern_session_answer_starttls(PosternSession *session, gboolean early, gint64 now);
/* All that the client says is protected from now on, and nothing that it said before holds; of a client with
 * TLS from the first octet on, at once. */
void postern_session_tls_begins(PosternSession *session, gint64 now);
/* It comes through a balancer, with which its client may speak TLS; greeted: it has heard the greeting
 * already. Before any octet of it. */
void postern_session_set_balanced(PosternSession *session, gboolean tls, gboolean greeted);
/* For the closing lines, once the handshake is done. */
void postern_session_set_tls(PosternSession *session, const PosternTlsFacts *facts);

/* TRUE while a message comes in, or its next chunk is waited for. */
gboolean postern_session_is_in_message(const PosternSession *session);

/* TRUE while the back-end's answers to RCPT are due to the client. */
gboolean postern_session_awaits_answers(const PosternSession *session);

/* FALSE while octets of the client would not be taken: there is no use in reading any. */
gboolean postern_session_wants_input(const PosternSession *session);

/* The client is gone, or says no more and hears what is in the output. */
void postern_session_client_closed(PosternSession *session, gint64 now);

/* The client's verified name (NULL: it has none), or that it could not be looked up now. To be called once
 * after each LOOK_UP_NAME: no back-end is told of a client before. */
void postern_session_client_name(PosternSession *session, const char *name, gboolean temporary, gint64 now);

/* What its client's address is called, verified or not, or NULL: nothing, or it could not be looked up. Just
 * before client_name(). */
void postern_session_client_reverse_name(PosternSession *session, const char *name);

/* What CHECK_CLIENT has found; findings are taken over. */
void postern_session_client_checked(PosternSession *session, PosternFindings *findings, gint64 now);

/* Where its client has connected to, for the back-end. Before any octet of it. */
void postern_session_set_server(PosternSession *session, const PosternAddress *server);

/* What its messages and recipients are charged to, instead of the settings' budget (a reference is taken).
 * Before any. */
void postern_session_set_budget(PosternSession *session, PosternBudget *budget);
/* The same, owned by the session. */
PosternBudget *postern_session_budget(const PosternSession *session);

/* What its client is told to, and asked; the caller's, which outlives the session. Before any octet of it. */
void postern_session_set_screen(PosternSession *session, PosternScreen *screen);

/* What the back-ends announce, for EHLO. Until the first call only what needs none of them is announced, and
 * 8BITMIME. */
void postern_session_set_capabilities(PosternSession *session, const PosternEhlo *ehlo);

/* backend (IDLE, owned by the caller, valid until RETURN, ABANDON or its FAILED event) serves this session;
 * if it wants none any more, RETURN follows. refusals: of those that are remembered of its group, the
 * generation when it was assigned (proxy/servers/refusals.h). */
void postern_session_borrowed(PosternSession *session, PosternBackend *backend, guint refusals, gint64 now);
/* After OFFER: somebody needs the back-end. RETURN follows, at once or when it has nothing to do. */
void postern_session_recalled(PosternSession *session, gint64 now);
/* For whom BORROW is: a number that is the same for all that count as one client, or
 * POSTERN_FAIR_QUEUE_NOBODY if it is a server that tells of no client. */
guint64 postern_session_client_number(const PosternSession *session);
/* What its group balances by, if it does so by a hash: the same number for who is to be served by the same
 * server. */
guint64 postern_session_balance_key(const PosternSession *session);
/* Whether BORROW is for a client that had to give a back-end back since its last message: it kept others
 * waiting, and is served after those who did not. */
gboolean postern_session_is_slow(const PosternSession *session);
/* None can be had; reason is for the log. */
void postern_session_borrow_failed(PosternSession *session, const char *reason, gint64 now);
/* An event of the borrowed back-end; not taken over. */
void postern_session_backend_event(PosternSession *session, const PosternBackendEvent *event, gint64 now);

/*
 * The verdict for the message of INSPECT_MESSAGE is made from findings (not taken over); problem (or NULL) is
 * what could not be done, for the log.
 */
void postern_session_inspected(PosternSession *session, const PosternFindings *findings, const char *problem,
                               gint64 now);

/* Let the client go with 421 and text (static): now if it is idle, else after its message. */
void postern_session_let_go(PosternSession *session, const char *text, gint64 now);
/* There is no room for octets more of it: TRUE if somebody slower goes for it, so that it may try again. */
gboolean postern_session_make_room(PosternSession *session, guint64 octets, gint64 now);
/* Its message may have to go for another (proxy/screen/transfers.h): TRUE if the client does, with
 * 421. */
gboolean postern_session_heed_room(PosternSession *session, gint64 now);
/* Its message is read slowly for others: it does not come too slowly for that. */
void postern_session_waits_for_others(PosternSession *session);
/* The screen of its client may say now that it has to go: it does, once it has the answer it waits for. */
void postern_session_turn_away(PosternSession *session, gint64 now);
/* Let the client go at once with 421 and text, whatever it does. */
void postern_session_end(PosternSession *session, const char *text, gint64 now);

/* The deadline has passed: the client, or what was awaited for it, has had its time. */
void postern_session_timer(PosternSession *session, gint64 now);
/* When postern_session_timer() is to be called; G_MAXINT64: never. */
gint64 postern_session_deadline(const PosternSession *session);

/* What a session waits for that may be let go in favour of another client. */
typedef enum {
    POSTERN_SESSION_WAITS_NOT,         /* it is at work, or its client is a trusted server */
    POSTERN_SESSION_WAITS_FOR_BACKEND, /* for its turn */
    POSTERN_SESSION_WAITS_IN_MESSAGE,  /* for its client, in the middle of a message */
    POSTERN_SESSION_WAITS_IDLE,        /* for its client, which has not begun one */
} PosternSessionWait;

/* What it waits for now. */
PosternSessionWait postern_session_wait(const PosternSession *session);
/* Its id, owned by the session. */
const PosternIdentifier *postern_session_identifier(const PosternSession *session);
/* What is known of client and message, owned by the session; changes with every event. The client is the one
 * that XCLIENT or XFORWARD tell of, if they do. */
const PosternEnvelope *postern_session_envelope(const PosternSession *session);

/* The tables that all sessions go by: states, what is answered to each command at each stage of a mail, and
 * what comes of each reply of a back-end; a new string, a line for each, with tabs between. */
char *postern_session_describe(void);

/* Octets for the client; the caller sends and empties it. */
GString *postern_session_output(PosternSession *session);
/* The next action: TRUE and *ret_action (clear it), or FALSE: none. */
gboolean postern_session_next_action(PosternSession *session, PosternSessionAction *ret_action);
