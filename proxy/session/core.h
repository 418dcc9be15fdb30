/*
 * What a session remembers of its client from one command to the next. While the client waits (for its
 * greeting, or before its own next command) nothing else of the session exists: see postern_session_park().
 */
#pragma once

#include <glib.h>

#include "base/identifier.h"
#include "mail/envelope.h"
#include "wire/ehlo.h"

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

/* Embedded by value, so that who holds many clients holds nothing else; private to proxy/session, but for
 * what is said to be of interest outside. */
typedef struct {
    PosternIdentifier identifier; /* read by all */
    guint8 trusted : 1;           /* read by all: it may say XCLIENT, and before_queue_filter XFORWARD */
    guint8 submission : 1;        /* its mail is that of users who have logged in */
    guint8 slow : 1;              /* it had to give a back-end back, and no message was accepted since */
    PosternAddress peer;          /* read by all: who has connected */
    PosternClientIdentity own;    /* the peer, or whom it has named by XCLIENT */
    PosternEhlo announced;        /* what the back-ends can do; may be set while parked */
    gint64 started;
    gint64 client_deadline; /* read by all: when postern_session_timer() is to be called while parked */
    char *would_reply;      /* observe: what would have ended the session, or NULL */
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

/* Frees what a parked one holds (not the struct). */
void postern_session_core_clear(PosternSessionCore *core);
