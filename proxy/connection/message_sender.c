#include "proxy/connection/message_sender.h"

#include <string.h>

#include "base/limits.h"
#include "base/memory.h"
#include "wire/data.h"

struct PosternMessageSender {
    PosternTransit *transit; /* or NULL: reader */
    GString *front;          /* of a transit: what precedes it, and was not written yet; or NULL */
    PosternMessageReader *reader;
    PosternDataEncoder encoder;
    gsize end_written;  /* of a transit: octets of its end of data */
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
    PosternMessageSender *sender = postern_new_zeroed(PosternMessageSender);
    sender->reader = reader;
    postern_data_encoder_init(&sender->encoder);
    return sender;
}

static GString *edited(const char *header, gsize header_length, const PosternEdits *edits)
{
    g_autoptr(GBytes) bytes = g_bytes_new_static(header, header_length);
    g_autoptr(PosternMessage) message = postern_message_from_octets(bytes);
    g_autoptr(PosternMessageReader) reader = postern_message_reader_new(message, edits, NULL);
    GString *text = g_string_new(NULL);
    const char *octets;
    gsize length;
    while (postern_message_reader_next(reader, G_MAXSIZE, &octets, &length) != 0)
        g_string_append_len(text, octets, (gssize)length);
    return text;
}

PosternMessageSender *postern_message_sender_new_transit(PosternTransit *transit, const PosternEdits *edits)
{
    PosternMessageSender *sender = postern_new_zeroed(PosternMessageSender);
    sender->transit = postern_transit_ref(transit);
    if (edits != NULL) {
        gsize length;
        const char *header = postern_transit_header(transit, &length);
        sender->front = postern_edits_on_top(edits, header, length);
        if (sender->front == NULL) {
            sender->front = edited(header, length, edits);
            postern_transit_take(transit, length);
        }
    }
    postern_transit_start(transit);
    return sender;
}

void postern_message_sender_free(PosternMessageSender *sender)
{
    if (sender == NULL)
        return;
    postern_message_reader_free(sender->reader);
    postern_transit_unref(sender->transit);
    if (sender->front != NULL)
        g_string_free(sender->front, TRUE);
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

/* Drops octets of the front, as many as there are of them; returns the others. */
static gsize drop_front(PosternMessageSender *sender, gsize octets)
{
    gsize dropped = sender->front != NULL ? MIN(octets, sender->front->len) : 0;
    if (dropped > 0)
        g_string_erase(sender->front, 0, (gssize)dropped);
    return octets - dropped;
}

/* Front, what waits of the transit, and the end of data in one write. */
static int write_transit(PosternMessageSender *sender, PosternStream *stream, gsize *ret_octets)
{
    static const char end[] = ".\r\n";
    for (;;) {
        struct iovec *pieces = sender->pieces;
        gsize front = sender->front != NULL ? sender->front->len : 0;
        int count = front > 0 ? 1 : 0;
        if (front > 0)
            pieces[0] = postern_transport_piece(sender->front->str, front);
        count +=
            postern_transit_pieces(sender->transit, pieces + count, POSTERN_WRITE_PIECES_MAX - 1 - count);
        gsize wanted = 0;
        for (int i = 0; i < count; i++)
            wanted += pieces[i].iov_len;
        gboolean ends = postern_transit_has_ended(sender->transit) &&
                        wanted == front + postern_transit_waiting(sender->transit);
        if (ends)
            pieces[count++] =
                postern_transport_piece(end + sender->end_written, strlen(end) - sender->end_written);
        gsize taken = postern_stream_send_some(stream, pieces, count, !ends);
        gsize message = MIN(taken, wanted);
        postern_transit_take(sender->transit, drop_front(sender, message));
        sender->end_written += taken - message;
        *ret_octets += taken;
        if (ends && sender->end_written == strlen(end))
            return 1;
        if (ends || taken < wanted || wanted == 0)
            return 0;
    }
}

gboolean postern_message_sender_waits(const PosternMessageSender *sender)
{
    return sender->transit != NULL && !postern_transit_has_ended(sender->transit) &&
           postern_transit_waiting(sender->transit) == 0 &&
           (sender->front == NULL || sender->front->len == 0);
}

int postern_message_sender_write(PosternMessageSender *sender, PosternStream *stream, gsize *ret_octets)
{
    *ret_octets = 0;
    if (sender->transit != NULL)
        return write_transit(sender, stream, ret_octets);
    for (;;) {
        if (sender->first == sender->count && sender->ended)
            return 1;
        if (sender->first == sender->count && !encode(sender))
            return -1;
        gsize taken = postern_stream_send_some(stream, sender->pieces + sender->first,
                                               sender->count - sender->first, FALSE);
        drop(sender, taken);
        *ret_octets += taken;
        if (sender->first < sender->count)
            return 0;
    }
}
