/*
 * The dialogue with a back-end on one connection, from its greeting to QUIT: a state machine without I/O.
 *
 * In: octets that came, commands of its user (a session, or the relay probe), the clock. Out: octets to send
 * (postern_backend_output) and events for the user (postern_backend_next_event). Commands are pipelined if
 * the back-end allows it (RFC 2920); no octet of a message is asked for before its own 354.
 *
 *   CONNECTING -> GREETING -> EHLO -> IDLE
 *   EHLO -> (its 220 to STARTTLS) STARTING_TLS, where EHLO is said again -> IDLE
 *   IDLE -> identify: IDENTIFYING (XCLIENT or XFORWARD) -> IDLE
 *   CONNECTING -> IDLE -> identify: GREETING (behind a PROXY header) -> EHLO -> IDLE
 *   IDLE -> query: ENVELOPE -> IDLE; ENVELOPE -> query -> ENVELOPE
 *   IDLE -> authenticate: AUTHENTICATING -> (334, authenticate again)* -> IDLE
 *   IDLE -> mail, recipient…, data: ENVELOPE -> (354) SENDING -> (dot) DATA_END -> IDLE
 *   IDLE, ENVELOPE -> reset: ENVELOPE -> IDLE
 *   IDLE, ENVELOPE -> quit: QUITTING -> CLOSED
 */
#pragma once

#include <glib.h>

#include "base/configuration.h"
#include "mail/envelope.h"
#include "proxy/tls/context.h"
#include "wire/ehlo.h"
#include "wire/reply.h"

typedef enum {
    POSTERN_BACKEND_CONNECTING,
    POSTERN_BACKEND_GREETING,
    POSTERN_BACKEND_EHLO,         /* or STARTTLS */
    POSTERN_BACKEND_STARTING_TLS, /* until the reply to the EHLO that is protected */
    POSTERN_BACKEND_IDLE,         /* greeted, no transaction */
    POSTERN_BACKEND_IDENTIFYING,
    POSTERN_BACKEND_AUTHENTICATING, /* from AUTH to a reply that is no 334 */
    POSTERN_BACKEND_ENVELOPE,       /* from MAIL to the reply to DATA */
    POSTERN_BACKEND_SENDING,        /* after its 354, until the dot */
    POSTERN_BACKEND_DATA_END,       /* the dot is out: delivery is unknown until the reply */
    POSTERN_BACKEND_QUITTING,
    POSTERN_BACKEND_CLOSED,
} PosternBackendState;

/* "greeting", "data-end" …, for logs. */
const char *postern_backend_state_name(PosternBackendState state);
/* TRUE if it was greeted, and nothing of a message has gone out: what was lost can be told to another. */
gboolean postern_backend_is_before_data(PosternBackendState state);

typedef enum {
    POSTERN_BACKEND_START_TLS,   /* postern_backend_tls_begins() */
    POSTERN_BACKEND_READY,       /* greeted; capabilities are known */
    POSTERN_BACKEND_IDENTIFIED,  /* it has been told who the client is */
    POSTERN_BACKEND_QUERY_REPLY, /* reply; the state is IDLE */
    POSTERN_BACKEND_AUTH_REPLY,  /* reply: 334 awaits another line; after any other the state is IDLE */
    POSTERN_BACKEND_MAIL_REPLY,  /* reply */
    POSTERN_BACKEND_RCPT_REPLY,  /* reply; one for each recipient, in order */
    POSTERN_BACKEND_DATA_REPLY,  /* reply; after a 354 the state is SENDING */
    POSTERN_BACKEND_FINAL_REPLY, /* reply to the dot; of an LMTP server what comes of all of them */
    POSTERN_BACKEND_RESET_DONE,  /* RSET was answered with 2xx: IDLE */
    POSTERN_BACKEND_FAILED,      /* of no more use; text says why. The last event. */
    POSTERN_BACKEND_ENDED,       /* after quit: it answered, closed, or had its time.
                                    The last event. */
} PosternBackendEventKind;

