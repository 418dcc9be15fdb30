#include "inspector_client/packet.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"

static void make_pair(int pair[2])
{
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), ==, 0);
}

static int memfd(const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) octets = g_bytes_new(text, strlen(text));
    int descriptor = postern_sealed_memfd_new("test", octets, &error);
    g_assert_no_error(error);
    return descriptor;
}

static guint open_descriptors(void)
{
    guint count = 0;
    g_autoptr(GDir) listing = g_dir_open("/proc/self/fd", 0, NULL);
    while (g_dir_read_name(listing) != NULL)
        count++;
    return count;
}

static GBytes *octets_of(gsize length, char octet)
{
    char *text = g_malloc(length + 1);
    memset(text, octet, length);
    return g_bytes_new_take(text, length);
}

static PosternMessage *message_of(gsize length)
{
    g_autoptr(GBytes) octets = octets_of(length, 'm');
    PosternMessage *message = postern_message_new(length, NULL, NULL);
    g_assert_true(postern_message_append(message, g_bytes_get_data(octets, NULL), length, NULL));
    g_assert_true(postern_message_seal(message, NULL));
    return message;
}

static const struct {
    gsize content, message; /* octets; message 0: none, 1: an empty one */
    guint descriptors;
} parcels[] = {
    {1, 0, 0},
    {300, 4000, 0},
    {300, 1, 1},
    {POSTERN_PACKET_CONTENT_MAX_OCTETS, POSTERN_MESSAGE_HEAP_MAX_OCTETS, 0},
    {POSTERN_PACKET_CONTENT_MAX_OCTETS + 1, 0, 1},
    {POSTERN_PACKET_CONTENT_MAX_OCTETS + 1, 4000, 1},
    {300, POSTERN_MESSAGE_HEAP_MAX_OCTETS + 1, 1},
    {POSTERN_PACKET_CONTENT_MAX_OCTETS + 1, POSTERN_MESSAGE_HEAP_MAX_OCTETS + 1, 2},
};

/* What is small stands in the packet, what is not beside it, and comes out the same. */
static void test_travels(void)
{
    guint before = open_descriptors();
    for (gsize i = 0; i < G_N_ELEMENTS(parcels); i++) {
        int pair[2];
        gsize length = parcels[i].message > 1 ? parcels[i].message : 0;
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) content = octets_of(parcels[i].content, 'c');
        g_autoptr(PosternMessage) message = parcels[i].message > 0 ? message_of(length) : NULL;
        g_autoptr(PosternMessage) got = NULL;
        g_auto(PosternPacket) out = {.kind = POSTERN_PACKET_REQUEST, .id = 1ull << 40, .deadline_ms = 7};
        g_auto(PosternPacket) in = {0};
        make_pair(pair);
        postern_packet_set_text(&out, "tab\there \xc3\xa4");
        g_assert_true(postern_packet_set_content(&out, content, message, &error));
        g_assert_cmpuint(out.descriptor_count, ==, parcels[i].descriptors);
        g_assert_cmpint(postern_packet_receive(pair[1], &in, &error), ==, 0);
        g_assert_cmpint(postern_packet_send(pair[0], &out, &error), ==, 1);
        g_assert_cmpint(postern_packet_receive(pair[1], &in, &error), ==, 1);
        g_assert_cmpuint(in.id, ==, 1ull << 40);
        g_assert_cmpuint(in.deadline_ms, ==, 7);
        g_assert_cmpstr(in.text, ==, "tab?here ??");
        for (guint j = 0; j < in.descriptor_count; j++)
            g_assert_cmpint(fcntl(in.descriptors[j], F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
        g_autoptr(GBytes) octets = postern_packet_content(&in, parcels[i].content, &error);
        g_assert_no_error(error);
        g_assert_true(g_bytes_equal(octets, content));
        g_assert_true(postern_packet_message(&in, &got, &error));
        g_assert_cmpint(got != NULL, ==, message != NULL);
        g_assert_cmpuint(got != NULL ? postern_message_size(got) : 0, ==, length);
        close(pair[0]);
        g_assert_cmpint(postern_packet_receive(pair[1], &in, &error), ==, -1);
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE);
        close(pair[1]);
    }
    g_assert_cmpuint(open_descriptors(), ==, before);
}

