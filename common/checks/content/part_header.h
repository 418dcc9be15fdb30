/*
 * The header of one MIME part (RFC 2045, 2183), by all that readers of mail make of it: each field as often
 * as it is there, each value that a parameter may have, and each place where the body may begin.
 */
#pragma once

#include <glib.h>

#define POSTERN_PART_FIELDS_MAX 8 /* of one name that are read */
#define POSTERN_PART_STARTS_MAX 3
#define POSTERN_PART_VALUES_MAX 24 /* of one parameter in one field */
/* All that there may be: of fields as often, their names by two readers, and other fields. */
#define POSTERN_PART_NAMES_MAX (2 * POSTERN_PART_FIELDS_MAX * (POSTERN_PART_VALUES_MAX + 2))

typedef enum {
    POSTERN_PART_TYPE,
    POSTERN_PART_DISPOSITION,
    POSTERN_PART_ENCODING,
    POSTERN_PART_DESCRIPTION,
    POSTERN_PART_LOCATION,
    POSTERN_PART_FIELDS,
} PosternPartField;

typedef struct {
    /* Unfolded, without line ends at their ends; NUL has become a blank. */
    GString *values[POSTERN_PART_FIELDS][POSTERN_PART_FIELDS_MAX];
    guint counts[POSTERN_PART_FIELDS];
    /* Where the body may begin, ascending: behind the empty line; where a line is no field; behind a line of
     * blanks. The last is behind the empty line, or the end. */
    gsize starts[POSTERN_PART_STARTS_MAX];
    guint start_count;
    gboolean bare; /* a CR without LF stands in it */
    gboolean cut;  /* there is more than is read */
} PosternPartHeader;

/*
 * Reads the header that begins at start, in octets that end at end. bare_ends: a CR without LF ends a line
 * too. To be cleared.
 */
void postern_part_header_read(const char *octets, gsize start, gsize end, gboolean bare_ends,
                              PosternPartHeader *header);
void postern_part_header_clear(PosternPartHeader *header);

/*
 * Each value that readers give to a parameter of that name in value, wherever it stands: quoted or not, with
 * pieces and octets of RFC 2231, doubled, in quotes or comments. New strings are added to values (of char *),
 * unless they are there already, up to POSTERN_PART_VALUES_MAX. FALSE: there would be more.
 */
gboolean postern_part_parameter(const GString *value, const char *name, GPtrArray *values);

/* *start goes behind the lines of a mailbox ("From ", ">From ") that octets may begin with. */
void postern_part_skip_mailbox(const char *octets, gsize length, gsize *start);

/* TRUE if octets begin as a message does: with a field, or the line of a mailbox, and with a field of MIME in
 * the header; *ret_start is where the first field is. */
gboolean postern_part_is_message(const char *octets, gsize start, gsize end, gsize *ret_start);