/* Whose trouble a failure is. */
typedef enum {
    POSTERN_BACKEND_FAULT_LOST,   /* of this connection: closed, late, no SMTP, busy */
    POSTERN_BACKEND_FAULT_SETUP,  /* of every client: it does not take what the administrator set up (promise
                                     7) */
    POSTERN_BACKEND_FAULT_TLS,    /* TLS fails with it: another connection may do without */
    POSTERN_BACKEND_FAULT_DEMAND, /* it demands TLS or a login of us (530); maybe of every client */
    POSTERN_BACKEND_FAULT_CLIENT, /* it refused the client that it was told of: the reply is the client's */
} PosternBackendFault;

typedef struct {
    GList link; /* in the back-end's queue */
    PosternBackendEventKind kind;
    PosternReply *reply; /* the *_REPLY events; FAILED if it was the reason (CLIENT: 4yz or 5yz); ENDED if it
                            is the 221 to QUIT, with which the server's side is over; else NULL */
    gboolean partial;    /* FINAL_REPLY: it refuses, but some of the recipients have the message */
    char *text;          /* FAILED: why, printable ASCII */
    PosternBackendFault fault;  /* FAILED */
    PosternBackendState during; /* FAILED: the state it failed in */
} PosternBackendEvent;

void postern_backend_event_free(PosternBackendEvent *event);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternBackendEvent, postern_backend_event_free)

typedef struct {
    guint64 number;       /* of the connection, for the log */
    const char *hostname; /* for EHLO; outlives the back-end */
    const char *server;   /* its name, or NULL; likewise */
    PosternClientAddress client_address;
    guint software;        /* 0: as it greets, else 1 + PosternMailServer */
    guint lmtp_recipients; /* it speaks LMTP (RFC 2033), and gets so many of a message; 0: it speaks SMTP */
    PosternTls tls;        /* RFC 3207; VERIFY is as ENCRYPT here: who carries the octets verifies */
    guint connect_timeout_ms;
    guint timeout_ms;          /* for each reply but the last */
    guint data_end_timeout_ms; /* for the reply to the dot */
} PosternBackendOptions;

/* What a back-end is told of a client. */
typedef struct {
    const PosternEnvelope *envelope; /* its client, client_name, helo, esmtp and login */
    gboolean name_temporary;         /* the name could not be looked up now */
    const char *reverse_name;        /* what its address is called, verified or not, or NULL */
    gboolean reverse_temporary;      /* that could not be looked up now */
    PosternAddress server;           /* where it has connected to; AF_UNSPEC: not known */
    gboolean greeted;                /* it said EHLO or HELO, or the server in front of it did */
    gboolean extensions;    /* it uses SMTP extensions although it said HELO: the back-end gets an EHLO */
    const char *identifier; /* what the server in front calls the message; NULL: envelope->session */
    gboolean local;         /* its mail is the server's own (XFORWARD SOURCE) */
    const char *session;    /* the id of its session, or NULL; this and the rest for PROXY */
    gboolean tls;
    const char *tls_version; /* and cipher behind a space; or NULL */
} PosternBackendClient;

typedef struct PosternBackend PosternBackend;

/* A connection that is being made; now is monotonic, in milliseconds, here and below. */
PosternBackend *postern_backend_new(const PosternBackendOptions *options, gint64 now);
void postern_backend_free(PosternBackend *backend);

/* In place of options.tls, before the connection is made. */
void postern_backend_set_tls_level(PosternBackend *backend, PosternTls level);
/* Waits so long for replies from now on: a connection outlives the settings that it was opened under. */
void postern_backend_set_timeouts(PosternBackend *backend, guint timeout_ms, guint data_end_timeout_ms);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternBackend, postern_backend_free)

/* What happens to the connection. */
void postern_backend_connected(PosternBackend *backend, gint64 now);
void postern_backend_receive(PosternBackend *backend, const char *octets, gsize length, gint64 now);
/*
 * After START_TLS: what is received was, and what is in the output is to be, protected. early: octets have
 * come behind the 220 that nobody knows who said (RFC 3207 6): FAILED follows.
 */