static void test_peer_gone(void)
{
    int pair[2];
    g_autoptr(GError) error = NULL;
    PosternPacket out = {.kind = POSTERN_PACKET_READY};
    make_pair(pair);
    close(pair[1]);
    g_assert_cmpint(postern_packet_send(pair[0], &out, &error), ==, -1);
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE);
    close(pair[0]);
}

static void test_full(void)
{
    int pair[2], state = 1;
    guint sent = 0;
    PosternPacket out = {.kind = POSTERN_PACKET_READY};
    make_pair(pair);
    for (; sent < 100000 && state == 1; sent++)
        state = postern_packet_send(pair[0], &out, NULL);
    g_assert_cmpint(state, ==, 0);
    close(pair[0]);
    close(pair[1]);
}

typedef struct {
    const char *name;
    gsize length; /* octets of the packet that are sent */
    guint32 kind;
    char text_octet; /* at the end of text */
    guint32 magic_change;
    guint32 role;
    guint32 content_octets;
    guint32 has_message;
} BadPacket;

#define HEAD POSTERN_PACKET_HEAD_OCTETS

static const BadPacket bad_packets[] = {
    {"short", HEAD - 1, POSTERN_PACKET_READY, 0, 0},
    {"one octet", 1, POSTERN_PACKET_READY, 0, 0},
    {"long", HEAD + 1, POSTERN_PACKET_READY, 0, 0},
    {"magic", HEAD, POSTERN_PACKET_READY, 0, 1},
    {"kind 0", HEAD, 0, 0, 0},
    {"kind over the last", HEAD, POSTERN_PACKET_RECALL + 1, 0, 0},
    {"role over the last", HEAD, POSTERN_PACKET_READY, 0, 0, POSTERN_ROLES},
    {"text without an end", HEAD, POSTERN_PACKET_READY, 'x', 0},
    {"text with a control octet", HEAD, POSTERN_PACKET_READY, '\n', 0},
    {"no content", HEAD, POSTERN_PACKET_REQUEST},
    {"content that is not there", HEAD, POSTERN_PACKET_REQUEST, .content_octets = 1},
    {"content that is short", HEAD + 1, POSTERN_PACKET_RESPONSE, .content_octets = 2},
    {"octets behind the content", HEAD + 2, POSTERN_PACKET_REQUEST, .content_octets = 1},
    {"a response with a message", HEAD + 2, POSTERN_PACKET_RESPONSE, .content_octets = 1, .has_message = 1},
    {"a message that is not there", HEAD + 1, POSTERN_PACKET_REQUEST, .content_octets = 1, .has_message = 1},
    {"too much content", HEAD + POSTERN_PACKET_CONTENT_MAX_OCTETS + 1, POSTERN_PACKET_REQUEST,
     .content_octets = POSTERN_PACKET_CONTENT_MAX_OCTETS + 1},
    {"too many octets", HEAD + POSTERN_PACKET_OCTETS_MAX + 1, POSTERN_PACKET_REQUEST, .content_octets = 1,
     .has_message = 1},
    {"a worker without a descriptor", HEAD, POSTERN_PACKET_FORKED},
};

/* A good packet's octets, as a hostile client would send them changed. */
static void send_changed(int socket, int taker, const BadPacket *bad)
{
    char room[HEAD + POSTERN_PACKET_OCTETS_MAX + 1] = {0};
    PosternPacket packet = {.kind = POSTERN_PACKET_READY};
    g_assert_cmpint(postern_packet_send(socket, &packet, NULL), ==, 1);
    g_assert_cmpint(recv(taker, &packet, HEAD, 0), ==, HEAD);
    packet.kind = bad->kind;
    packet.magic += bad->magic_change;
    packet.role = bad->role;
    packet.content_octets = bad->content_octets;
    packet.has_message = bad->has_message;
    memset(packet.text, bad->text_octet == '\n' ? 0 : bad->text_octet, sizeof packet.text);
    if (bad->text_octet == '\n')
        packet.text[0] = '\n';
    memcpy(room, &packet, HEAD);
    g_assert_cmpint(send(socket, room, bad->length, 0), ==, (gssize)bad->length);
}

