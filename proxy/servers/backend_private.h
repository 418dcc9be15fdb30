/*
 * The inside of PosternBackend, shared by backend.c (events, output, life), backend_commands.c (what its user
 * wants) and backend_replies.c (what the back-end answers).
 */
#pragma once

#include "proxy/servers/backend.h"
#include "proxy/servers/lmtp_replies.h"

/* What the next reply will be a reply to. */
typedef enum {
    POSTERN_EXPECT_GREETING,
    POSTERN_EXPECT_EHLO,
    POSTERN_EXPECT_STARTTLS,
    POSTERN_EXPECT_XCLIENT,
    POSTERN_EXPECT_XCLIENT_EHLO,
    POSTERN_EXPECT_XCLIENT_HELO,
    POSTERN_EXPECT_XFORWARD,
    POSTERN_EXPECT_AUTH,
    POSTERN_EXPECT_QUERY,
    POSTERN_EXPECT_MAIL,
    POSTERN_EXPECT_RCPT,
    POSTERN_EXPECT_DATA,
    POSTERN_EXPECT_FINAL,
    POSTERN_EXPECT_RSET,
    POSTERN_EXPECT_QUIT,
} PosternExpect;

typedef struct {
    GList link; /* in unsent or in_flight */
    PosternExpect expect;
    gboolean unwanted; /* its user has reset since: the reply is dropped */
    char line[];       /* with CRLF */
} PosternBackendCommand;

/* Nothing of a login stays in memory. NULL is allowed. */
void postern_backend_command_free(PosternBackendCommand *command);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternBackendCommand, postern_backend_command_free)

struct PosternBackend {
    PosternBackendOptions options;
    PosternBackendState state;
    PosternMailServer server; /* by its greeting */
    PosternEhlo ehlo;
    gboolean asked_within; /* the query that is answered next was asked within a transaction */
    char *tls;             /* what was agreed upon, or NULL */
    gboolean starts_tls;   /* its 220 to STARTTLS was read */
    gboolean reusable;
    guint mails;      /* that it was told */
    guint recipients; /* of the last one, that it has accepted */
    PosternLmtpReplies finals;
    char *client_hello;     /* while IDENTIFYING: the EHLO or HELO that follows XCLIENT, with CRLF */
    gboolean client_esmtp;  /* that is an EHLO */
    char *plain_xclient;    /* while IDENTIFYING: what is said if the first one is not understood, or NULL */
    gboolean presents;      /* its client was told of by a PROXY header, and it has not got to IDLE since */
    gboolean logged_in;     /* the client that it was told of last */
    gboolean authenticated; /* its client has logged in on this connection */
    gint64 deadline;
    PosternReplyParser parser;
    GQueue unsent;    /* of PosternBackendCommand * */
    GQueue in_flight; /* likewise, in the order of their replies */
    GString *output;
    GQueue events; /* of PosternBackendEvent * */
};

/* The one place where the state changes. */
void postern_backend_set_state(PosternBackend *backend, PosternBackendState state);

/* Queues a command; its line is first and the strings behind it, up to a NULL, and has its CRLF. */
void postern_backend_enqueue(PosternBackend *backend, PosternExpect expect, const char *first,
                             ...) G_GNUC_NULL_TERMINATED;
/* Those that were not sent are not, and replies to those that were are dropped. */
void postern_backend_forget_commands(PosternBackend *backend);
/* The command that the next reply answers, the caller's; NULL: none. */
PosternBackendCommand *postern_backend_answered(PosternBackend *backend);

/* The verb that begins the dialogue, with its space. */
static inline const char *postern_backend_hello(const PosternBackend *backend)
{
    return backend->options.lmtp_recipients > 0 ? "LHLO " : "EHLO ";
}
/* EHLO as ourselves; behind a PROXY header EHLO or HELO as the client. */
void postern_backend_say_ehlo(PosternBackend *backend);
void postern_backend_await_greeting(PosternBackend *backend);

/* Moves to the output what may be sent now. A deadline that runs goes on, so that nobody puts it off octet by
 * octet; who starts a new wait has set it to G_MAXINT64 before. */
void postern_backend_flush(PosternBackend *backend, gint64 now);

/* reply is taken over; NULL: none. */
void postern_backend_emit(PosternBackend *backend, PosternBackendEventKind kind, PosternReply *reply);

/* FAILED with the reason, and CLOSED. reply (or NULL) is taken over. */
void postern_backend_fail(PosternBackend *backend, PosternBackendFault fault, PosternReply *reply,
                          const char *format, ...) G_GNUC_PRINTF(4, 5);

/* One reply, which is taken over. */
void postern_backend_handle_reply(PosternBackend *backend, PosternReply *reply, gint64 now);
