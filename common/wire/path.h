/*
 * Paths of MAIL and RCPT (RFC 5321 4.1.2, 4.1.3; RFC 6531 3.3), and the forms beside these that mail servers
 * take.
 */
#pragma once

#include <glib.h>

/* What is taken, a mask; 0: paths as RFC 5321 has them. */
typedef enum {
    /* U-labels, and octets over 0x7f in local parts; both only if they are UTF-8. */
    POSTERN_PATH_UTF8 = 1 << 0,
    /*
     * Also what Postfix, Sendmail and Exim all take by default and read as one address, and what some of them
     * refuse and none reads as another: no brackets; blanks at the ends; dots anywhere in the local part;
     * quotes around a word of it, and quoted pairs; UTF-8 in it; a final dot of the domain; no domain, if
     * nothing in the local part names one (`a%domain`, `domain!a`).
     */
    POSTERN_PATH_LIBERAL = 1 << 1,
    /*
     * Also all that a mail server in front has taken, as Postfix reads it: comments, blanks, brackets in
     * brackets, quoted pairs, characters that want quotes, any octet but NUL, CR and LF.
     */
    POSTERN_PATH_TAKEN = 1 << 2,
    /* It is of RCPT. Exim reads blanks within brackets as part of an address there: LIBERAL has none then. */
    POSTERN_PATH_RECIPIENT = 1 << 8,
    /* Less than LIBERAL takes, as some mail servers have it (wire/manners.h). In angle brackets, and nothing
     * in them that RFC 5321 wants quotes for, or a final dot. */
    POSTERN_PATH_PLAIN = 1 << 3,
    /* One address, with nothing behind it, whose domain, if it is a sender, is that of a host. */
    POSTERN_PATH_SINGLE = 1 << 7,
    /* A sender has a domain, of letters, digits and '-', or of U-labels; and nobody's has a final dot. */
    POSTERN_PATH_QUALIFIED = 1 << 4,
    /* Of a command: one space, and no tab, stands behind its verb. */
    POSTERN_PATH_ONE_SPACE = 1 << 5,
    /* `FROM :`. */
    POSTERN_PATH_COLON_APART = 1 << 6,
} PosternPathSyntax;

/* Whether text, which was read as path, is one as PLAIN, QUALIFIED and SINGLE want it, if syntax has them. */
gboolean postern_path_suits(const char *text, gsize length, const char *path, gboolean is_sender,
                            guint syntax);

/*
 * Parses a path that begins at text. Returns NULL, sets *ret_consumed to its octets with the brackets and
 * *ret_path to a new string of the address: "", local, or local@domain, a source route taken off (RFC 5321
 * C). Else returns what is wrong, static text; *ret_path is NULL then.
 *
 * What RFC 5321 allows is in *ret_path octet for octet, all else is written anew: it means the same to every
 * reader, in brackets. Without LIBERAL and TAKEN local alone is "postmaster", in any case. The domain has
 * labels of letters, digits, '-' and '_' (which real hosts have), none empty and without a final dot, or is
 * an address literal of IPv4 or IPv6, the only registered ones; with TAKEN it is what it is. Control octets
 * pass with TAKEN alone. At most POSTERN_PATH_MAX_OCTETS are looked at.
 */
const char *postern_path_parse(const char *text, gsize length, guint syntax, gsize *ret_consumed,
                               char **ret_path);