static void test_bad_packets(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(bad_packets); i++) {
        int pair[2];
        PosternPacket in;
        g_autoptr(GError) error = NULL;
        make_pair(pair);
        send_changed(pair[0], pair[1], &bad_packets[i]);
        g_test_message("%s", bad_packets[i].name);
        g_assert_cmpint(postern_packet_receive(pair[1], &in, &error), ==, -1);
        g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
        close(pair[0]);
        close(pair[1]);
    }
}

/* Three descriptors where two are allowed: refused, and none is left open. */
static void test_too_many_descriptors(void)
{
    int pair[2], sent[3];
    PosternPacket packet = {.kind = POSTERN_PACKET_READY}, in;
    union {
        struct cmsghdr header;
        char octets[CMSG_SPACE(sizeof sent)];
    } control = {0};
    struct iovec part = {.iov_base = &packet, .iov_len = HEAD};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.octets,
                             .msg_controllen = sizeof control.octets};
    g_autoptr(GError) error = NULL;
    make_pair(pair);
    for (guint i = 0; i < G_N_ELEMENTS(sent); i++)
        sent[i] = memfd("x");
    guint before = open_descriptors();
    CMSG_FIRSTHDR(&message)->cmsg_level = SOL_SOCKET;
    CMSG_FIRSTHDR(&message)->cmsg_type = SCM_RIGHTS;
    CMSG_FIRSTHDR(&message)->cmsg_len = CMSG_LEN(sizeof sent);
    memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), sent, sizeof sent);
    g_assert_cmpint(postern_packet_send(pair[0], &packet, NULL), ==, 1);
    g_assert_cmpint(recv(pair[1], &packet, HEAD, 0), ==, HEAD);
    g_assert_cmpint(sendmsg(pair[0], &message, 0), ==, HEAD);
    g_assert_cmpint(postern_packet_receive(pair[1], &in, &error), ==, -1);
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
    g_assert_cmpuint(in.descriptor_count, ==, 0);
    g_assert_cmpuint(open_descriptors(), ==, before);
    for (guint i = 0; i < G_N_ELEMENTS(sent); i++)
        close(sent[i]);
    close(pair[0]);
    close(pair[1]);
}

static void test_memfd_refused(void)
{
    g_autoptr(GError) error = NULL;
    int plain = memfd_create("plain", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g_assert_null(postern_sealed_memfd_read(plain, 10, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
    g_clear_error(&error);
    int half = memfd_create("half", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    g_assert_cmpint(fcntl(half, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW), ==, 0);
    g_assert_null(postern_sealed_memfd_read(half, 10, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
    g_clear_error(&error);
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    g_assert_null(postern_sealed_memfd_read(ends[0], 10, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL);
    g_clear_error(&error);
    close(ends[1]);
    g_assert_null(postern_sealed_memfd_read(memfd("four"), 3, &error));
    g_assert_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT);
    g_clear_error(&error);
    g_autoptr(GBytes) nothing = postern_sealed_memfd_read(memfd(""), 3, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_bytes_get_size(nothing), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/packet/travels", test_travels);
    g_test_add_func("/packet/peer-gone", test_peer_gone);
    g_test_add_func("/packet/full", test_full);
    g_test_add_func("/packet/bad", test_bad_packets);
    g_test_add_func("/packet/too-many-descriptors", test_too_many_descriptors);
    g_test_add_func("/packet/memfd-refused", test_memfd_refused);
    return g_test_run();
}
