#include "proxy/connection/message_sender.h"

#include "base/limits.h"
#include "wire/data.h"

struct PosternMessageSender {
    PosternMessageReader *reader;
    PosternDataEncoder encoder;
    gboolean ended;     /* the dot has been encoded */
    const char *octets; /* of the reader, not encoded yet */
    gsize length;
    struct iovec pieces[POSTERN_WRITE_PIECES_MAX]; /* encoded, not written yet */
    int first;
    int count;
};

PosternMessageSender *postern_message_sender_new(PosternMessage *message, const PosternEdits *edits,
                                                 GError **error)
{
    PosternMessageReader *reader = postern_message_reader_new(message, edits, error);
    if (reader == NULL)
        return NULL;
    PosternMessageSender *sender = g_new0(PosternMessageSender, 1);
    sender->reader = reader;
    postern_data_encoder_init(&sender->encoder);
    return sender;
}

void postern_message_sender_free(PosternMessageSender *sender)
{
    if (sender == NULL)
        return;
    postern_message_reader_free(sender->reader);
    g_free(sender);
}

/* FALSE: the message is not fit for the wire. */
static gboolean encode(PosternMessageSender *sender)
{
    sender->first = sender->count = 0;
    while (sender->count + 2 <= POSTERN_WRITE_PIECES_MAX && !sender->ended) {
        gsize consumed = 0;
        struct iovec *pieces = sender->pieces + sender->count;
        sender->ended =
            sender->length == 0 && postern_message_reader_next(sender->reader, POSTERN_MESSAGE_CHUNK_OCTETS,
                                                               &sender->octets, &sender->length) == 0;
        int count = sender->ended ? postern_data_encoder_end(&sender->encoder, pieces)
                                  : postern_data_encoder_next(&sender->encoder, sender->octets,
                                                              sender->length, &consumed, pieces,
                                                              POSTERN_WRITE_PIECES_MAX - sender->count);
        if (count < 0)
            return FALSE;
        sender->count += count;
        if (consumed > 0) /* a message without octets has none to point to */
            sender->octets += consumed;
        sender->length -= consumed;
    }
    return TRUE;
}

static void drop(PosternMessageSender *sender, gsize octets)
{
    while (octets > 0) {
        struct iovec *piece = &sender->pieces[sender->first];
        gsize taken = MIN(octets, piece->iov_len);
        piece->iov_base = (char *)piece->iov_base + taken;
        piece->iov_len -= taken;
        octets -= taken;
        sender->first += piece->iov_len == 0;
    }
}

int postern_message_sender_write(PosternMessageSender *sender, PosternStream *stream, gsize *ret_octets)
{
    *ret_octets = 0;
    for (;;) {
        if (sender->first == sender->count && sender->ended)
            return 1;
        if (sender->first == sender->count && !encode(sender))
            return -1;
        gsize taken =
            postern_stream_send_some(stream, sender->pieces + sender->first, sender->count - sender->first);
        drop(sender, taken);
        *ret_octets += taken;
        if (sender->first < sender->count)
            return 0;
    }
}
