/*
 * The record of a message, and that of a session: filled once, at its end, from which the closing line of the
 * log, what postern-scan tells, and the counters are made. Nothing in it is owned.
 */
#pragma once

#include "base/counters.h"
#include "base/log.h"
#include "verdict/policies.h"

/* What became of a message at the back-end. */
typedef enum {
    POSTERN_DELIVERY_NONE,     /* it never went there */
    POSTERN_DELIVERY_ACCEPTED, /* the back-end said 2xx */
    POSTERN_DELIVERY_REFUSED,  /* the back-end said 4xx or 5xx */
    POSTERN_DELIVERY_PARTIAL,  /* an LMTP server took it for some recipients and refused it for others */
    POSTERN_DELIVERY_FAILED,   /* the back-end was lost before the dot was out */
    POSTERN_DELIVERY_UNKNOWN,  /* lost after the dot: RFC 1047 */
    POSTERN_DELIVERY_NOT_OURS, /* who has asked for the verdict delivers */
} PosternDelivery;

/* Who: the beginning of each line. */
typedef struct {
    const char *session;
    const char *message;             /* id of it, or NULL */
    const PosternEnvelope *envelope; /* of the client whose mail it is */
    const PosternEnvelope *relay;    /* of the trusted relay that it came through, or NULL */
    const PosternAddress *peer;      /* who has connected, if that is somebody else, or NULL */
    const char *tls;                 /* version and cipher, or NULL */
    const char *tls_name;            /* that it has asked for (SNI), or NULL */
    const char *tls_client;          /* whose certificate it has, verified, or NULL */
    gboolean tls_resumed;
    /* As the mail server's own log has it: client is the relay, and origin whom it names. */
    gboolean names_origin;
} PosternRecordClient;

/* What each stage of a message took, in milliseconds; -1: it did not come to that. */
typedef struct {
    gint64 data;    /* from DATA to its end */
    gint64 verdict; /* from there */
    gint64 server;  /* from the verdict to the mail server's reply */
} PosternStageTimes;

typedef struct {
    PosternRecordClient who;
    gboolean judged; /* class and policy are known */
    PosternClientClass client_class;
    const char *policy;         /* "": [policy] */
    const char *queue;          /* what a mail server calls the message, or NULL */
    const char *sender;         /* or NULL */
    const GPtrArray *to;        /* of char *: those of the message */
    gint64 recipients;          /* that were asked for; -1: none yet */
    gint64 recipients_accepted; /* -1: all */
    const char *message_id;
    const char *header_from;
    const char *subject; /* or NULL */
    gint64 size;         /* octets that have come; -1: none */
    guint64 long_lines;
    gboolean nul;
    char *const *findings; /* verdict/check.h */
    const char *problem;
    gboolean decided; /* action is ours to tell */
    PosternAction action;
    const char *check;
    PosternAction would;
    const char *would_reply;
    gboolean dsn_dropped; /* the back-end did not get parameters of RFC 3461 */
    PosternDelivery delivery;
    const char *server;             /* where the mail server listens that it went to, or NULL */
    const char *server_queue;       /* what that calls the message, or NULL */
    const PosternStageTimes *times; /* or NULL */
    gint64 backend_wait;    /* milliseconds that it waited for a connection to the mail server in all */
    const char *server_tls; /* version and cipher of the connection to the mail server, or NULL */
    const char *failure;    /* why it did not come to a mail server, or NULL */
    const char *reply;      /* what the client was told, or NULL */
    gint64 milliseconds;    /* since MAIL; -1: not known */
} PosternRecord;

/* Numbers that are -1 are none of that daemon's. */
typedef struct {
    PosternRecordClient who;
    const char *ended; /* why, or NULL */
    const char *would_reply;
    const char *server; /* what the mail server calls itself and where it listens, or NULL */
    const char *daemon;
    gint64 messages;
    gint64 messages_accepted;
    gint64 messages_refused;
    gint64 commands;
    gint64 errors;
    gint64 early_greeting; /* times that the client spoke before it */
    gint64 early_data;     /* and before the 354 of DATA */
    gint64 suspicion;      /* points */
    const char *reasons;   /* for them, or NULL: there are none */
    const char *throttled; /* the options that its messages were read slowly for, or NULL */
    gint64 octets;
    gint64 milliseconds;
} PosternSessionRecord;

/* The version in what a record says of TLS, one of a few names: "TLSv1.3" …, "none" for NULL. Static. */
const char *postern_record_tls_version(const char *tls);

/* A field: text, or if that is NULL number. Both only for the call. */
typedef void (*PosternRecordField)(const char *key, const char *text, gint64 number, gpointer user_data);

/* Tells the fields of a message's record, one by one; what it has not is left out. */
void postern_record_tell(const PosternRecord *record, PosternRecordField field, gpointer user_data);

/*
 * The end of a message, and of a session: counts what the record holds (counters NULL: nothing), and returns
 * the closing line, `message …` or `session …`, of which those without a message count as repetitions.
 * NULL if the log takes no such lines: nothing is written down then.
 *
 *   messages, octets, recipients, recipients_accepted
 *   actions, observed    by action: what was done, and what would have been
 *   checks               by the rule that decided
 *   classes, deliveries  by class of the client, and by what became of it at the back-end
 *   verdicts             by what checks found, CHECK:RESULT
 *   client_tls, server_tls  by version: of the client; of the mail server that the message went to
 *   sessions             by what ended them; commands, errors, early_greeting, early_data
 */
PosternLogLine *postern_record_close(const PosternRecord *record, PosternCounters *counters);
PosternLogLine *postern_session_record_close(const PosternSessionRecord *record, PosternCounters *counters);

/*
 * These three are counted too (recipients_refused, by who refused them; logins_failed; senders_refused), and
 * like the records of messages that were not accepted they are remembered (base/counters.h).
 */

/* `recipient …`: to, as it is to be shown, was refused by "proxy", "backend" or "milter"; NULL: it was
 * accepted, which is neither counted nor remembered. */
PosternLogLine *postern_recipient_line(const PosternRecordClient *who, PosternCounters *counters,
                                       const char *sender, const char *to, const char *refused_by,
                                       const char *reply);
/* `login …`: user (NULL: not known) could not log in; reply is the back-end's, or why there was none. */
PosternLogLine *postern_login_line(const PosternRecordClient *who, PosternCounters *counters,
                                   const char *user, const char *reply);
/* `sender …`: MAIL was refused; from: the path, or what was said instead of one. */
PosternLogLine *postern_sender_line(const PosternRecordClient *who, PosternCounters *counters,
                                    const char *from, const char *reply);
