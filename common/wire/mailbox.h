/*
 * The address list of a field such as From (RFC 5322 3.4, its obsolete forms in 4.4, groups RFC 6854, UTF-8
 * RFC 6532), read strictly: for the domains that whoever reads the message may take for its authors'.
 */
#pragma once

#include <glib.h>

typedef struct {
    GPtrArray *domains;  /* of char *: distinct (ASCII case ignored, kept as first written), in order, at most
                            POSTERN_MAILBOX_DOMAINS_MAX; an address literal with its brackets; never NULL */
    guint mailboxes;     /* addresses, the same ones too */
    gboolean no_author;  /* well-formed, and says that there is none: `Automated:;` (RFC 6854) */
    const char *problem; /* static, or NULL: the list is well-formed and means the same to every reader */
} PosternMailboxList;

/*
 * Reads length octets, folds inside (CRLF or LF, then a blank). Never NULL. If there is a problem the
 * domains are those found before it.
 *
 * Well-formed is not enough: what careless readers see another address in is a problem too: an encoded word,
 * a quoted `@` or `<` in a local part, blanks or comments within a domain, an `<address>` in a comment, in
 * the name of a group, hidden in an encoded word, or of another domain in a display name; an encoded word in
 * a character set that hides ASCII. The domains of a source route, and those of addresses that stand unquoted
 * in a display name, if nothing else in it looks like one
 * (`a@example.com <a@example.com>`; like `[list] Ann <…>`, no grammar has it and much mail does), are domains
 * of the list like any other.
 *
 * Not well-formed, and yet no problem: a local part such as `a..b` or `a.`, and words of any kind before the
 * one address that anybody can find (wire/mailbox_only.h), such as `Acme, Inc. <a@example.com>`.
 */
PosternMailboxList *postern_mailbox_list_parse(const char *value, gsize length);
void postern_mailbox_list_free(PosternMailboxList *list);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PosternMailboxList, postern_mailbox_list_free)
