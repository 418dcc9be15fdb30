/*
 * SMTP commands (RFC 5321 4.1): one line to a struct.
 */
#pragma once

#include <glib.h>

#include "wire/path.h"

typedef enum {
    POSTERN_COMMAND_UNKNOWN, /* not in the table, or a control octet in it: argument is "", problem says so */
    POSTERN_COMMAND_HELO,
    POSTERN_COMMAND_EHLO,
    POSTERN_COMMAND_MAIL,
    POSTERN_COMMAND_RCPT,
    POSTERN_COMMAND_DATA,
    POSTERN_COMMAND_BDAT,
    POSTERN_COMMAND_RSET,
    POSTERN_COMMAND_NOOP,
    POSTERN_COMMAND_QUIT,
    POSTERN_COMMAND_VRFY,
    POSTERN_COMMAND_EXPN,
    POSTERN_COMMAND_HELP,
    POSTERN_COMMAND_ETRN,
    POSTERN_COMMAND_STARTTLS,
    POSTERN_COMMAND_AUTH,
    POSTERN_COMMAND_XCLIENT,
    POSTERN_COMMAND_XFORWARD,
} PosternCommandVerb;

/* "MAIL" …; "?" for UNKNOWN. */
const char *postern_command_name(PosternCommandVerb verb);

typedef struct {
    char *keyword; /* as given */
    char *value;   /* after '=', or NULL: none */
} PosternParameter;

typedef struct {
    PosternCommandVerb verb;
    char *argument;        /* what follows the verb, outer white space taken off; "" if nothing does */
    gboolean has_argument; /* something follows the verb, be it white space */
    char *path; /* MAIL, RCPT: the address (wire/path.h), without brackets and source route; NULL if it
                 * cannot be parsed, and in other commands */
    char *parameter_text;  /* MAIL, RCPT: the parameters, with spaces between; else NULL */
    GPtrArray *parameters; /* MAIL, RCPT: of PosternParameter *, no keyword twice; else NULL */
    gboolean foreign;      /* another protocol's (wire/foreign.h); set by who asks for the command */
    gboolean request;      /* one of HTTP's; set likewise */
    char *word;            /* what stands where the verb is, in capitals */
    gboolean bare;         /* its line was none (RFC 5321 2.3.8); set likewise */
    gboolean too_long;     /* likewise, for its length (RFC 5321 4.5.3.1.4); set likewise */
    gboolean followed;     /* more had come when its line had; set likewise */
    const char *problem; /* what is wrong with path or parameters, static text for a 501 reply (UNKNOWN: for a
                          * 500); NULL: nothing */
    const char *excused; /* a problem that it has by a stricter syntax, or NULL; the caller's to set */
    const char *excused_code;
    const char
        *problem_code; /* RFC 3463: "5.1.7", "5.1.3" of the path; "5.5.4" of what is around it; "5.5.2" */
} PosternCommand;

/*
 * Parses one line, without its CRLF. Always gives a command. MAIL and RCPT: `FROM:` / `TO:` with any
 * case, white space after the colon tolerated, then a path as syntax has it (a mask of PosternPathSyntax;
 * RECIPIENT is added for RCPT); "" is a sender's alone, and without LIBERAL and TAKEN "postmaster" a
 * recipient's alone. Of what is said twice the last holds with LIBERAL or TAKEN, and it is a problem without.
 * Octets over 0x7f in parameters pass with POSTERN_PATH_UTF8 alone (RFC 6531 3.3), control octets in a path
 * with POSTERN_PATH_TAKEN alone, and elsewhere never; CR, LF and NUL nowhere.
 */
PosternCommand *postern_command_parse(const char *line, gsize length, guint syntax);
void postern_command_free(PosternCommand *command);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternCommand, postern_command_free)

/* The parameter of that keyword (case ignored), or NULL. */
const PosternParameter *postern_command_parameter(const PosternCommand *command, const char *keyword);

/* What BDAT says (RFC 3030 2): the octets that follow its line, and whether they are the last of the message.
 * 1: both are known. 0: there is more than these. -1: nobody knows how many octets follow. */
int postern_command_chunk(const PosternCommand *command, guint64 *ret_octets, gboolean *ret_last);

/* TRUE if text is a domain or address literal that may follow EHLO, leniently (RFC 5321 4.1.4: a server
 * must not refuse on what it says): 1 to 512 octets of 0x21-0x7e. */
gboolean postern_helo_name_is_acceptable(const char *text);
/* The first word of text as a name that is acceptable, with '?' for other octets; a new string. */
char *postern_helo_name_clean(const char *text);
