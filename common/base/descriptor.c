#include "base/descriptor.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

typedef union {
    char room[CMSG_SPACE(sizeof(int))];
    struct cmsghdr aligned;
} Control;

gboolean postern_descriptor_send(int socket, char octet, int descriptor)
{
    Control control = {.room = {0}};
    struct iovec content = {.iov_base = &octet, .iov_len = 1};
    struct msghdr message = {.msg_iov = &content, .msg_iovlen = 1};
    if (descriptor >= 0) {
        message.msg_control = control.room;
        message.msg_controllen = sizeof control.room;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof descriptor);
        memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    return sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == 1;
}

int postern_descriptor_receive(int socket, char *ret_octet, int *ret_descriptor)
{
    Control control;
    struct iovec content = {.iov_base = ret_octet, .iov_len = 1};
    struct msghdr message = {.msg_iov = &content,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    *ret_descriptor = -1;
    gssize length = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    if (length < 0)
        return errno == ECONNRESET ? 0 : -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (header != NULL && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(sizeof *ret_descriptor))
        memcpy(ret_descriptor, CMSG_DATA(header), sizeof *ret_descriptor);
    return length == 0 ? 0 : 1;
}
