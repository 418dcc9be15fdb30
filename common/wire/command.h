/*
 * SMTP commands (RFC 5321 4.1): one line to a struct.
 */
#pragma once

#include <glib.h>

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
    char *argument; /* what follows the verb, outer white space taken off; "" where nothing does */
    char *path;     /* MAIL, RCPT: between the brackets, a source route taken off (RFC 5321 C); NULL where
                     * it cannot be parsed, and in other commands */
    char *parameter_text;  /* MAIL, RCPT: the parameters as given; "" where there are none; else NULL */
    GPtrArray *parameters; /* MAIL, RCPT: of PosternParameter *, no keyword twice; else NULL */
    gboolean foreign;      /* another protocol's (wire/foreign.h); set by who asks for the command */
    const char *problem; /* what is wrong with path or parameters, static text for a 501 reply (UNKNOWN: for a
                          * 500); NULL: nothing */
} PosternCommand;

/*
 * Parses one line (no CRLF, no NUL inside). Always gives a command. MAIL and RCPT: `FROM:` / `TO:` with any
 * case, white space after the colon tolerated, path in brackets required (wire/path.h); the path is "" (MAIL
 * alone), "postmaster" in any case (RCPT alone), or local@domain with a dot-string or quoted local part, and
 * a domain or an address literal; octets over 0x7f only pass where utf8 is TRUE (RFC 6531 3.3). Control
 * octets never pass.
 */
PosternCommand *postern_command_parse(const char *line, gsize length, gboolean utf8);
void postern_command_free(PosternCommand *command);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternCommand, postern_command_free)

/* The parameter of that keyword (case ignored), or NULL. */
const PosternParameter *postern_command_parameter(const PosternCommand *command, const char *keyword);

/* TRUE where text is a domain or address literal that may follow EHLO, leniently (RFC 5321 4.1.4: a server
 * must not refuse on what it says): 1 to 512 octets of 0x21-0x7e. */
gboolean postern_helo_name_is_acceptable(const char *text);
