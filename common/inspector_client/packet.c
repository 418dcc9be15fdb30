#include "inspector_client/packet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/error.h"
#include "base/limits.h"

/* Changes with every change of PosternPacket or of what its descriptors hold. */
#define PACKET_MAGIC 0x50537406u
#define CONTENT_SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

typedef union {
    struct cmsghdr header; /* for its alignment */
    char octets[CMSG_SPACE(sizeof(int) * POSTERN_PACKET_DESCRIPTORS_MAX)];
} PacketControl;

static const char *const role_names[POSTERN_ROLES] = {
    [POSTERN_ROLE_SCAN] = "scan", [POSTERN_ROLE_LIGHT] = "light", [POSTERN_ROLE_SIGN] = "sign"};

const char *postern_role_name(PosternRole role)
{
    return role_names[role];
}

gboolean postern_role_parse(PosternRole *ret_role, const char *name)
{
    for (guint i = 0; i < POSTERN_ROLES; i++) {
        if (g_strcmp0(role_names[i], name) == 0) {
            *ret_role = (PosternRole)i;
            return TRUE;
        }
    }
    return FALSE;
}

void postern_packet_set_text(PosternPacket *packet, const char *text)
{
    g_strlcpy(packet->text, text != NULL ? text : "", sizeof packet->text);
    for (char *octet = packet->text; *octet != '\0'; octet++)
        if (*octet < 0x20 || *octet > 0x7e)
            *octet = '?';
}

void postern_packet_clear(PosternPacket *packet)
{
    g_clear_pointer(&packet->octets, g_bytes_unref);
    for (guint i = 0; i < packet->descriptor_count; i++)
        close(packet->descriptors[i]);
    packet->descriptor_count = 0;
}

gboolean postern_packet_has_fingerprint(const PosternPacket *packet)
{
    static const guint8 none[POSTERN_FINGERPRINT_OCTETS];
    return memcmp(packet->fingerprint, none, sizeof none) != 0;
}

PosternPacket postern_packet_steal(PosternPacket *packet)
{
    PosternPacket taken = *packet;
    packet->octets = NULL;
    packet->descriptor_count = 0;
    return taken;
}

int postern_packet_take_descriptor(PosternPacket *packet)
{
    int descriptor = packet->descriptors[0];
    packet->descriptor_count--;
    memmove(packet->descriptors, packet->descriptors + 1,
            packet->descriptor_count * sizeof *packet->descriptors);
    return descriptor;
}

static gboolean add_descriptor(PosternPacket *packet, int descriptor)
{
    if (descriptor >= 0)
        packet->descriptors[packet->descriptor_count++] = descriptor;
    return descriptor >= 0;
}

/* An empty message, too, for no octets of it can stand in the packet. */
static gboolean add_memfd_of(PosternPacket *packet, PosternMessage *message, GError **error)
{
    g_autoptr(GBytes) nothing = g_bytes_new_static("", 0);
    int held = postern_message_descriptor(message);
    int descriptor = held >= 0 ? fcntl(held, F_DUPFD_CLOEXEC, 0)
                               : postern_sealed_memfd_new("postern-message", nothing, error);
    if (held >= 0 && descriptor < 0)
        postern_error_set_system(error, errno, "passing a message on");
    return add_descriptor(packet, descriptor);
}

gboolean postern_packet_set_content(PosternPacket *packet, GBytes *content, PosternMessage *message,
                                    GError **error)
{
    gsize length = 0, message_length = 0;
    const guint8 *octets = g_bytes_get_data(content, &length);
    gboolean few = message != NULL && postern_message_descriptor(message) < 0;
    const char *message_octets = few ? postern_message_octets(message, &message_length, error) : NULL;
    if (few && message_octets == NULL)
        return FALSE;
    packet->has_message = message != NULL;
    if (length > 0 && length <= POSTERN_PACKET_CONTENT_MAX_OCTETS)
        packet->content_octets = (guint32)length;
    else if (!add_descriptor(packet, postern_sealed_memfd_new("postern-content", content, error)))
        return FALSE;
    if (message != NULL && message_length == 0 && !add_memfd_of(packet, message, error))
        return FALSE;
    if (message_length == 0) {
        packet->octets = packet->content_octets > 0 ? g_bytes_ref(content) : NULL;
        return TRUE;
    }
    GByteArray *both = g_byte_array_sized_new((guint)(packet->content_octets + message_length));
    g_byte_array_append(both, octets, packet->content_octets);
    g_byte_array_append(both, (const guint8 *)message_octets, (guint)message_length);
    packet->octets = g_byte_array_free_to_bytes(both);
    return TRUE;
}

static gsize octets_with(const PosternPacket *packet)
{
    return packet->octets != NULL ? g_bytes_get_size(packet->octets) : 0;
}

