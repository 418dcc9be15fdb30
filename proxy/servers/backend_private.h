/*
 * The inside of PosternBackend, shared by backend.c (events, output, life), backend_commands.c (what its user
 * wants) and backend_replies.c (what the back-end answers).
 */
#pragma once

#include "proxy/servers/backend.h"

/* What the next reply will be a reply to. */
typedef enum {
    POSTERN_EXPECT_GREETING,
    POSTERN_EXPECT_EHLO,
    POSTERN_EXPECT_XCLIENT,
    POSTERN_EXPECT_XCLIENT_EHLO,
    POSTERN_EXPECT_XCLIENT_HELO,
    POSTERN_EXPECT_XFORWARD,
    POSTERN_EXPECT_MAIL,
    POSTERN_EXPECT_RCPT,
    POSTERN_EXPECT_DATA,
    POSTERN_EXPECT_FINAL,
    POSTERN_EXPECT_RSET,
    POSTERN_EXPECT_QUIT,
} PosternExpect;

typedef struct {
    PosternExpect expect;
    char *line;        /* with CRLF */
    gboolean last;     /* of several lines of one command: the one whose reply counts */
    gboolean unwanted; /* its user has reset since: the reply is dropped */
} PosternBackendCommand;

struct PosternBackend {
    PosternBackendOptions options;
    PosternBackendState state;
    PosternEhlo ehlo;
    gboolean reusable;
    char *client_hello;    /* while IDENTIFYING: the EHLO or HELO that follows XCLIENT, with CRLF */
    gboolean client_esmtp; /* that is an EHLO */
    char *plain_xclient;   /* while IDENTIFYING: what is said if the first one is not understood, or NULL */
    gboolean logged_in;    /* the client that it was told of last */
    gint64 deadline;
    PosternReplyParser parser;
    GQueue unsent;    /* of PosternBackendCommand * */
    GQueue in_flight; /* likewise, in the order of their replies */
    GString *output;
    GQueue events; /* of PosternBackendEvent * */
};

void postern_backend_command_free(PosternBackendCommand *command);

/* The one place where the state changes. */
void postern_backend_set_state(PosternBackend *backend, PosternBackendState state);

/* Queues a command; line is taken over. */
void postern_backend_enqueue(PosternBackend *backend, PosternExpect expect, char *line, gboolean last);

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