void postern_backend_tls_begins(PosternBackend *backend, gboolean early, gint64 now);
/* What was agreed upon, for the log; and again in words: NULL, no TLS. */
void postern_backend_set_tls(PosternBackend *backend, const PosternTlsFacts *facts);
const char *postern_backend_tls(const PosternBackend *backend);
/* The name of its server, or NULL. */
const char *postern_backend_server(const PosternBackend *backend);
/* It failed; problem: in words. FAILED follows. */
void postern_backend_tls_failed(PosternBackend *backend, const char *problem);
/* It was closed, or could not be made; reason (system's words) or NULL: end of file. */
void postern_backend_closed(PosternBackend *backend, const char *reason, gint64 now);
/* The deadline has passed. */
void postern_backend_timer(PosternBackend *backend, gint64 now);
/* When postern_backend_timer is to be called; G_MAXINT64: never. */
gint64 postern_backend_deadline(const PosternBackend *backend);

/* What its user wants. Each is allowed only as the picture above says; once CLOSED, while FAILED may still
 * wait among the events, each does nothing. */

/*
 * Who the client is: all attributes that the back-end has announced. IDLE only; ends in IDENTIFIED or FAILED.
 * client is not kept. A client that said HELO is told by HELO (RFC 5321 4.1.1.1), so that the back-end takes
 * it for one; then nothing is pipelined, and the connection serves nobody else.
 */
void postern_backend_identify(PosternBackend *backend, const PosternBackendClient *client, gint64 now);
/* line: a command with its CRLF that has one reply, and begins nothing (RFC 5321 4.1.1.6 to 4.1.1.8, RFC
 * 1985). The connection serves nobody else afterwards.
 */
void postern_backend_query(PosternBackend *backend, const char *line, gint64 now);
/*
 * A line of RFC 4954 4, without its CRLF, wiped after use: AUTH itself, or the client's answer to a 334. A
 * connection that has carried one serves nobody else; once a login has succeeded on it, identify() tells what
 * is of the next message alone (XFORWARD).
 */
void postern_backend_authenticate(PosternBackend *backend, const char *line, gint64 now);
/* parameters: with a leading space each, or "". */
void postern_backend_mail(PosternBackend *backend, const char *sender, const char *parameters, gint64 now);
void postern_backend_recipient(PosternBackend *backend, const char *recipient, const char *parameters,
                               gint64 now);
void postern_backend_data(PosternBackend *backend, gint64 now);
/* Some octets of the message have been sent: the deadline starts again; waits: all that there are, so that
 * none runs until the next. */
void postern_backend_progress(PosternBackend *backend, gboolean waits, gint64 now);
/* The last octet of the message and its dot have been handed over for sending. */
void postern_backend_message_sent(PosternBackend *backend, gint64 now);
/* Forgets the transaction; replies to what was sent are dropped. Until RESET_DONE nothing but quit may
 * follow. */
void postern_backend_reset(PosternBackend *backend, gint64 now);
/* Ends the dialogue politely; ENDED follows. From IDLE or ENVELOPE. */
void postern_backend_quit(PosternBackend *backend, gint64 now);

/* Where the dialogue stands. */
PosternBackendState postern_backend_state(const PosternBackend *backend);
/* What it announced last; no capabilities if the client that it was told of said HELO. */
const PosternEhlo *postern_backend_ehlo(const PosternBackend *backend);
/* TRUE if the connection may serve another client: the back-end can be told of a new one. */
gboolean postern_backend_is_reusable(const PosternBackend *backend);

/* Appends what comes of each kind of reply to each command, a line each: command, code and outcome, with tabs
 * between. */
void postern_backend_describe(GString *out);

/* Octets to be sent now; the caller sends and empties it. */
GString *postern_backend_output(PosternBackend *backend);
/* The next event, the caller's; NULL: none. */
PosternBackendEvent *postern_backend_next_event(PosternBackend *backend);