/* The message stands behind the content, in the packet. */
static gboolean message_is_inside(const PosternPacket *packet)
{
    return packet->has_message != 0 && octets_with(packet) > packet->content_octets;
}

GBytes *postern_packet_content(PosternPacket *packet, gsize maximum, GError **error)
{
    if (packet->content_octets > 0)
        return g_bytes_new_from_bytes(packet->octets, 0, packet->content_octets);
    return postern_sealed_memfd_read(postern_packet_take_descriptor(packet), maximum, error);
}

gboolean postern_packet_message(PosternPacket *packet, PosternMessage **ret_message, GError **error)
{
    *ret_message = NULL;
    if (packet->has_message == 0)
        return TRUE;
    if (message_is_inside(packet)) {
        g_autoptr(GBytes) octets = g_bytes_new_from_bytes(packet->octets, packet->content_octets,
                                                          octets_with(packet) - packet->content_octets);
        *ret_message = postern_message_from_octets(octets);
        return TRUE;
    }
    *ret_message = postern_message_from_descriptor(postern_packet_take_descriptor(packet),
                                                   POSTERN_MESSAGE_MAX_OCTETS, error);
    return *ret_message != NULL;
}

int postern_packet_send(int socket, const PosternPacket *packet, GError **error)
{
    PosternPacket copy = *packet;
    copy.magic = PACKET_MAGIC;
    PacketControl control = {0};
    guint count = packet->descriptor_count;
    gsize length = octets_with(packet);
    gconstpointer octets = length > 0 ? g_bytes_get_data(packet->octets, NULL) : NULL;
    struct iovec parts[] = {{.iov_base = &copy, .iov_len = POSTERN_PACKET_HEAD_OCTETS},
                            {.iov_base = (gpointer)(guintptr)octets, .iov_len = length}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = length > 0 ? 2 : 1};
    if (count > 0) {
        message.msg_control = control.octets;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), packet->descriptors, sizeof(int) * count);
    }
    for (;;) {
        if (sendmsg(socket, &message, MSG_NOSIGNAL) >= 0)
            return 1;
        if (errno == EAGAIN || errno == ENOBUFS || errno == ETOOMANYREFS)
            return 0;
        if (errno != EINTR) {
            int number = errno;
            g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                        "the other side of the socket is gone: %s", g_strerror(number));
            return -1;
        }
    }
}

/* Takes the descriptors out of message; those over the maximum are closed. TRUE: there were none over it. */
static gboolean take_descriptors(struct msghdr *message, PosternPacket *packet)
{
    gboolean fits = (message->msg_flags & MSG_CTRUNC) == 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        gsize present = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (gsize i = 0; i < present; i++) {
            int descriptor = -1;
            memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof descriptor);
            if (packet->descriptor_count < POSTERN_PACKET_DESCRIPTORS_MAX) {
                packet->descriptors[packet->descriptor_count++] = descriptor;
            } else {
                close(descriptor);
                fits = FALSE;
            }
        }
    }
    return fits;
}

/* What goes with it is what its kind has, so that nobody need look again. */
static gboolean is_complete(const PosternPacket *packet)
{
    guint descriptors = packet->kind == POSTERN_PACKET_FORK || packet->kind == POSTERN_PACKET_FORKED ||
                        packet->kind == POSTERN_PACKET_FILE;
    gboolean request = packet->kind == POSTERN_PACKET_REQUEST;
    gsize room = 0;
    if (request || packet->kind == POSTERN_PACKET_RESPONSE || packet->kind == POSTERN_PACKET_RECALL) {
        descriptors += packet->content_octets == 0;
        descriptors += packet->has_message != 0 && !message_is_inside(packet);
        descriptors += packet->scanner != POSTERN_SCANNER_NONE;
        room = message_is_inside(packet) ? POSTERN_PACKET_OCTETS_MAX : packet->content_octets;
    }
    return packet->descriptor_count == descriptors && (packet->has_message == 0 || request) &&
           (packet->scanner == POSTERN_SCANNER_NONE || request) && packet->scanner <= POSTERN_SCANNER_BEGUN &&
           packet->content_octets <= POSTERN_PACKET_CONTENT_MAX_OCTETS &&
           octets_with(packet) >= packet->content_octets && octets_with(packet) <= room;
}

static gboolean is_valid(const PosternPacket *packet)
{
    const char *end = memchr(packet->text, '\0', sizeof packet->text);
    if (packet->magic != PACKET_MAGIC || packet->kind < POSTERN_PACKET_REQUEST ||
        packet->kind > POSTERN_PACKET_RECALL || packet->role >= POSTERN_ROLES || end == NULL)
        return FALSE;
    for (const char *octet = packet->text; octet < end; octet++)
        if (*octet < 0x20 || *octet > 0x7e)
            return FALSE;
    return is_complete(packet);
}

