/*
 * Received fields (RFC 5321 4.4): who gave a message to a relay that we trust.
 */
#pragma once

#include "mail/envelope.h"
#include "mail/header.h"

typedef struct {
    PosternAddress client;  /* AF_UNSPEC: the field names none */
    char *helo;             /* what the client called itself, or NULL */
    char *client_name;      /* its verified reverse name, or NULL */
    gboolean esmtp;         /* with ESMTP, ESMTPS, ESMTPA … (RFC 3848, RFC 6531) */
    gboolean authenticated; /* with ESMTPA, ESMTPSA …, or a comment says so: it had logged in there */
    /*
     * A step inside one system, or out of a mailbox: the field below tells who the client was. LMTP without
     * an address, "(qmail 1 invoked from network)", SMTP without FROM (Gmail), IMAP and POP3 (fetchmail).
     */
    gboolean handed_on;
} PosternReceived;

/*
 * Reads a field's value as Postfix, Sendmail, Exim, qmail, Courier, Exchange and Gmail write it, folded or
 * not. The address is the one that the relay saw: TCP-info in the comment behind FROM (RFC 5321 4.4), or what
 * stands behind FROM if HELO is told apart from it (Exim, qmail); never what the client called itself.
 * FALSE, and nothing to be cleared: it is not understood, or holds several addresses that could be meant.
 */
gboolean postern_received_parse(const char *value, gsize length, PosternReceived *ret_received);
void postern_received_clear(PosternReceived *received);

/* Whether a relay at address writes Received fields that we believe. */
typedef gboolean (*PosternIsTrusted)(const PosternAddress *address, gconstpointer data);

/*
 * Walks down the Received fields, as long as each was written by a relay that we trust: the first client
 * (from the top) that is_trusted() does not know is the one that the message came from. The topmost field is
 * believed in any case: who asks has made sure that a relay that we trust, or we ourselves, wrote it. Fields
 * that are handed_on are passed over. TRUE: client, helo, client_name and esmtp of envelope are set to it.
 * FALSE, and envelope as it was: there is no such field, one on the way is not understood or names no client
 * (mail that began on the relay itself), or the client had logged in there: its address then says nothing of
 * the sender's domain, that of the relay does. At most POSTERN_RECEIVED_FIELDS_MAX are read.
 */
gboolean postern_received_find_client(const PosternHeader *header, PosternIsTrusted is_trusted,
                                      gconstpointer data, PosternEnvelope *envelope);

/*
 * Octets from the start of the message to the field if that walk ends, found or not; G_MAXSIZE: there is
 * no Received field. Whatever stands below it was there when the message came in: its sender may have written
 * it.
 */
gsize postern_received_find_entry(const PosternHeader *header, PosternIsTrusted is_trusted,
                                  gconstpointer data);
