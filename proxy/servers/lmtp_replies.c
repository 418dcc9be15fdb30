#include "proxy/servers/lmtp_replies.h"

enum { ACCEPTED, REFUSED_FOR_NOW, REFUSED };

void postern_lmtp_replies_add(PosternLmtpReplies *replies, PosternReply *reply)
{
    guint class = postern_reply_class(reply);
    guint kind = class == 2 ? ACCEPTED : class == 4 ? REFUSED_FOR_NOW : REFUSED;
    replies->counts[kind]++;
    if (replies->first[kind] == NULL)
        replies->first[kind] = reply;
    else
        postern_reply_free(reply);
}

static PosternReply *of_several(const PosternLmtpReplies *replies)
{
    gboolean for_now = replies->first[REFUSED_FOR_NOW] != NULL;
    const PosternReply *reason = replies->first[for_now ? REFUSED_FOR_NOW : REFUSED];
    g_autofree char *text = g_strdup_printf("%s Only %u of %u recipients have the message: %s",
                                            for_now ? "4.3.0" : "5.3.0", replies->counts[ACCEPTED],
                                            replies->counts[ACCEPTED] + replies->counts[REFUSED_FOR_NOW] +
                                                replies->counts[REFUSED],
                                            reason->text);
    return postern_reply_new(for_now ? 451 : 554, text);
}

PosternReply *postern_lmtp_replies_conclude(PosternLmtpReplies *replies, gboolean *ret_partial)
{
    PosternReply *reply = NULL;
    *ret_partial = replies->first[ACCEPTED] != NULL &&
                   (replies->first[REFUSED_FOR_NOW] != NULL || replies->first[REFUSED] != NULL);
    if (*ret_partial)
        reply = of_several(replies);
    for (guint kind = ACCEPTED; kind <= REFUSED && reply == NULL; kind++)
        reply = g_steal_pointer(&replies->first[kind]);
    postern_lmtp_replies_clear(replies);
    return reply;
}

void postern_lmtp_replies_clear(PosternLmtpReplies *replies)
{
    for (guint kind = ACCEPTED; kind <= REFUSED; kind++)
        postern_reply_free(replies->first[kind]);
    *replies = (PosternLmtpReplies){0};
}
