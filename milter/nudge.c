#include "milter/nudge.h"

#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/milter_socket.h"
#include "milter/filter.h"

#define PERIOD_MS 10
#define PROTOCOL_VERSION 6

struct PosternMilterNudge {
    PosternMilterSocket *place;
    struct event *timer;
    int connection; /* -1: none */
};

static gboolean send_packet(PosternMilterNudge *nudge, char command, const char *payload, gsize length)
{
    guint8 packet[64];
    guint32 size = GUINT32_TO_BE((guint32)length + 1);
    g_return_val_if_fail(length + sizeof size + 1 <= sizeof packet, FALSE);
    memcpy(packet, &size, sizeof size);
    packet[sizeof size] = (guint8)command;
    memcpy(packet + sizeof size + 1, payload, length);
    length += sizeof size + 1;
    return send(nudge->connection, packet, length, MSG_DONTWAIT | MSG_NOSIGNAL) == (gssize)length;
}

/* What every server begins with (SMFIC_OPTNEG); the answer is of no interest. */
static gboolean negotiate(PosternMilterNudge *nudge)
{
    const guint32 offer[] = {GUINT32_TO_BE(PROTOCOL_VERSION), GUINT32_TO_BE(SMFI_CURR_ACTS), 0};
    return send_packet(nudge, SMFIC_OPTNEG, (const char *)offer, sizeof offer);
}

static void hang_up(PosternMilterNudge *nudge)
{
    close(nudge->connection);
    nudge->connection = -1;
}

/* It is here, or it is not: neither a loopback nor a unix socket makes us wait. */
static void dial(PosternMilterNudge *nudge)
{
    nudge->connection = socket(nudge->place->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (nudge->connection < 0)
        return;
    if (connect(nudge->connection, (const struct sockaddr *)&nudge->place->address, nudge->place->length) !=
            0 ||
        !negotiate(nudge))
        hang_up(nudge);
}

static gboolean is_closed(const PosternMilterNudge *nudge)
{
    char answers[256];
    gssize length;
    do
        length = recv(nudge->connection, answers, sizeof answers, MSG_DONTWAIT);
    while (length > 0);
    return length == 0;
}

/* A macro of no meaning: it calls nothing, and no reply comes to it. */
static void say_something(PosternMilterNudge *nudge)
{
    static const char macro[] = "Cj\0";
    if (nudge->connection >= 0 && is_closed(nudge))
        hang_up(nudge);
    if (nudge->connection < 0)
        dial(nudge);
    if (nudge->connection >= 0 && !send_packet(nudge, SMFIC_MACRO, macro, sizeof macro))
        hang_up(nudge);
}

static void on_timer(evutil_socket_t descriptor, short what, void *data)
{
    PosternMilterNudge *nudge = data;
    if (postern_milter_filter_has_waiting(postern_milter_filter()))
        say_something(nudge);
    else
        event_del(nudge->timer);
}

PosternMilterNudge *postern_milter_nudge_new(struct event_base *loop, const char *place)
{
    PosternMilterNudge *nudge = g_new0(PosternMilterNudge, 1);
    nudge->place = postern_milter_socket_parse(place, NULL);
    nudge->timer = event_new(loop, -1, EV_PERSIST, on_timer, nudge);
    nudge->connection = -1;
    return nudge;
}

void postern_milter_nudge_start(PosternMilterNudge *nudge)
{
    const struct timeval period = {.tv_sec = 0, .tv_usec = PERIOD_MS * 1000};
    if (!event_pending(nudge->timer, EV_TIMEOUT, NULL))
        event_add(nudge->timer, &period);
}
