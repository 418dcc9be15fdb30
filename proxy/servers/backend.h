/*
 * The dialogue with a back-end on one connection, from its greeting to QUIT: a state machine without I/O.
 *
 * In: octets that came, commands of its user (a session, or the relay probe), the clock. Out: octets to send
 * (postern_backend_output) and events for the user (postern_backend_next_event). Commands are pipelined if
 * the back-end allows it (RFC 2920); no octet of a message is asked for before its own 354.
 *
 *   CONNECTING -> GREETING -> EHLO -> IDLE
 *   IDLE -> identify: IDENTIFYING (XCLIENT or XFORWARD) -> IDLE
 *   IDLE -> mail, recipient…, data: ENVELOPE -> (354) SENDING -> (dot) DATA_END -> IDLE
 *   IDLE, ENVELOPE -> reset: ENVELOPE -> IDLE
 *   IDLE, ENVELOPE -> quit: QUITTING -> CLOSED
 */
#pragma once

#include <glib.h>

#include "base/configuration.h"
#include "mail/envelope.h"
#include "wire/ehlo.h"
#include "wire/reply.h"

typedef enum {
    POSTERN_BACKEND_CONNECTING,
    POSTERN_BACKEND_GREETING,
    POSTERN_BACKEND_EHLO,
    POSTERN_BACKEND_IDLE, /* greeted, no transaction */
    POSTERN_BACKEND_IDENTIFYING,
    POSTERN_BACKEND_ENVELOPE, /* from MAIL to the reply to DATA */
    POSTERN_BACKEND_SENDING,  /* after its 354, until the dot */
    POSTERN_BACKEND_DATA_END, /* the dot is out: delivery is unknown until the reply */
    POSTERN_BACKEND_QUITTING,
    POSTERN_BACKEND_CLOSED,
} PosternBackendState;

/* "greeting", "data-end" …, for logs. */
const char *postern_backend_state_name(PosternBackendState state);
/* TRUE if it was greeted, and nothing of a message has gone out: what was lost can be told to another. */
gboolean postern_backend_is_before_data(PosternBackendState state);

typedef enum {
    POSTERN_BACKEND_READY,       /* greeted; capabilities are known */
    POSTERN_BACKEND_IDENTIFIED,  /* it has been told who the client is */
    POSTERN_BACKEND_MAIL_REPLY,  /* reply */
    POSTERN_BACKEND_RCPT_REPLY,  /* reply; one for each recipient, in order */
    POSTERN_BACKEND_DATA_REPLY,  /* reply; after a 354 the state is SENDING */
    POSTERN_BACKEND_FINAL_REPLY, /* reply to the dot */
    POSTERN_BACKEND_RESET_DONE,  /* RSET was answered with 2xx: IDLE */
    POSTERN_BACKEND_FAILED,      /* of no more use; text says why. The last event. */
    POSTERN_BACKEND_ENDED,       /* after quit: it answered, closed, or had its time. The last event. */
} PosternBackendEventKind;

/* Whose trouble a failure is. */
typedef enum {
    POSTERN_BACKEND_FAULT_LOST,   /* of this connection: closed, late, no SMTP, busy */
    POSTERN_BACKEND_FAULT_SETUP,  /* of every client: it does not take what the administrator set up (promise
                                     7) */
    POSTERN_BACKEND_FAULT_DEMAND, /* it demands TLS or a login of us (530); maybe of every client */
    POSTERN_BACKEND_FAULT_CLIENT, /* it refused the client that it was told of: the reply is the client's */
} PosternBackendFault;

typedef struct {
    PosternBackendEventKind kind;
    PosternReply *reply; /* the *_REPLY events; FAILED and ENDED if a reply was the reason, else NULL; CLIENT:
                            4yz or 5yz */
    char *text;          /* FAILED: why, printable ASCII */
    PosternBackendFault fault;  /* FAILED */
    PosternBackendState during; /* FAILED: the state it failed in */
} PosternBackendEvent;

void postern_backend_event_free(PosternBackendEvent *event);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternBackendEvent, postern_backend_event_free)

typedef struct {
    guint64 number;       /* of the connection, for the log */
    const char *hostname; /* for EHLO; outlives the back-end */
    PosternClientAddress client_address;
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
    gboolean extensions;    /* it uses SMTP extensions although it said HELO: the back-end gets an EHLO */
    const char *identifier; /* what the server in front calls the message; NULL: envelope->session */
    gboolean local;         /* its mail is the server's own (XFORWARD SOURCE) */
} PosternBackendClient;

typedef struct PosternBackend PosternBackend;

/* A connection that is being made; now is monotonic, in milliseconds, here and below. */
PosternBackend *postern_backend_new(const PosternBackendOptions *options, gint64 now);
void postern_backend_free(PosternBackend *backend);

/* Waits so long for replies from now on: a connection outlives the settings that it was opened under. */
void postern_backend_set_timeouts(PosternBackend *backend, guint timeout_ms, guint data_end_timeout_ms);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternBackend, postern_backend_free)

/* What happens to the connection. */
void postern_backend_connected(PosternBackend *backend, gint64 now);
void postern_backend_receive(PosternBackend *backend, const char *octets, gsize length, gint64 now);
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

/* Octets to be sent now; the caller sends and empties it. */
GString *postern_backend_output(PosternBackend *backend);
/* The next event, the caller's; NULL: none. */
PosternBackendEvent *postern_backend_next_event(PosternBackend *backend);