/* The octets received, 0 if the peer is gone, -1 and errno. */
static gssize receive(int socket, struct msghdr *message)
{
    gssize length = 0;
    do {
        length = recvmsg(socket, message, MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    return length < 0 && errno == ECONNRESET ? 0 : length;
}

int postern_packet_receive(int socket, PosternPacket *packet, GError **error)
{
    char octets[POSTERN_PACKET_OCTETS_MAX];
    PacketControl control = {0};
    struct iovec parts[] = {{.iov_base = packet, .iov_len = POSTERN_PACKET_HEAD_OCTETS},
                            {.iov_base = octets, .iov_len = sizeof octets}};
    struct msghdr message = {.msg_iov = parts,
                             .msg_iovlen = G_N_ELEMENTS(parts),
                             .msg_control = control.octets,
                             .msg_controllen = sizeof control.octets};
    packet->octets = NULL;
    packet->descriptor_count = 0;
    gssize length = receive(socket, &message);
    if (length < 0 && errno == EAGAIN)
        return 0;
    if (length < 0) {
        postern_error_set_system(error, errno, "receiving from the inspector's socket");
        return -1;
    }
    gboolean fits = take_descriptors(&message, packet);
    if (length > (gssize)POSTERN_PACKET_HEAD_OCTETS)
        packet->octets = g_bytes_new(octets, (gsize)length - POSTERN_PACKET_HEAD_OCTETS);
    if (length >= (gssize)POSTERN_PACKET_HEAD_OCTETS && (message.msg_flags & MSG_TRUNC) == 0 && fits &&
        is_valid(packet))
        return 1;
    postern_packet_clear(packet);
    if (length == 0) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                            "the other side of the socket is gone");
    } else {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL,
                            "a packet that is not of this version of the inspector's protocol");
    }
    return -1;
}

static gboolean write_all(int descriptor, const char *octets, gsize length)
{
    while (length > 0) {
        gssize written = write(descriptor, octets, length);
        if (written < 0 && errno != EINTR)
            return FALSE;
        if (written > 0) {
            octets += written;
            length -= (gsize)written;
        }
    }
    return TRUE;
}

int postern_sealed_memfd_new(const char *name, GBytes *octets, GError **error)
{
    int descriptor = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) {
        postern_error_set_system(error, errno, "making a memfd");
        return -1;
    }
    gsize length = 0;
    const char *start = g_bytes_get_data(octets, &length);
    if (!write_all(descriptor, start, length) ||
        fcntl(descriptor, F_ADD_SEALS, CONTENT_SEALS | F_SEAL_SEAL) != 0) {
        postern_error_set_system(error, errno, "filling a memfd with %" G_GSIZE_FORMAT " octets", length);
        close(descriptor);
        return -1;
    }
    return descriptor;
}

typedef struct {
    gpointer start;
    gsize length;
} Mapping;

static void mapping_free(gpointer data)
{
    Mapping *mapping = data;
    munmap(mapping->start, mapping->length);
    g_free(mapping);
}

/* TRUE if descriptor is a memfd of ordinary pages that nobody can change any more. */
static gboolean is_sealed(int descriptor, struct stat *status)
{
    struct statfs system;
    int seals = fcntl(descriptor, F_GET_SEALS);
    return seals >= 0 && (seals & CONTENT_SEALS) == CONTENT_SEALS && fstatfs(descriptor, &system) == 0 &&
           system.f_type == TMPFS_MAGIC && fstat(descriptor, status) == 0 && S_ISREG(status->st_mode);
}

GBytes *postern_sealed_memfd_read(int descriptor, gsize maximum, GError **error)
{
    struct stat status = {0};
    GBytes *octets = NULL;
    if (!is_sealed(descriptor, &status)) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL,
                            "a descriptor that is no sealed memfd");
    } else if ((guint64)status.st_size > maximum) {
        g_set_error(error, POSTERN_ERROR, POSTERN_ERROR_LIMIT,
                    "content of %" G_GINT64_FORMAT " octets is over %" G_GSIZE_FORMAT, (gint64)status.st_size,
                    maximum);
    } else if (status.st_size == 0) {
        octets = g_bytes_new_static("", 0);
    } else {
        gpointer start = mmap(NULL, (gsize)status.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
        if (start == MAP_FAILED) {
            postern_error_set_system(error, errno, "mapping a memfd");
        } else {
            Mapping *mapping = g_new(Mapping, 1);
            *mapping = (Mapping){start, (gsize)status.st_size};
            octets = g_bytes_new_with_free_func(start, mapping->length, mapping_free, mapping);
        }
    }
    close(descriptor);
    return octets;
}
