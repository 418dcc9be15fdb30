/*
 * What a hostile client sends to the inspector's socket: a packet that is taken has text that can be logged,
 * and its content and message are within their limits.
 */
#include "inspector_client/packet.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void take(PosternPacket *packet)
{
    g_autoptr(PosternMessage) message = NULL;
    if (memchr(packet->text, '\0', sizeof packet->text) == NULL)
        abort();
    for (const char *at = packet->text; *at != '\0'; at++)
        if (!g_ascii_isprint(*at))
            abort();
    g_autoptr(GBytes) content = postern_packet_content(packet, POSTERN_PACKET_CONTENT_MAX_OCTETS, NULL);
    if (content == NULL || !postern_packet_message(packet, &message, NULL))
        return;
    if (g_bytes_get_size(content) > POSTERN_PACKET_CONTENT_MAX_OCTETS ||
        (message != NULL && postern_message_size(message) > POSTERN_MESSAGE_MAX_OCTETS))
        abort();
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    int pair[2];
    PosternPacket head = {.kind = POSTERN_PACKET_REQUEST};
    g_auto(PosternPacket) packet = {0};
    if (size == 0 || size > POSTERN_PACKET_OCTETS_MAX || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0)
        return 0;
    /* An even first octet: the rest is a packet. An odd one: it is what goes with the head of a good one. */
    if (data[0] % 2 == 0) {
        (void)!send(pair[0], data + 1, size - 1, MSG_NOSIGNAL);
    } else {
        head.octets = g_bytes_new(data + 1, size - 1);
        head.content_octets = size > 1 ? 1 + data[1] % (guint)size : 0;
        head.has_message = data[0] / 2 % 2;
        (void)!postern_packet_send(pair[0], &head, NULL);
        g_bytes_unref(head.octets);
    }
    close(pair[0]);
    if (postern_packet_receive(pair[1], &packet, NULL) == 1)
        take(&packet);
    close(pair[1]);
    return 0;
}
