/*
 * The header fields of a message (RFC 5322 2.2), as places in its octets; nothing is copied or unfolded.
 * Takes any octets: a missing empty line means no body. CRLF and, for messages from files, bare LF end lines.
 *
 * This is the one reader of headers. It also says whether mail servers and programs that people read mail
 * with agree on what it reads: lines that some of them take for a field, others for the beginning of the body
 * or for nothing, make a header ambiguous. No check may then call anything in it authentic.
 */
#pragma once

#include <glib.h>

typedef struct {
    const char *name;   /* points into the message; not NUL-terminated */
    gsize name_length;  /* octets of the name, white space before the colon left out; 0 in odd lines */
    const char *value;  /* after the colon, leading space kept */
    gsize value_length; /* up to but without the final line end; folds inside kept */
    gsize offset;       /* octets from the start of the message to the name */
    gsize length;       /* octets of the whole field with its final line end */
} PosternHeaderField;

/* Why a header is ambiguous, each measured with Postfix, Sendmail, Exim, Python's email and GMime. */
typedef enum {
    POSTERN_HEADER_CLEAR,
    POSTERN_HEADER_STARTS_FOLDED,   /* the first line begins with white space */
    POSTERN_HEADER_MAILBOX_LINE,    /* the first line is "From " of a mailbox (RFC 4155), or ">From " */
    POSTERN_HEADER_NO_COLON,        /* a line that has none */
    POSTERN_HEADER_NO_NAME,         /* a line that begins with the colon */
    POSTERN_HEADER_NAME_OCTETS,     /* a name with octets that no name has: controls, blanks, over 126 */
    POSTERN_HEADER_NAME_TOO_LONG,   /* over POSTERN_HEADER_NAME_MAX_OCTETS */
    POSTERN_HEADER_NAME_DASHES,     /* a name that begins like a delimiter of MIME (RFC 2046 5.1.1) */
    POSTERN_HEADER_COLON_APART,     /* white space between name and colon, the obsolete syntax of 4.5 */
    POSTERN_HEADER_NUL,             /* a NUL octet */
    POSTERN_HEADER_BARE_CR,         /* a CR that is no part of CRLF */
    POSTERN_HEADER_FIELD_TOO_LONG,  /* one that people see, over POSTERN_HEADER_SHOWN_FIELD_MAX_OCTETS */
    POSTERN_HEADER_FIELDS_DISAGREE, /* two of one that there may be once (3.6), with different values */
} PosternHeaderAmbiguity;

typedef struct {
    const char *octets;  /* of the message */
    GArray *fields;      /* of PosternHeaderField, in order */
    GArray *odd_lines;   /* of PosternHeaderField without a name: lines that are none, with their folds */
    gsize header_length; /* octets of the header block, without the empty line */
    gsize body_offset;   /* octets before the body; message length if there is none */
    gboolean too_many;   /* POSTERN_HEADER_FIELDS_MAX or POSTERN_HEADER_BLOCK_MAX_OCTETS was met */
    PosternHeaderAmbiguity ambiguity; /* the first that was met; COLON_APART if there is no other */
    guint ambiguous_line;             /* which line has it, from 1 */
    gsize ambiguous_offset;           /* octets before that line */
} PosternHeader;

/* Where in a header the octets that have come so far end. */
typedef enum {
    POSTERN_HEADER_LINE_START,
    POSTERN_HEADER_CR_AT_LINE_START,
    POSTERN_HEADER_IN_LINE,
    POSTERN_HEADER_ENDED,
} PosternHeaderPlace;

/*
 * Goes on over the next length octets of a message, as they come. TRUE: the empty line after the header ends
 * among them, and is the last of *ret_octets of them. FALSE: it does not, or did before.
 */
gboolean postern_header_find_end(PosternHeaderPlace *place, const char *octets, gsize length,
                                 gsize *ret_octets) G_GNUC_WARN_UNUSED_RESULT;

/* Indexes octets, which must outlive the result. Never fails. */
PosternHeader *postern_header_parse(const char *octets, gsize length);
void postern_header_free(PosternHeader *header);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternHeader, postern_header_free)

/* The occurrence-th field (0 is the first) of that name (ASCII case ignored), or NULL. */
const PosternHeaderField *postern_header_find(const PosternHeader *header, const char *name,
                                              guint occurrence);

/* TRUE if the field has that name (ASCII case ignored). */
gboolean postern_header_field_is(const PosternHeaderField *field, const char *name);
/* How many fields of header have that name. */
guint postern_header_count(const PosternHeader *header, const char *name);

/* TRUE if the ambiguity may show somebody another message: all but white space before a colon, the obsolete
 * syntax of 4.5, which is found in wanted mail. That keeps a signature from being right, and no more. */
gboolean postern_header_misleads(const PosternHeader *header);

/* Why the header is ambiguous, for people ("line 3 has no colon"), a new string; NULL: it is not. */
char *postern_header_problem(const PosternHeader *header);

/*
 * TRUE if some reader may see, within a field or an odd line, a field of that name that postern_header_find
 * does not find: behind a bare CR, behind white space that begins the header, with its colon on a folded
 * line, or with octets in or around the name that no name has. *ret_value and *ret_length: what follows its
 * colon, to the end of the line that hides it.
 */
gboolean postern_header_line_hides(const PosternHeaderField *line, const char *name, const char **ret_value,
                                   gsize *ret_length);

/* TRUE if any line of header hides a field of that name. */
gboolean postern_header_hides(const PosternHeader *header, const char *name);

/* The value of the first field of that name for the log, unfolded and cut to POSTERN_LOG_VALUE_MAX_OCTETS, a
 * new string; NULL: there is none. */
char *postern_header_text(const PosternHeader *header, const char *name);

/* The value of a field unfolded (RFC 5322 2.2.3) and without outer white space, a new string; NUL octets
 * become '?'. */
char *postern_header_field_unfold(const PosternHeaderField *field);
