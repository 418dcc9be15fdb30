#include "milter/libmilter/wake_up.h"

#include <libmilter/mfapi.h>
#include <libmilter/mfdef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/milter_socket.h"
#include "milter/runtime.h"

#define PERIOD_MS 10
#define PROTOCOL_VERSION 6

struct PosternMilterWakeUp {
    PosternMilterSocket *place;
    struct event *timer;
    int connection; /* -1: none */
};

static gboolean send_packet(PosternMilterWakeUp *wake_up, char command, const char *payload, gsize length)
{
    guint8 packet[64];
    guint32 size = GUINT32_TO_BE((guint32)length + 1);
    g_return_val_if_fail(length + sizeof size + 1 <= sizeof packet, FALSE);
    memcpy(packet, &size, sizeof size);
    packet[sizeof size] = (guint8)command;
    memcpy(packet + sizeof size + 1, payload, length);
    length += sizeof size + 1;
    return send(wake_up->connection, packet, length, MSG_DONTWAIT | MSG_NOSIGNAL) == (gssize)length;
}

/* What every server begins with (SMFIC_OPTNEG); the answer is of no interest. */
static gboolean negotiate(PosternMilterWakeUp *wake_up)
{
    const guint32 negotiation[] = {GUINT32_TO_BE(PROTOCOL_VERSION), GUINT32_TO_BE(SMFI_CURR_ACTS), 0};
    return send_packet(wake_up, SMFIC_OPTNEG, (const char *)negotiation, sizeof negotiation);
}

static void hang_up(PosternMilterWakeUp *wake_up)
{
    close(wake_up->connection);
    wake_up->connection = -1;
}

/* It is here, or it is not: neither a loopback nor a unix socket makes us wait. */
static void dial(PosternMilterWakeUp *wake_up)
{
    wake_up->connection = socket(wake_up->place->family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (wake_up->connection < 0)
        return;
    if (connect(wake_up->connection, (const struct sockaddr *)&wake_up->place->address,
                wake_up->place->length) != 0 ||
        !negotiate(wake_up))
        hang_up(wake_up);
}

static gboolean is_closed(const PosternMilterWakeUp *wake_up)
{
    char answers[256];
    gssize length;
    do
        length = recv(wake_up->connection, answers, sizeof answers, MSG_DONTWAIT);
    while (length > 0);
    return length == 0;
}

/* A macro of no meaning: it calls nothing, and no reply comes to it. */
static void say_something(PosternMilterWakeUp *wake_up)
{
    static const char macro[] = "Cj\0";
    if (wake_up->connection >= 0 && is_closed(wake_up))
        hang_up(wake_up);
    if (wake_up->connection < 0)
        dial(wake_up);
    if (wake_up->connection >= 0 && !send_packet(wake_up, SMFIC_MACRO, macro, sizeof macro))
        hang_up(wake_up);
}

static void on_timer(evutil_socket_t descriptor, short what, void *data)
{
    PosternMilterWakeUp *wake_up = data;
    if (postern_milter_runtime_has_waiting(postern_milter_runtime()))
        say_something(wake_up);
    else
        event_del(wake_up->timer);
}

PosternMilterWakeUp *postern_milter_wake_up_new(struct event_base *loop, const char *place)
{
    PosternMilterWakeUp *wake_up = g_new0(PosternMilterWakeUp, 1);
    wake_up->place = postern_milter_socket_parse(place, NULL);
    wake_up->timer = event_new(loop, -1, EV_PERSIST, on_timer, wake_up);
    wake_up->connection = -1;
    return wake_up;
}

void postern_milter_wake_up_start(PosternMilterWakeUp *wake_up)
{
    const struct timeval period = {.tv_sec = 0, .tv_usec = PERIOD_MS * 1000};
    if (!event_pending(wake_up->timer, EV_TIMEOUT, NULL))
        event_add(wake_up->timer, &period);
}

void postern_milter_wake_up_move(PosternMilterWakeUp *wake_up, PosternMilterSocket *place)
{
    postern_milter_socket_free(wake_up->place);
    wake_up->place = place;
}
