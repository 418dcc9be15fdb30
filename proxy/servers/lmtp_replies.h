/*
 * What an LMTP server says after the dot: a reply for each recipient (RFC 2033 4.2). An SMTP client hears
 * one.
 */
#pragma once

#include <glib.h>

#include "wire/reply.h"

typedef struct {
    PosternReply *first[3]; /* the first 2yz, 4yz and 5yz, or NULL */
    guint counts[3];
} PosternLmtpReplies;

/* One more, which is taken over. */
void postern_lmtp_replies_add(PosternLmtpReplies *replies, PosternReply *reply);
/*
 * What the client hears, the caller's; replies is empty again. The first reply, if all are of its class; of
 * refusals of both classes the 4yz, for nobody has the message. If some have it and others do not
 * (*ret_partial), 451 or, if none was refused by a 4yz, 554, with how many have it and why the others do
 * not: after 250 nobody would try again, or know.
 */
PosternReply *postern_lmtp_replies_conclude(PosternLmtpReplies *replies, gboolean *ret_partial);
void postern_lmtp_replies_clear(PosternLmtpReplies *replies);
