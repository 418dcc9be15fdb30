/*
 * Where mail servers do otherwise than RFC 5321 says, or than each other: a client hears before one of them
 * what it would hear from it.
 */
#pragma once

#include <glib.h>

typedef enum {
    POSTERN_MAIL_SERVER_OTHER, /* goes by RFC 5321 */
    POSTERN_MAIL_SERVER_POSTFIX,
    POSTERN_MAIL_SERVER_EXIM,
    POSTERN_MAIL_SERVER_SENDMAIL,
    POSTERN_MAIL_SERVER_OPENSMTPD,
} PosternMailServer;

typedef enum {
    POSTERN_MANNER_ENDS_FOREIGN = 1 << 0,    /* what is no SMTP ends the session, be it no request of HTTP */
    POSTERN_MANNER_ENDS_FEW = 1 << 1,        /* of these requests only GET, POST and CONNECT do */
    POSTERN_MANNER_FAREWELL = 1 << 2,        /* with 221 */
    POSTERN_MANNER_ENDS_AT_MISTAKE = 1 << 3, /* one too many is answered as the others were */
    POSTERN_MANNER_ENDS_AT_NEWLINE = 1 << 4, /* a bare one in a message ends the session, with 421 */
    POSTERN_MANNER_VRFY_FOR_ALL = 1 << 5,    /* what it says to VRFY, and to EXPN below, does not */
    POSTERN_MANNER_EXPN_FOR_ALL = 1 << 6,    /* depend on who asks */
    POSTERN_MANNER_NO_VRFY = 1 << 7,         /* 500 */
    POSTERN_MANNER_ETRN_LATER = 1 << 8,      /* 458 where it is not offered */
    POSTERN_MANNER_PARAMETERS_NEED_EHLO = 1 << 9,
    POSTERN_MANNER_TAKES_ANY_SIZE = 1 << 10,   /* one that is no number is none */
    POSTERN_MANNER_TAKES_ANY_RET = 1 << 11,    /* RET and ENVID that RFC 3461 does not know are passed over */
    POSTERN_MANNER_TAKES_ANY_NOTIFY = 1 << 12, /* likewise NOTIFY and ORCPT */
    POSTERN_MANNER_TAKES_ANY_AUTH = 1 << 13,   /* of MAIL, likewise */
    POSTERN_MANNER_LEADING_BLANKS = 1 << 14,   /* are passed over before a command */
    POSTERN_MANNER_BLANKS_ARE_ARGUMENTS = 1 << 15,
    POSTERN_MANNER_ENDS_AT_LONG_LINE = 1 << 16,    /* one of a command, with 500 */
    POSTERN_MANNER_LONG_LINE_421 = 1 << 17,        /* and with 421 at such a one */
    POSTERN_MANNER_TAKES_AUTH_UNOFFERED = 1 << 18, /* AUTH of MAIL */
    POSTERN_MANNER_VALUES_ONLY = 1 << 19,          /* SIZE, AUTH and those of RFC 3461 have a value */
    POSTERN_MANNER_TAKES_PRDR = 1 << 20,           /* of MAIL, offered or not, and passed over if it is not */
    POSTERN_MANNER_WANTS_UTF8 = 1 << 21,           /* each command is UTF-8, if SMTPUTF8 is offered */
} PosternManner;

#define POSTERN_MANNER_TURNS 3

/* Commands are masks of 1 << PosternCommandVerb. */
typedef struct {
    /* Whether it takes text behind EHLO or HELO. */
    gboolean (*takes_name)(const char *text);
    guint manners;          /* mask of PosternManner */
    guint syntax;           /* mask of PosternPathSyntax, beside LIBERAL */
    guint without_hello;    /* commands that RFC 5321 4.1.4 wants EHLO or HELO before, and it does not */
    guint after_hello;      /* those that it wants them before */
    guint after_ehlo;       /* those that it wants EHLO before */
    guint once;             /* refused after EHLO or HELO */
    guint between_mails;    /* refused within a transaction */
    guint without_argument; /* refused with an argument */
    guint last;             /* refused if anything comes with them, for their reply must be awaited first */
    struct {
        guint verbs, most;
    } turns[POSTERN_MANNER_TURNS]; /* of some commands, together, so many come in one session */
    guint mistakes_max;            /* in one session */
    guint idle_talk_max;           /* commands in one session that bring no message nearer */
    guint spared;                  /* of these are not counted, the first since the last message */
} PosternManners;

/* Which one greets so: greeting is the text of its 220. */
PosternMailServer postern_mail_server_of(const char *greeting);
/* A static one. */
const PosternManners *postern_manners_of(PosternMailServer server);
