/*
 * An inspector for tests of its clients: listens on a socket of its own in the test's event loop; a function
 * of the test answers each request.
 */
#pragma once

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>
#include <glib.h>

#include "base/limits.h"
#include "inspector_client/packet.h"
#include "inspector_client/request.h"

typedef struct FakeInspector FakeInspector;

struct FakeInspector {
    struct event_base *loop;
    char *directory, *path;
    int listening, socket; /* one client at a time; -1: none */
    struct event *acceptable, *readable;
    gboolean silent; /* does not greet */
    guint connections, requests;
    /* request is NULL where it could not be read. octets: of the message, 0 where there is none. */
    void (*answer)(FakeInspector *fake, const PosternPacket *packet, PosternRequest *request, guint64 octets);
    gpointer user_data;
};

static inline void fake_hang_up(FakeInspector *fake)
{
    g_clear_pointer(&fake->readable, event_free);
    if (fake->socket >= 0)
        close(fake->socket);
    fake->socket = -1;
}

static inline void fake_respond(FakeInspector *fake, guint64 id, const PosternResponse *response)
{
    g_autoptr(GBytes) octets = postern_response_serialise(response);
    g_auto(PosternPacket) packet = {.kind = POSTERN_PACKET_RESPONSE, .id = id};
    g_assert_true(postern_packet_set_content(&packet, octets, NULL, NULL));
    g_assert_cmpint(postern_packet_send(fake->socket, &packet, NULL), ==, 1);
}

static inline void fake_fail(FakeInspector *fake, guint64 id, PosternFailure failure, const char *text)
{
    PosternPacket packet = {.kind = POSTERN_PACKET_FAILURE, .id = id, .failure = failure};
    postern_packet_set_text(&packet, text);
    g_assert_cmpint(postern_packet_send(fake->socket, &packet, NULL), ==, 1);
}

static inline void fake_greet(FakeInspector *fake, gboolean ready, const char *reason)
{
    PosternPacket packet = {.kind = POSTERN_PACKET_READY, .value = ready};
    postern_packet_set_text(&packet, reason);
    g_assert_cmpint(postern_packet_send(fake->socket, &packet, NULL), ==, 1);
}

static inline void fake_readable(evutil_socket_t socket, short what, void *data)
{
    FakeInspector *fake = data;
    g_auto(PosternPacket) packet = {0};
    int received = postern_packet_receive(socket, &packet, NULL);
    (void)what;
    if (received < 0)
        fake_hang_up(fake);
    if (received <= 0)
        return;
    g_assert_cmpuint(packet.kind, ==, POSTERN_PACKET_REQUEST);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) octets = postern_packet_content(&packet, POSTERN_INSPECTOR_REQUEST_MAX_OCTETS, &error);
    g_assert_no_error(error);
    g_autoptr(PosternRequest) request = postern_request_parse(octets, &error);
    g_assert_no_error(error);
    g_autoptr(PosternMessage) message = NULL;
    g_assert_true(postern_packet_message(&packet, &message, &error));
    fake->requests++;
    fake->answer(fake, &packet, request, message != NULL ? postern_message_size(message) : 0);
}

static inline void fake_acceptable(evutil_socket_t listening, short what, void *data)
{
    FakeInspector *fake = data;
    (void)what;
    fake_hang_up(fake);
    fake->socket = accept4(listening, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    g_assert_cmpint(fake->socket, >=, 0);
    fake->connections++;
    fake->readable = event_new(fake->loop, fake->socket, EV_READ | EV_PERSIST, fake_readable, fake);
    event_add(fake->readable, NULL);
    if (!fake->silent)
        fake_greet(fake, TRUE, NULL);
}

static inline FakeInspector *fake_new(struct event_base *loop)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    FakeInspector *fake = g_new0(FakeInspector, 1);
    fake->loop = loop;
    fake->socket = -1;
    fake->directory = g_strdup("/tmp/postern-unit-XXXXXX");
    g_assert_nonnull(mkdtemp(fake->directory));
    fake->path = g_build_filename(fake->directory, "socket", NULL);
    g_strlcpy(address.sun_path, fake->path, sizeof address.sun_path);
    fake->listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    g_assert_cmpint(bind(fake->listening, (const struct sockaddr *)&address, sizeof address), ==, 0);
    g_assert_cmpint(listen(fake->listening, 8), ==, 0);
    fake->acceptable = event_new(loop, fake->listening, EV_READ | EV_PERSIST, fake_acceptable, fake);
    event_add(fake->acceptable, NULL);
    return fake;
}

static inline void fake_free(FakeInspector *fake)
{
    fake_hang_up(fake);
    event_free(fake->acceptable);
    close(fake->listening);
    unlink(fake->path);
    rmdir(fake->directory);
    g_free(fake->path);
    g_free(fake->directory);
    g_free(fake);
}
