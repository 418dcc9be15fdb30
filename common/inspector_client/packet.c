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

/* Changes with every change of PosternPacket or of what its descriptors hold. */
#define PACKET_MAGIC 0x50537404u
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

int postern_packet_send(int socket, const PosternPacket *packet, const int *descriptors, guint count,
                        GError **error)
{
    g_return_val_if_fail(count <= POSTERN_PACKET_DESCRIPTORS_MAX, -1);
    PosternPacket copy = *packet;
    copy.magic = PACKET_MAGIC;
    PacketControl control = {0};
    struct iovec part = {.iov_base = &copy, .iov_len = sizeof copy};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (count > 0) {
        message.msg_control = control.octets;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), descriptors, sizeof(int) * count);
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
static gboolean take_descriptors(struct msghdr *message, int *descriptors, guint *ret_count)
{
    gboolean fits = (message->msg_flags & MSG_CTRUNC) == 0;
    guint count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        gsize present = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (gsize i = 0; i < present; i++) {
            int descriptor = -1;
            memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof descriptor);
            if (count < POSTERN_PACKET_DESCRIPTORS_MAX) {
                descriptors[count++] = descriptor;
            } else {
                close(descriptor);
                fits = FALSE;
            }
        }
    }
    *ret_count = count;
    return fits;
}

static gboolean packet_is_valid(const PosternPacket *packet)
{
    const char *end = memchr(packet->text, '\0', sizeof packet->text);
    if (packet->magic != PACKET_MAGIC || packet->kind < POSTERN_PACKET_REQUEST ||
        packet->kind > POSTERN_PACKET_LOG || packet->role >= POSTERN_ROLES || end == NULL)
        return FALSE;
    for (const char *octet = packet->text; octet < end; octet++)
        if (*octet < 0x20 || *octet > 0x7e)
            return FALSE;
    return TRUE;
}

/* The octets received, 0 where the peer is gone, -1 and errno. */
static gssize receive(int socket, struct msghdr *message)
{
    gssize length = 0;
    do {
        length = recvmsg(socket, message, MSG_CMSG_CLOEXEC);
    } while (length < 0 && errno == EINTR);
    return length < 0 && errno == ECONNRESET ? 0 : length;
}

int postern_packet_receive(int socket, PosternPacket *packet, int descriptors[POSTERN_PACKET_DESCRIPTORS_MAX],
                           guint *ret_count, GError **error)
{
    PacketControl control = {0};
    struct iovec part = {.iov_base = packet, .iov_len = sizeof *packet};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = control.octets,
                             .msg_controllen = sizeof control.octets};
    *ret_count = 0;
    gssize length = receive(socket, &message);
    if (length < 0 && errno == EAGAIN)
        return 0;
    if (length < 0) {
        postern_error_set_system(error, errno, "receiving from the inspector's socket");
        return -1;
    }
    gboolean fits = take_descriptors(&message, descriptors, ret_count);
    if (length == sizeof *packet && (message.msg_flags & MSG_TRUNC) == 0 && fits && packet_is_valid(packet))
        return 1;
    postern_packet_close(descriptors, ret_count);
    if (length == 0) {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_UNAVAILABLE,
                            "the other side of the socket is gone");
    } else {
        g_set_error_literal(error, POSTERN_ERROR, POSTERN_ERROR_PROTOCOL,
                            "a packet that is not of this version of the inspector's protocol");
    }
    return -1;
}

void postern_packet_close(int *descriptors, guint *count)
{
    for (guint i = 0; i < *count; i++) {
        close(descriptors[i]);
        descriptors[i] = -1;
    }
    *count = 0;
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

/* TRUE where descriptor is a memfd of ordinary pages that nobody can change any more. */
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
